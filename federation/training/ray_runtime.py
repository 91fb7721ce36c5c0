"""Start Ray on loopback, or join a cluster that runs already; nothing is reported to anyone.

A Ray started here listens on loopback only, obeys only who has the token that this process drew
(where nobody had imported Ray before), has no dashboard and no usage statistics, and ends with the
context. Left to itself, Ray takes loopback for a mistake on Linux: it listens everywhere, and runs
what anybody sends.
"""

import contextlib
import importlib.util
import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from federation.training.error import PlanError

LOCAL: Final = "local"
LOOPBACK: Final = "127.0.0.1"
STORE_BYTES: Final = 256 * 1024 * 1024
"""Bytes of Ray's shared memory for what is under way."""
QUIET: Final = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Environment in which neither flwr nor Ray reports to anyone."""
LOOPBACK_ONLY: Final = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Environment in which Ray does not take loopback for a mistake, on Linux either."""
TOKEN_BYTES: Final = 32

START_TRIES: Final = 3
"""Ray gives up a start after 30 seconds, which a busy machine may need."""
NO_CLOUD: Final = "ray_bootstrap_config.yaml"
"""File at home for lack of which Ray asks metadata services of three clouds where it runs."""


def require_ray(what: str, extra: str) -> None:
    """Refuse to begin without Ray.

    Args:
        what: Needs it, for the sentence.
        extra: Of this distribution, that installs it.

    Raises:
        PlanError: ENGINE_MISSING.
    """
    if importlib.util.find_spec("ray") is None:
        raise PlanError(
            f"{what} needs Ray", reason="ENGINE_MISSING", hint=f"pip install 'tocsin[{extra}]'"
        )


@contextlib.contextmanager
def running_ray(
    processes: int, address: str = LOCAL, store_bytes: int = STORE_BYTES
) -> Iterator[Any]:
    """Yield the module of a Ray that has started.

    Args:
        processes: Of a Ray started here.
        address: Of a cluster that runs already, where it is not LOCAL.
        store_bytes: Shared memory of a Ray started here.

    Raises:
        PlanError: ENGINE_FAILED; it does not start.
    """
    os.environ |= QUIET
    if address == LOCAL:
        os.environ |= _alone()
    import ray
    from ray._private import ray_constants  # no public name turns it on in a Ray that was imported

    ray_constants.ENABLE_RAY_CLUSTER = address != LOCAL
    with tempfile.TemporaryDirectory(prefix="tocsin-") as directory:
        try:
            _start(ray, _settings(directory, processes, address, store_bytes), Path(directory))
            if address == LOCAL:
                _require_loopback(ray)
            yield ray
        finally:
            ray.shutdown()


def _alone() -> dict[str, str]:
    """Return the environment of a Ray of this process's own; Ray reads it when it is imported."""
    if "ray" in sys.modules:
        return LOOPBACK_ONLY
    return LOOPBACK_ONLY | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(TOKEN_BYTES),
    }


def _require_loopback(ray: Any) -> None:
    """Refuse a Ray that others could reach: whoever reaches it runs what he likes here."""
    if ray.get_runtime_context().gcs_address.rpartition(":")[0] != LOOPBACK:
        raise PlanError(
            "Ray listens to other machines",
            reason="ENGINE_FAILED",
            hint="another version of Ray may keep to loopback; pip install 'ray<3'",
        )


def _settings(directory: str, processes: int, address: str, store_bytes: int) -> dict[str, Any]:
    path = os.pathsep.join(part for part in sys.path if part)
    settings = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
    if address != LOCAL:
        return {**settings, "runtime_env": {"env_vars": {"PYTHONPATH": path} | QUIET}}
    os.environ["PYTHONPATH"] = path  # its processes inherit it
    return {
        **settings,
        "include_dashboard": False,
        "_node_ip_address": LOOPBACK,
        "_temp_dir": directory,
        "num_cpus": processes,
        "num_gpus": 0,
        "object_store_memory": store_bytes,
    }


def _start(ray: Any, settings: dict[str, Any], directory: Path) -> None:
    for left in reversed(range(START_TRIES)):
        try:
            with _home_at(directory):
                ray.init(**settings)
            return
        except Exception as error:  # Ray has no class for it
            ray.shutdown()
            if not left:
                raise PlanError(
                    "Ray does not start",
                    reason="ENGINE_FAILED",
                    hint="try again when the machine is less busy: Ray gives up after 30 seconds",
                ) from error


@contextlib.contextmanager
def _home_at(directory: Path) -> Iterator[None]:
    """Give processes that start meanwhile a home of their own, where Ray need not ask a cloud."""
    before = os.environ.get("HOME")
    (directory / NO_CLOUD).touch()
    os.environ["HOME"] = str(directory)
    try:
        yield
    finally:
        os.environ.pop("HOME")
        if before is not None:
            os.environ["HOME"] = before
