"""Write the node's log: one line of JSON for each fact, and no field that is not on the list.

A log line is an event name such as ``door.call_refused`` and fields. Both are closed: an event
that is not a plain dotted name is not written under its name, and a field that is not in
``FIELDS`` is dropped and counted, so that no raw value reaches a log because somebody passed it
to the logger. Of an exception only the class and the place are written, never its text. Lines of
libraries are reduced to their logger and level for the same reason.
"""

import logging
import re
import sys
import traceback
from collections import Counter
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

FIELDS: Final = frozenset(
    {
        # Added by the processors here.
        "event",
        "level",
        "time",
        # Who and what: names of the charter and of the contract.
        "federation",
        "member",
        "peer",
        "method",
        "origin",
        "kind",
        "kind_class",
        "purpose",
        "role",
        "state",
        "body",
        # Which one: public numbers and digests.
        "incident",
        "ceremony_id",
        "certificate_digest",
        "charter_version",
        "epoch",
        "share_epoch",
        "position",
        "size",
        "root",
        # How it went.
        "reason",
        "error_class",
        "error_place",
        "count",
        "bytes",
        "seconds",
        "expires_time",
        # Where: addresses and paths of the node itself.
        "address",
        "path",
        "software_version",
        "process_id",
        # Lines of libraries.
        "logger",
    }
)
"""Names of fields that may be written; none of them can hold an identifier or a secret."""

TEXT_CHARACTERS: Final = 256
"""Characters of a field: names, digests and paths are shorter, and a payload is not."""

UNNAMED_EVENT: Final = "event.unnamed"
_EVENT = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)+")
_PLACES = 5

dropped: Final[Counter[str]] = Counter()
"""How often each field name was dropped since the start; the names come from our own code."""


class _Sink:
    """Write finished lines to where ``start_telemetry`` said; to stderr before that."""

    def __init__(self) -> None:
        self.file: TextIO | None = None

    def write_line(self, line: str) -> None:
        output = self.file or sys.stderr
        output.write(line + "\n")
        output.flush()

    debug = info = warning = error = critical = write_line


_sink: Final = _Sink()


def keep_listed_fields(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop every field that is not listed, and the name of an event that is not a name."""
    kept: dict[str, Any] = {}
    for name, value in event.items():
        if name in FIELDS and _is_plain(value):
            kept[name] = value[:TEXT_CHARACTERS] if isinstance(value, str) else value
        else:
            dropped[name] += 1
    if not _EVENT.fullmatch(str(kept.get("event", ""))):
        dropped["event"] += 1
        kept["event"] = UNNAMED_EVENT
    return kept


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float))


def describe_error(error: BaseException) -> dict[str, str]:
    """Return the class and the place of an error, for a log line; never its text."""
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    return {"error_class": type(error).__qualname__, "error_place": " ".join(places)}


def start_telemetry(path: Path | None = None) -> None:
    """Send the log to a file (appended, mode 0600), or to stderr where ``path`` is None."""
    stop_telemetry()
    if path is not None:
        path.touch(mode=0o600, exist_ok=True)
        _sink.file = path.open("a", encoding="utf-8")
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING, force=True)


def stop_telemetry() -> None:
    """Close the log file, if there is one; later lines go to stderr."""
    if _sink.file is not None:
        _sink.file.close()
        _sink.file = None


def get_log() -> structlog.typing.FilteringBoundLogger:
    """Return the node's log; call it with an event name and listed fields."""
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        _sink,
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            keep_listed_fields,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return log


def log_incident(incident: str, method: str, error: Exception) -> None:
    """Log an error that no caller is told about."""
    get_log().error("door.incident", incident=incident, method=method, **describe_error(error))


class _LibraryHandler(logging.Handler):
    """Say that a library logged something, and not what: its text may quote a message."""

    def emit(self, record: logging.LogRecord) -> None:
        log = get_log()
        write = log.error if record.levelno >= logging.ERROR else log.warning
        fields = {}
        if record.exc_info and record.exc_info[1]:
            fields = describe_error(record.exc_info[1])
        write("library.logged", logger=record.name, **fields)
