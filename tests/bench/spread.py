"""Measure how long a statement takes to be known everywhere, and how long until it is taken back.

Three real nodes; each sample is said at one of them and looked for, through the inside door, at
the two others. Seconds run from before the call that says it, so they hold its fsync as well.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from node.cli.connection import InsideDoor
from node.sandbox import Sandbox
from tests.bench.nodes import MEMBERS
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.v1 import statement_pb2
from tocsin.v1 import vocabulary_pb2 as words

SAMPLES: Final = 210
"""Statements; each is seen at two nodes."""
PACE_SECONDS: Final = 0.06
LOOK_SECONDS: Final = 0.01
PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds until each statement was seen at a peer, and until it was gone there."""

    visible: tuple[float, ...]
    gone: tuple[float, ...]


@dataclass(slots=True)
class _Watch:
    """What one node still waits for: value and when it was said; and the times taken."""

    awaited: dict[str, float] = field(default_factory=dict)
    taken: list[float] = field(default_factory=list)


def measure_spread(sandbox: Sandbox, samples: int = SAMPLES) -> Spread:
    """Say and take back, one after the other, in turn at each node."""
    values = [f"spread-{number}.example.com" for number in range(samples)]
    for member in MEMBERS:
        with sandbox.door(member) as door:
            _look(door, values)  # so that no later look has to ask the key holders
    visible = _timed(sandbox, values, _nominate, lambda band: band != words.BAND_NONE)
    gone = _timed(sandbox, values, _retract, lambda band: band == words.BAND_NONE)
    return Spread(visible, gone)


def _timed(
    sandbox: Sandbox,
    values: Sequence[str],
    say: Callable[[InsideDoor, str], None],
    is_done: Callable[[int], bool],
) -> tuple[float, ...]:
    watches = {member: _Watch() for member in MEMBERS}
    ended = threading.Event()
    threads = [
        threading.Thread(target=_observe, args=(sandbox, member, watch, is_done, ended))
        for member, watch in watches.items()
    ]
    for thread in threads:
        thread.start()
    try:
        _say_all(sandbox, values, say, watches)
        _wait_empty(watches)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    return tuple(seconds for watch in watches.values() for seconds in watch.taken)


def _say_all(
    sandbox: Sandbox,
    values: Sequence[str],
    say: Callable[[InsideDoor, str], None],
    watches: dict[str, _Watch],
) -> None:
    for number, value in enumerate(values):
        speaker, begin = MEMBERS[number % len(MEMBERS)], time.monotonic()
        for member, watch in watches.items():
            if member != speaker:
                watch.awaited[value] = begin
        with sandbox.door(speaker) as door:
            say(door, value)
        time.sleep(max(0.0, begin + PACE_SECONDS - time.monotonic()))


def _wait_empty(watches: dict[str, _Watch]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while any(watch.awaited for watch in watches.values()):
        if time.monotonic() > until:
            left = {member: len(watch.awaited) for member, watch in watches.items()}
            raise RuntimeError(f"statements did not arrive: {left}")
        time.sleep(LOOK_SECONDS)


def _observe(
    sandbox: Sandbox,
    member: str,
    watch: _Watch,
    is_done: Callable[[int], bool],
    ended: threading.Event,
) -> None:
    with sandbox.door(member) as door:
        while not ended.wait(LOOK_SECONDS):
            if not (wanted := list(watch.awaited)):
                continue
            bands, now = _look(door, wanted), time.monotonic()
            for value, band in zip(wanted, bands, strict=True):
                if is_done(band):
                    watch.taken.append(now - watch.awaited.pop(value))


def _look(door: InsideDoor, values: Sequence[str]) -> list[int]:
    request = desk.CheckRequest(values=map(_raw, values), purpose=words.PURPOSE_CHECK)
    results = door.call(door.desk.Check, request).results
    if failed := {one.error.reason for one in results if one.HasField("error")}:
        raise RuntimeError(f"a check failed: {', '.join(sorted(failed))}")
    return [one.band for one in results]


def _nominate(door: InsideDoor, value: str) -> None:
    row = desk.NominationRow(
        indicator=_raw(value), fraud_type=words.FRAUD_TYPE_INVESTMENT, confidence=90
    )
    (result,) = door.call(door.desk.Nominate, desk.NominateRequest(rows=[row])).results
    _require(result)


def _retract(door: InsideDoor, value: str) -> None:
    reason = statement_pb2.RETRACTION_REASON_OVER  # a mistake would count against the member
    request = desk.RetractRequest(values=[_raw(value)], reason=reason)
    (result,) = door.call(door.desk.Retract, request).results
    _require(result)


def _require(result: desk.RowResult) -> None:
    if result.outcome != desk.ROW_OUTCOME_ADDED:
        raise RuntimeError(f"not said: {result.error.reason or result.outcome}")


def _raw(value: str) -> desk.RawIndicator:
    return desk.RawIndicator(kind="domain", value=value)
