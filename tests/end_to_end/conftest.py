"""Give tests federations of real processes that never outlive them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from keys.keystore import Cost
from node.sandbox import Sandbox

CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)

NewSandbox = Callable[..., Sandbox]


@pytest.fixture
def new_sandbox(tmp_path: Path) -> Iterator[NewSandbox]:
    """Make a sandbox of the members named, not yet up; whatever runs is ended after the test."""
    with ExitStack() as running:

        def make(*members: str, name: str = "f") -> Sandbox:
            sandbox = Sandbox(tmp_path / name, members, cost=CHEAP)
            running.callback(lambda: sandbox.exists and sandbox.down())
            return sandbox

        yield make
