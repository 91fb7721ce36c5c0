"""Run each bench in a process of its own, so that none inherits memory or threads of another.

A bench that breaks, or that hangs past a multiple of its budget, ends alone: the figures that it
had yielded are kept, and the others go on.
"""

import importlib
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final, TypeVar

from tests.bench.curve import Curve
from tests.bench.result import NotMeasuredError, Result

C = TypeVar("C")

Figure = Result | Curve
"""What a bench yields."""

PATIENCE: Final = 3.0
"""Budgets after which a bench is ended: a loaded machine doubles one."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A module with ``measure()``, and the seconds that it may take on two cores."""

    module: str
    budget: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a bench ended early; ``is_missing``: something that it needs is not installed."""

    reason: str
    is_missing: bool = False


def figures_of(bench: Bench, on_failure: Callable[[Failure], None]) -> Iterator[Figure]:
    """Yield what a bench measures, as it comes."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(bench.module, theirs))
    process.start()
    theirs.close()  # so that a process that dies ends the wait
    try:
        for said in _heard(ours, time.monotonic() + PATIENCE * bench.budget):
            if isinstance(said, Failure):
                on_failure(said)
            else:
                yield said
    finally:
        if process.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # with all nodes that it started
        process.join()


def apart(work: Callable[[int], C], size: int) -> C:
    """Do a piece of work in a fresh process, so that memory and caches are its own.

    Args:
        work: A function of a module.
        size: Its one argument.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, size).result()


def _heard(ours: Connection, until: float) -> Iterator[Figure | Failure]:
    while ours.poll(max(0.0, until - time.monotonic())):
        try:
            said = ours.recv()
        except EOFError:
            yield Failure("its process died")
            return
        if said is None:
            return
        yield said
    yield Failure("it took too long and was ended")


def _measure(module: str, theirs: Connection) -> None:
    os.setpgid(0, 0)
    try:
        for figure in importlib.import_module(module).measure():
            theirs.send(figure)
        theirs.send(None)
    except (NotMeasuredError, ModuleNotFoundError) as error:
        _end(theirs, Failure(str(error), is_missing=True))
    except Exception:  # whatever it is, the other benches go on
        _end(theirs, Failure(traceback.format_exc()))


def _end(theirs: Connection, failure: Failure) -> None:
    theirs.send(failure)
    theirs.send(None)
