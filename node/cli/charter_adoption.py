"""Put a charter into force in a home: verified first, and known to a node that runs."""

from __future__ import annotations

from federation.charter import Charter
from node.cli.charter_file import CharterFile, home_charter, verify_file
from node.cli.output import data, say
from node.errors import ConfigError, UnavailableError
from node.home import Home
from node.keyfile import create_secret_file, replace_secret_file
from node.member import load_card


def check_file(found: CharterFile, previous: Charter | None, digest: bytes | None) -> Charter:
    """Verify a charter against the version before; one that is in force already stands alone.

    Raises:
        CharterError: The reason says which rule it breaks.
    """
    in_force = previous is not None and previous.digest() == found.charter.digest()
    if found.charter.version == 1 and digest is None:
        return verify_file(found.data, None, None)
    return verify_file(found.data, previous, found.charter.digest() if in_force else digest)


def adopt(home: Home, found: CharterFile, digest: bytes | None) -> None:
    """Follow a charter from now on.

    Raises:
        CharterError: It is not in order, or does not follow from the one in force.
        ConfigError: CHARTER_NOT_OURS, it does not list this home's member with its keys;
            CHARTER_BEHIND, a newer version is in force.
    """
    current = home_charter(home)
    if current is not None and current.digest() == found.charter.digest():
        data(f"version {current.version} is in force already")
        return
    if current is not None and found.charter.version <= current.version:
        raise ConfigError(
            f"version {current.version} is in force, and this is version {found.charter.version}",
            reason="CHARTER_BEHIND",
        )
    charter = check_file(found, current, digest)
    check_listed(home, charter)
    told = _tell_node(home, found.data)
    if current is None:
        create_secret_file(home.charter, found.data)
    else:
        replace_secret_file(home.charter, found.data)
    _report(home, charter, told=told)


def check_listed(home: Home, charter: Charter) -> None:
    """Make sure that a charter lists this home's member with the keys that it has.

    Raises:
        ConfigError: NOT_INITIALISED, CARD_INVALID or CHARTER_NOT_OURS.
    """
    card = load_card(home)
    listed = charter.find(card.member.member)
    if charter.federation != card.federation or listed is None:
        problem = "does not list this home's member"
    elif (listed.signing_key, listed.sealing_key, listed.authority) != (
        card.member.signing_key,
        card.member.sealing_key,
        card.member.authority,
    ):
        problem = "lists this home's member with other keys"
    else:
        return
    raise ConfigError(
        f"the charter {problem}",
        reason="CHARTER_NOT_OURS",
        hint=f"tocsin charter add OUT {home.card}",
    )


def _tell_node(home: Home, note: bytes) -> bool:
    """Hand the charter to a running node, which judges it too; say whether one runs."""
    if not home.socket.exists():
        return False
    from node.cli.connection import InsideDoor
    from tocsin.desk.v1 import operation_service_pb2 as wire

    try:
        with InsideDoor(home) as door:
            door.call(door.operation.AdoptCharter, wire.AdoptCharterRequest(charter=note))
    except UnavailableError as error:
        if error.reason != "NODE_NOT_RUNNING":
            raise
        return False
    return True


def _report(home: Home, charter: Charter, *, told: bool) -> None:
    data(f"{home.charter}  version {charter.version} of {charter.federation} is in force here")
    data(f"digest {charter.digest().hex()}")
    say("Compare the digest with another member's by a second way, for example by telephone.")
    if told:
        say("The running node follows it from now on.")
    else:
        say(f"Next: tocsin --home {home.root} node run")
