"""Be a member's training process: no keys, no network, one run; speaks frames with its node."""

from __future__ import annotations

import logging
import time

from federation.errors import FederationError
from node.training.fence import claim_pipe, close_fence
from node.training.frames import ProcessError, encode_frame, read_frame

WORKER_FAILED = "WORKER_FAILED"


def main() -> None:
    """Answer the node's frames until it closes the pipe."""
    given, taken = claim_pipe()
    settings, _ = read_frame(given)
    close_fence(network=bool(settings.pop("network")))
    from federation.training.grpc_member import MemberEngine  # after the fence is closed

    engine: MemberEngine | None = None
    while True:
        try:
            header, message = read_frame(given)
        except ProcessError:
            return
        started = time.monotonic()
        try:
            engine = engine or MemberEngine(settings)
            answer = engine.answer(message, int(header["round"]))
            labels, summand = engine.take_summand()
            said = {
                "own": engine.take_own_numbers(),
                "labels": labels.hex(),
                "summand": len(summand),
            }
            answer += summand
        except FederationError as error:
            answer, said = b"", {"refused": error.reason, "why": str(error)}
        except Exception as error:
            logging.getLogger("tocsin").exception("the training code failed")
            answer, said = b"", {"refused": WORKER_FAILED, "why": type(error).__name__}
        seconds = round(time.monotonic() - started, 3)
        taken.write(encode_frame({**said, "seconds": seconds}, answer))
        taken.flush()


if __name__ == "__main__":
    main()
