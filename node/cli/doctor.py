"""Examine a home and its node: everything that an operator can set right."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from federation.charter import Charter
from keys.secret import Secret
from node.cli.charter_adoption import check_file, check_listed
from node.cli.charter_file import read_charter, require_charter
from node.cli.finding import Finding, SkippedError, find
from node.config import Config, load_config
from node.errors import ConfigError, NodeError, UnavailableError
from node.home import Home
from node.keyfile import read_secret_file
from node.member import MemberKeys, load_card
from node.store.opening import open_database, open_private

CLOCK_SKEW_SECONDS: Final = 300
"""Seconds: a leaf is valid from so long before its issue; a larger skew cuts connections."""

LEAF_RESERVE_SECONDS: Final = 3_600
"""Seconds: a node renews its leaf after two thirds, so one that is nearly over was not renewed."""

Check = tuple[str, Callable[[], str]]


def examine(home: Home, passphrase: Secret | None) -> Iterator[Finding]:
    """Make every check, in the order in which failures cause each other."""
    patient = _Patient(home, passphrase)
    for name, make in patient.checks():
        yield find(name, make)
    for name, make in patient.peer_checks():
        yield find(name, make)


class _Patient:
    """A home under examination; what one check finds, a later one uses."""

    def __init__(self, home: Home, passphrase: Secret | None) -> None:
        self._home = home
        self._passphrase = passphrase
        self._keys: MemberKeys | None = None
        self._charter: Charter | None = None
        self._status: dict[str, Any] | None = None

    def checks(self) -> list[Check]:
        return [
            ("home", self._check_home),
            ("settings", self._check_settings),
            ("key file", self._check_key_file),
            ("keys", self._check_keys),
            ("charter", self._check_charter),
            ("membership", self._check_membership),
            ("database", self._check_database),
            ("node", self._check_node),
            ("leaf", self._check_leaf),
            ("logs", self._check_logs),
            ("alarms", self._check_alarms),
        ]

    def peer_checks(self) -> Iterator[Check]:
        """Yield a check for each other member, by asking it or by what the node knows."""
        if self._charter is None:
            return
        own = load_card(self._home).member.member
        for member in self._charter.active(int(time.time())):
            if member.member != own and member.is_speaking:
                name = member.member
                yield f"peer {name}", lambda name=name: self._check_peer(name)  # type: ignore[misc]  # binds the name now

    def _check_home(self) -> str:
        card = load_card(self._home)
        return f"{card.member.member} of {card.federation}"

    def _check_settings(self) -> str:
        load_config(self._home.config)
        return "every setting is known and of its type"

    def _check_key_file(self) -> str:
        read_secret_file(self._home.keys)
        return "readable by its owner alone"

    def _check_keys(self) -> str:
        if self._passphrase is None:
            raise SkippedError("no passphrase was given")
        self._keys = MemberKeys.open(self._home, self._passphrase)
        return "open, and those of the card"

    def _check_charter(self) -> str:
        require_charter(self._home)
        found = read_charter(self._home.charter)
        check_file(found, found.charter, None)
        self._charter = found.charter
        return f"version {found.charter.version}, signed by {len(found.signed)} members"

    def _check_membership(self) -> str:
        charter = self._require_charter()
        check_listed(self._home, charter)
        listed = charter.member(load_card(self._home).member.member)
        if listed.is_revoked(int(time.time())):
            raise ConfigError("this member is revoked", reason="MEMBER_REVOKED")
        return "listed with these keys, not revoked"

    def _check_database(self) -> str:
        paths = sorted(self._home.data.glob("*.db")) if self._home.data.is_dir() else []
        for path in paths:
            _open_database(path)
        config = load_config(self._home.config)
        if config.database:
            return self._check_server(config)
        if not paths:
            raise SkippedError("the node has not run yet")
        return f"{', '.join(path.name for path in paths)} can be opened"

    def _check_server(self, config: Config) -> str:
        """Open both schemas; say where raw values still lie about in a file that was moved."""
        open_database(config.database).close()
        open_private(config, self._home.data).close()
        left = [path.name for path in sorted(self._home.data.glob("*.db.moved"))]
        rest = f"; {', '.join(left)} still holds raw values: remove it" if left else ""
        return f"both schemas of the database can be opened{rest}"

    def _check_node(self) -> str:
        from node.cli.status import read_status

        self._status = read_status(self._home)
        if not self._status["ready"]:
            raise UnavailableError(
                "it runs and cannot answer checks yet",
                reason="NODE_NOT_READY",
                hint="tocsin key status (are there keys?), tocsin status (are there peers?)",
            )
        return f"ready at {self._status['address']}"

    def _check_leaf(self) -> str:
        end = self._require_status()["leaf_expires_time"]
        left = _seconds_until(end)
        if left < LEAF_RESERVE_SECONDS:
            raise ConfigError(
                f"the TLS leaf ends at {end} and was not renewed",
                reason="CERTIFICATE_EXPIRED" if left <= 0 else "LEAF_NOT_RENEWED",
                hint="restart the node; if it stays, the member's root has ended",
            )
        return f"valid until {end}"

    def _check_logs(self) -> str:
        logs = self._require_status()["logs"]
        stopped = [log["origin"] for log in logs if log["stopped"]]
        if stopped:
            raise NodeError(
                f"replication has stopped for {', '.join(stopped)}",
                reason="LOG_FORKED",
                hint="tocsin status shows the alarm with the evidence",
            )
        ahead = [log["origin"] for log in logs if _is_ahead(log["checkpoint_time"])]
        if ahead:
            raise _clock_error(f"checkpoints of {', '.join(ahead)} are from the future")
        return f"{len(logs)} logs, none forked, none from the future"

    def _check_alarms(self) -> str:
        alarms = self._require_status()["alarms"]
        return f"{len(alarms)} in the logs" if alarms else "none"

    def _check_peer(self, name: str) -> str:
        if self._keys is not None:
            return self._ask_peer(name)
        status = self._require_status()
        found = next((peer for peer in status["peers"] if peer["member"] == name), None)
        if found is None:
            raise SkippedError("the node has not called it yet")
        if not found["reachable"]:
            raise UnavailableError(
                "the node cannot reach it",
                reason=found["reason"] or "PEER_UNAVAILABLE",
                hint="ask its operator whether it runs",
            )
        return f"answered at {found['last_contact_time']}"

    def _ask_peer(self, name: str) -> str:
        from federation.names import MemberId
        from node.cli.outside import OutsideDoor
        from tocsin.v1 import member_service_pb2 as wire

        assert self._keys is not None  # noqa: S101  # the caller has looked
        with OutsideDoor(self._keys, self._require_charter(), MemberId(name)) as door:
            answer = door.call(door.member.GetNode, wire.GetNodeRequest())
        skew = answer.now_time.seconds - time.time()
        if abs(skew) > CLOCK_SKEW_SECONDS:
            raise _clock_error(f"its clock differs from ours by {skew:+.0f} s")
        return f"answers, version {answer.software_version}, clock {skew:+.0f} s"

    def _require_charter(self) -> Charter:
        if self._charter is None:
            raise SkippedError("there is no charter that is in order")
        return self._charter

    def _require_status(self) -> dict[str, Any]:
        if self._status is None:
            raise SkippedError("no node runs")
        return self._status


def _open_database(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(
            f"{path.name} cannot be opened: {error}",
            reason="DATABASE_UNUSABLE",
            hint="check the disk; restore the data directory from its backup",
        ) from error


def _seconds_until(text: str | None) -> float:
    return 0.0 if text is None else datetime.fromisoformat(text).timestamp() - time.time()


def _is_ahead(text: str | None) -> bool:
    return _seconds_until(text) > CLOCK_SKEW_SECONDS if text is not None else False


def _clock_error(message: str) -> NodeError:
    return NodeError(message, reason="CLOCKS_DISAGREE", hint="set the clock by NTP, here or there")
