"""Measure three whole nodes at the ends of a bad line: 50 ms there and back, 1 % loss."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.large_nodes import spread_results, wait_held
from tests.bench.link import LinkError, slow_link
from tests.bench.nodes import MEMBERS, append_at, running_nodes, start_apart
from tests.bench.result import NotMeasuredError, Result
from tests.bench.spread import measure_spread

STATEMENTS: Final = 50_000
"""As many as pass in a quarter of a minute; cold sync is linear from some thousands on."""
WHERE: Final = ", 50 ms and 1 % loss"


def measure() -> Iterator[Result]:
    """Yield the same figures as on loopback, and what limits them.

    Raises:
        NotMeasuredError: No such line can be laid here.
    """
    try:
        with (
            tempfile.TemporaryDirectory() as directory,
            slow_link(MEMBERS) as places,
            running_nodes(Path(directory) / "federation", places) as sandbox,
        ):
            yield from spread_results(measure_spread(sandbox), WHERE)
            sender, receiver, other = MEMBERS
            sandbox.stop(other)
            sandbox.stop(sender)
            append_at(sandbox, sender, STATEMENTS)
            start_apart(sandbox.home(sender), places[sender].namespace)
            seconds = wait_held(sandbox, receiver, sender)
    except LinkError as error:
        raise NotMeasuredError(f"the rows{WHERE}: {error}") from error
    rate = STATEMENTS / seconds
    yield Result(f"replication: cold sync{WHERE}", rate, "statements/s wall")
