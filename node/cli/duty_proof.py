"""Check the proof of an adoption as somebody does who has nothing but the charter."""

from __future__ import annotations

from typing import Any

from federation.checkpoint import SignedCheckpoint, verify_checkpoint
from federation.errors import FederationError
from federation.matters.responsibility import item_digest
from federation.merkle import leaf_hash, verify_inclusion
from federation.names import Origin
from federation.roles import Role
from federation.statements import DutyAdoption, DutyItem, Statement, decode_statement
from node.cli.charter_file import require_charter
from node.cli.document import time_text
from node.errors import PeerError
from node.home import Home


def verify_adoption(home: Home, document: Any) -> dict[str, Any]:
    """Check that a member adopted a duty, and say which and when.

    Args:
        home: Its charter gives the keys.
        document: What ``tocsin duty prove`` wrote.

    Raises:
        PeerError: PROOF_INVALID.
    """
    try:
        regulator, listed, _ = _verify_entry(home, document["duty"])
        member, adopted, signed = _verify_entry(home, document["adoption"])
    except (KeyError, TypeError, ValueError, FederationError) as error:
        raise _invalid("a part of it is missing, or does not lead to the signed log") from error
    item, adoption = listed.body, adopted.body
    if not isinstance(item, DutyItem) or not isinstance(adoption, DutyAdoption):
        raise _invalid("it is not about a duty and its adoption")
    named = (adoption.matter_id, adoption.opener, adoption.item_digest)
    if named != (listed.id, regulator.member, item_digest(item)):
        raise _invalid("the adoption names another duty")
    if Role.REGULATOR not in require_charter(home).member(regulator.member).roles:
        raise _invalid("who listed the duty is no regulator")
    return {
        "member": member.member,
        "opener": regulator.member,
        "code": item.code,
        "matter_id": listed.id.hex(),
        "adopted_time": time_text(adopted.issued_time),
        "signed_time": time_text(int(signed.checkpoint.time.timestamp())),
        "size": signed.checkpoint.size,
    }


def _verify_entry(home: Home, proof: Any) -> tuple[Origin, Statement, SignedCheckpoint]:
    origin, body = Origin.parse(proof["origin"]), bytes.fromhex(proof["body"])
    charter = require_charter(home)
    if origin.federation != charter.federation:
        raise ValueError("a log of another federation")
    public = charter.member(origin.member).signing_key
    # Written in hexadecimal, as every field of bytes.
    signed = verify_checkpoint(bytes.fromhex(proof["checkpoint"]), origin, public)
    path = [bytes.fromhex(text) for text in proof["hashes"]]
    tree = signed.checkpoint
    verify_inclusion(leaf_hash(body), int(proof["index"]), tree.size, tree.root, path)
    return origin, decode_statement(body), signed


def _invalid(sentence: str) -> PeerError:
    return PeerError(f"the proof does not hold: {sentence}", reason="PROOF_INVALID")
