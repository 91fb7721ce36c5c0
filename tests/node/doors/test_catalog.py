"""The table of errors against every error class that the three floors declare."""

import importlib
import pkgutil
import re

import pytest

import federation
import keys
import node
from federation.errors import FederationError
from keys.errors import KeysError, SealError
from node.doors.catalog import CODE_BY_CLASS, code_of_class, refusal_for
from node.errors import ConfigError, NodeError

ROOTS = (KeysError, FederationError, NodeError)


EXTRAS = frozenset({"flwr", "torch", "opacus", "dp_accounting"})


def import_with_its_extra(name: str) -> None:
    """Import a module; one that needs an extra that is not installed declares no error here."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in EXTRAS:
            raise


def declared_classes() -> list[type[Exception]]:
    for package in (keys, federation, node):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                import_with_its_extra(found.name)
    seen: dict[type[Exception], None] = {}
    waiting: list[type[Exception]] = list(ROOTS)
    while waiting:
        seen |= dict.fromkeys(below := waiting.pop().__subclasses__())
        waiting += below
    return [one for one in seen if one.__module__.split(".")[0] in ("keys", "federation", "node")]


def test_every_error_class_has_a_code_a_reason_and_a_sentence() -> None:
    classes = declared_classes()
    without_code = [one.__qualname__ for one in classes if code_of_class(one) is None]
    badly_named = [
        one.__qualname__ for one in classes if not re.fullmatch(r"[A-Z][A-Z0-9_]+", one.reason)
    ]
    without_sentence = [one.__qualname__ for one in classes if not one.public.endswith(".")]

    assert len(classes) > 30
    assert without_code == []
    assert badly_named == []
    assert without_sentence == []


def test_the_table_names_no_root_that_would_hide_a_forgotten_class() -> None:
    assert not set(ROOTS) & CODE_BY_CLASS.keys()


def test_a_caller_outside_reads_the_public_sentence_and_one_inside_the_message() -> None:
    error = ConfigError("the file /home/node.toml is empty", hint="fill it")
    outside = refusal_for(error, "00")
    inside = refusal_for(error, "00", show_private=True)

    assert outside.sentence == ConfigError.public
    assert outside.metadata == {}
    assert inside.sentence == "the file /home/node.toml is empty"
    assert inside.metadata == {"hint": "fill it"}


@pytest.mark.parametrize("error", [RuntimeError("13800138000"), KeyError("13800138000")])
def test_an_error_that_is_not_ours_shows_its_incident_alone(error: Exception) -> None:
    refusal = refusal_for(error, "cafe", show_private=True)

    assert refusal.metadata == {"incident": "cafe"}
    assert "138" not in refusal.sentence


def test_the_status_carries_reason_and_domain() -> None:
    status = refusal_for(SealError(), "00").status()

    assert status.code == 3
    assert b"SEAL_INVALID" in status.details[0].value
    assert b"tocsin" in status.details[0].value
