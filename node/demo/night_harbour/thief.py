"""Do what somebody does who has stolen a member's home: run the very software with its keys.

An attack tool of the story: it copies keys that no thief should have, and nothing else of a node.
"""

from __future__ import annotations

import shutil
import socket
from dataclasses import asdict
from pathlib import Path

from node.cli.connection import InsideDoor
from node.config import encode_config, load_config
from node.demo.doors import CALL_SECONDS
from node.errors import NodeError
from node.home import Home
from node.sandbox.build import PASSPHRASE_NAME
from node.sandbox.process import end_process, start_process
from node.sandbox.sandbox import wait_answer
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.v1 import vocabulary_pb2

_STEP_ROWS = 40  # numbers of one question: a thief is careful not to ask for much at once
_STOLEN = ("keys", "card", "charter", "config")


class Thief:
    """A second node with the keys of a member, somewhere else."""

    def __init__(self, stolen: Home, directory: Path) -> None:
        self.home = Home(directory)
        directory.mkdir(mode=0o700)
        for name in _STOLEN:
            source: Path = getattr(stolen, name)
            shutil.copy2(source, getattr(self.home, name))
        shutil.copy2(stolen.root / PASSPHRASE_NAME, directory / PASSPHRASE_NAME)
        config = asdict(load_config(self.home.config))
        config |= {"listen": _free_address(), "capture": ""}
        self.home.config.write_text(encode_config(config), encoding="utf-8")
        (directory / "run").mkdir(mode=0o700, exist_ok=True)

    def start(self) -> None:
        """Start the node and wait until it has learned the federation's public keys."""
        start_process(self.home)
        wait_answer(self.home, lambda status: status.ready, "is not ready")

    def walk(self, numbers: tuple[str, ...]) -> tuple[int, str]:
        """Check numbers one after the other; return how many were answered, and what ended it."""
        answered = 0
        with InsideDoor(self.home) as door:
            for start in range(0, len(numbers), _STEP_ROWS):
                step = numbers[start : start + _STEP_ROWS]
                request = desk.CheckRequest(
                    values=[desk.RawIndicator(kind="phone", value=number) for number in step],
                    purpose=vocabulary_pb2.PURPOSE_CHECK,
                )
                try:
                    found = door.call(door.desk.Check, request, CALL_SECONDS)
                except NodeError as error:
                    return answered, error.reason
                answered += sum(not one.HasField("error") for one in found.results)
        return answered, ""

    def end(self) -> None:
        """End the node."""
        end_process(self.home)


def _free_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"
