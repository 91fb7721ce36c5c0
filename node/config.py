"""Read a node's settings from one table of name, default, unit and sentence."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

from node.errors import ConfigError

Value: TypeAlias = str | int | bool


class Setting(NamedTuple):
    """One row of the settings table."""

    name: str
    default: Value
    unit: str
    sentence: str


SETTINGS: tuple[Setting, ...] = (
    Setting("listen", "", "host:port", "Where the outside door listens; empty: as in the charter."),
    Setting("workers", 0, "processes", "Worker processes for group operations; 0: one a core."),
    Setting("poll_seconds", 20, "seconds", "How often logs are read when no hint came."),
    Setting("gossip_seconds", 10, "seconds", "How often checkpoints are exchanged with each peer."),
    Setting(
        "charter_seconds", 5, "seconds", "How often the charter file is looked at for a change."
    ),
    Setting("leaf_hours", 24, "hours", "Life of a TLS leaf; a new one is issued after two thirds."),
    Setting("evaluation_check", "sum", "sum|strict|rfc", "How key holders are checked."),
    Setting(
        "verification",
        "automatic",
        "automatic|by-hand",
        "How verification rounds are answered: from own data, or by people alone.",
    ),
    Setting("country", "CN", "ISO 3166", "Whose national telephone forms the desk accepts."),
    Setting(
        "libsodium", "", "path", "A libsodium of the operator's choice; empty: the best found."
    ),
    Setting(
        "dispose",
        "queue",
        "queue|automatic",
        "Whether orders about own subjects wait for people, or systems follow the log.",
    ),
    Setting(
        "database",
        "",
        "postgresql://...",
        "Where all tables are; empty: files below the home. Never with a password.",
    ),
    Setting(
        "processes",
        1,
        "processes",
        "Processes of this node behind its address; more than one needs the setting database,"
        " where each opens 37 connections at most.",
    ),
    Setting("capture", "", "path", "Record every message of the outside door; for trials only."),
    Setting(
        "rehearsal_clock",
        "",
        "path",
        "Seconds to add to the clock, 8 bytes; for rehearsals on one machine only.",
    ),
)
_DEFAULTS = {setting.name: setting.default for setting in SETTINGS}
MAX_WORKERS = 256  # processes; more cores than one node can keep busy
MAX_PROCESSES = 64  # each has a door and workers of its own; more cores than one address feeds
MAX_SECONDS = 86_400  # a node that looks less often than daily is as good as off
MAX_LEAF_HOURS = 24 * 90  # a leaf is short-lived, or revocation by not renewing means nothing

_BOUNDS = {
    "workers": (0, MAX_WORKERS),
    "processes": (1, MAX_PROCESSES),
    "poll_seconds": (1, MAX_SECONDS),
    "gossip_seconds": (1, MAX_SECONDS),
    "charter_seconds": (1, MAX_SECONDS),
    "leaf_hours": (1, MAX_LEAF_HOURS),
}
_SHAPES = {
    "listen": (re.compile(r"|\S+:[0-9]{1,5}"), "host:port"),
    "country": (re.compile(r"|[A-Z]{2}"), "two capital letters"),
    "verification": (re.compile(r"automatic|by-hand"), "automatic or by-hand"),
    "dispose": (re.compile(r"queue|automatic"), "queue or automatic"),
    "evaluation_check": (re.compile(r"sum|strict|rfc"), "sum, strict or rfc"),
    "database": (re.compile(r"|postgres(ql)?://\S+"), "postgresql://USER@HOST/DATABASE"),
}


@dataclass(frozen=True, slots=True)
class Config:
    """A node's settings; the table SETTINGS says what each means."""

    listen: str
    workers: int
    poll_seconds: int
    gossip_seconds: int
    charter_seconds: int
    leaf_hours: int
    evaluation_check: str
    verification: str
    country: str
    dispose: str
    libsodium: str
    database: str
    processes: int
    capture: str
    rehearsal_clock: str


def parse_config(text: str) -> Config:
    """Parse the text of a node.toml.

    Raises:
        ConfigError: CONFIG_INVALID, naming the key and the nearest known one.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _invalid(f"node.toml is not TOML: {error}") from error
    for name, value in found.items():
        _check(name, value)
    merged = {**_DEFAULTS, **found}
    return Config(**merged)


def load_config(path: Path) -> Config:
    """Read a node.toml; a missing file means the defaults, relative passfiles start beside it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(f"node.toml cannot be read: {type(error).__name__}") from error
    config = parse_config(text)
    if not config.database:
        return config
    from node.store.database_address import with_full_passfile  # few nodes have a database

    return replace(config, database=with_full_passfile(config.database, path.parent))


def encode_config(values: dict[str, Value]) -> str:
    """Write settings as the text of a node.toml."""
    lines = []
    for name, value in values.items():
        _check(name, value)
        lines.append(f"{name} = {_literal(value)}\n")
    return "".join(lines)


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _check(name: str, value: object) -> None:
    if name not in _DEFAULTS:
        near = difflib.get_close_matches(name, _DEFAULTS, n=1)
        raise _invalid(f"unknown setting {name!r}", f"did you mean {near[0]!r}?" if near else None)
    if type(value) is not type(_DEFAULTS[name]):
        raise _invalid(f"setting {name!r} must be a {type(_DEFAULTS[name]).__name__}")
    if isinstance(value, int) and name in _BOUNDS:
        least, most = _BOUNDS[name]
        if not least <= value <= most:
            raise _invalid(f"setting {name!r} must be from {least} to {most}")
    if isinstance(value, str) and name in _SHAPES:
        shape, told = _SHAPES[name]
        if not shape.fullmatch(value):
            raise _invalid(f"setting {name!r} must be {told}")


def _invalid(message: str, hint: str | None = None) -> ConfigError:
    return ConfigError(message, reason="CONFIG_INVALID", hint=hint or "tocsin config show")
