"""Follow a run at its coordinator until it has ended."""

from __future__ import annotations

from collections.abc import Iterator

from node.cli.connection import InsideDoor
from node.errors import UnavailableError
from node.home import Home
from tocsin.desk.v1 import train_service_pb2 as wire


def follow_run(home: Home, request: wire.RunRequest) -> Iterator[wire.RunResponse]:
    """Start a run, or look at one, and yield what its coordinator says until it has ended.

    Raises:
        NodeError: What the node said.
    """
    while True:
        try:
            with InsideDoor(home) as door:
                for response in door.stream(door.train.Run, request):
                    yield response
                    if response.ended:
                        return
        except UnavailableError as error:
            if error.reason != "DEADLINE_EXCEEDED":  # one look at a run may last ten minutes
                raise
