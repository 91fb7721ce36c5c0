"""Read and write the files that a citizen carries between home and desk."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from federation.names import MemberId, NameFormatError
from federation.one_id import SEED_BYTES, CitizenKeys, ConsentForm
from federation.vocabulary import AccountKind
from keys.secret import Secret
from node.cli.document import time_text
from node.errors import RequestError
from node.whole_file import OWNER_MODE, PUBLIC_MODE, create_whole
from tocsin.desk.v1 import one_id_service_pb2 as wire

KEY: Final = "tocsin-citizen-key/v1"
PUBLIC: Final = "tocsin-citizen/v1"
FORM: Final = "tocsin-one-id-form/v1"
CONSENT: Final = "tocsin-one-id-consent/v1"
PAPERS: Final = "tocsin-one-id-papers/v1"
DISPUTE: Final = "tocsin-one-id-dispute/v1"

MAX_PAPER_BYTES: Final = 4 * 1024 * 1024
"""Bytes of a file: answers of a hundred members, written as text, with their keys."""


def write_paper(path: Path, paper: str, content: Mapping[str, Any]) -> None:
    """Write a new file; the one of a key can be read by its owner alone.

    Raises:
        RequestError: FILE_EXISTS or FILE_UNUSABLE.
    """
    text = json.dumps({"paper": paper, **content}, ensure_ascii=False, indent=1) + "\n"
    try:
        create_whole(path, text.encode(), OWNER_MODE if paper == KEY else PUBLIC_MODE)
    except FileExistsError as error:
        raise RequestError(
            "the file exists", reason="FILE_EXISTS", hint="give another name: nothing is replaced"
        ) from error
    except OSError as error:
        raise RequestError("the file cannot be written", reason="FILE_UNUSABLE") from error


def read_paper(path: Path, *papers: str) -> dict[str, Any]:
    """Read a file of one of some kinds.

    Raises:
        RequestError: FILE_UNREADABLE, or PAPER_INVALID where it is another thing.
    """
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(MAX_PAPER_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError("the file cannot be read", reason="FILE_UNREADABLE") from error
    if not isinstance(found, dict) or found.get("paper") not in papers:
        wanted = " or ".join(papers)
        raise RequestError(f"the file is no {wanted}", reason="PAPER_INVALID")
    return found


def make_keys(path: Path) -> CitizenKeys:
    """Make a citizen's keys, and write their seed to a new file.

    Raises:
        RequestError: As ``write_paper``.
    """
    seed = secrets.token_bytes(SEED_BYTES)
    write_paper(path, KEY, {"seed": seed.hex()})
    return CitizenKeys(Secret(seed))


def read_keys(path: Path) -> CitizenKeys:
    """Read a citizen's keys.

    Raises:
        RequestError: As ``read_paper``.
    """
    seed = read_bytes(read_paper(path, KEY), "seed")
    if len(seed) != SEED_BYTES:
        raise _invalid("seed")
    return CitizenKeys(Secret(seed))


def public_paper(keys: CitizenKeys) -> dict[str, Any]:
    """Return what a desk gets."""
    return {"receiving_key": keys.receiving_key.hex(), "consent_key": keys.consent_key.hex()}


def form_paper(form: wire.OneIdForm) -> dict[str, Any]:
    """Return a form as the citizen gets it; what is long comes last."""
    return {
        "opener": form.opener,
        "asked": list(form.members),
        "wanted": [AccountKind(one).name for one in form.wanted],
        "consent_time": form.consent_time.seconds,
        "made": time_text(form.consent_time.seconds),
        "token": form.token.hex(),
        "epoch": form.epoch,
        "proof_digest": form.proof_digest.hex(),
        "knowledge_proof": form.knowledge_proof.hex(),
        "consent_key": form.consent_key.hex(),
        "receiving_key": form.receiving_key.hex(),
    }


def read_form(paper: Mapping[str, Any]) -> ConsentForm:
    """Read a form.

    Raises:
        RequestError: PAPER_INVALID.
    """
    try:
        return ConsentForm(
            MemberId(paper["opener"]),
            read_bytes(paper, "token"),
            int(paper["epoch"]),
            tuple(AccountKind[one] for one in paper["wanted"]),
            tuple(MemberId(one) for one in paper["asked"]),
            read_bytes(paper, "receiving_key"),
            read_bytes(paper, "consent_key"),
            read_bytes(paper, "proof_digest"),
            int(paper["consent_time"]),
            read_bytes(paper, "knowledge_proof"),
        )
    except (KeyError, TypeError, ValueError, NameFormatError) as error:
        raise _invalid("a field of it") from error


def read_bytes(paper: Mapping[str, Any], name: str) -> bytes:
    """Read a field of hexadecimal digits.

    Raises:
        RequestError: PAPER_INVALID.
    """
    try:
        return bytes.fromhex(paper[name])
    except (KeyError, TypeError, ValueError) as error:
        raise _invalid(name) from error


@dataclass(frozen=True, slots=True)
class Sealed:
    """An answer as the citizen carries it home."""

    member: str
    sealed: bytes = field(repr=False)
    sealing_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Papers:
    """What a desk gave out: answers to a request, or the feedback about a dispute.

    Attributes:
        answers: By member.
        awaited: Members that have not answered.
        holder: Of a dispute; empty for a request.
        feedback: Of a dispute that is over; else empty.
    """

    federation: str
    matter_id: bytes
    opener: str
    answers: tuple[Sealed, ...]
    awaited: tuple[str, ...]
    holder: str
    state: str
    feedback: bytes = field(repr=False)


def papers_paper(found: wire.FetchOneIdResponse) -> dict[str, Any]:
    """Return what the citizen takes home."""
    return {
        "federation": found.federation,
        "matter_id": found.matter_id.hex(),
        "opener": found.opener,
        "holder": found.holder,
        "state": found.state,
        "awaited": list(found.awaited),
        "feedback": found.sealed_feedback.hex(),
        "answers": [
            {
                "member": one.member,
                "sealed": one.sealed_answer.hex(),
                "sealing_key": one.sealing_key.hex(),
            }
            for one in found.answers
        ],
    }


def read_papers(path: Path) -> Papers:
    """Read what a desk gave out.

    Raises:
        RequestError: As ``read_paper``.
    """
    paper = read_paper(path, PAPERS)
    try:
        answers = tuple(
            Sealed(str(one["member"]), read_bytes(one, "sealed"), read_bytes(one, "sealing_key"))
            for one in paper["answers"]
        )
        texts = {name: str(paper[name]) for name in ("federation", "opener", "holder", "state")}
        awaited = tuple(str(one) for one in paper["awaited"])
    except (KeyError, TypeError) as error:
        raise _invalid("a field of it") from error
    return Papers(
        matter_id=read_bytes(paper, "matter_id"),
        answers=answers,
        awaited=awaited,
        feedback=read_bytes(paper, "feedback"),
        **texts,
    )


def _invalid(field_name: str) -> RequestError:
    return RequestError(f"the file is damaged: {field_name} is malformed", reason="PAPER_INVALID")
