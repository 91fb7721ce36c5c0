"""Read a training plan as a person writes it: TOML, with defaults for what is left out.

    task = "carrier_subscribers"
    schema = "subscribers.schema"       # a file beside this one, or 64 hexadecimal digits
    code = "installed"                  # or 64 hexadecimal digits
    initial_model = "…"                 # 64 hexadecimal digits; left out: worked out, needs torch
    label = { definition = "confirmed", maturity_days = 30 }
    data_use = { purpose = "score_own_subjects", legal_basis = "atnfl_32" }
    expiry_time = 2027-01-31T00:00:00Z
    rounds = 20
    protection = "secret"
    minimum_members = 3
    deadline_seconds = 600
    privacy = { epsilon = 8.0, delta = 1e-5 }

Tables [model], [optimiser] and [strategy] and further numbers are those of
``federation.training.plan``. With ``model = { name = "trees" }`` what is left out is as in
``federation.training.tree_plan``; their protection must say "robust".
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from federation.errors import FederationError
from federation.statements import TrainingPlan
from federation.training import plan as training
from federation.training.app_identity import app_digest
from federation.training.schema import FeatureSchema
from federation.training.tree_plan import with_tree_defaults
from node.errors import RequestError

MAX_FILE_BYTES: Final = 64 * 1024
"""Bytes: a plan has some dozens of lines; anything longer is a wrong path."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_GROUPS: Final[Mapping[str, type[Any]]] = {
    "label": training.LabelRule,
    "data_use": training.DataUse,
    "model": training.ModelChoice,
    "optimiser": training.Optimiser,
    "strategy": training.StrategyChoice,
    "privacy": training.PrivacyTarget,
}
_OWN_KEYS: Final = ("schema", "code", "initial_model")
_DERIVED: Final = frozenset({"schema_digest", "app_digest", "initial_model_digest"})
_REQUIRED: Final = ("task", "schema", "label", "data_use", "expiry_time")


def read_plan_file(path: Path) -> TrainingPlan:
    """Read a plan.

    Raises:
        RequestError: FILE_UNREADABLE, PLAN_FILE_INVALID or TRAIN_EXTRA_MISSING.
        PlanError: PLAN_INVALID or PLAN_NOT_SHAREABLE.
    """
    return parse_plan_file(_read_text(path), path.parent)


def read_plan_changes(path: Path) -> dict[str, Any]:
    """Read what a person wants otherwise than a proposed plan has it; nothing is required.

    What follows from the table itself (schema, code, initial_model) may stand there and is left
    alone.

    Returns:
        Field of ``federation.training.plan.TrainingPlan`` to value; of its groups, to fields.

    Raises:
        RequestError: FILE_UNREADABLE or PLAN_FILE_INVALID.
    """
    found = _parse(_read_text(path))
    fields = {one.name: one for one in dataclasses.fields(training.TrainingPlan)}
    changes: dict[str, Any] = {}
    for key, value in found.items():
        if key in _GROUPS:
            changes[key] = _group_fields(key, value)
        elif key not in _OWN_KEYS:
            changes[key] = _scalar(key, value, fields[key].type)
    return changes


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise RequestError(message, reason="FILE_UNREADABLE") from error
    if len(data) > MAX_FILE_BYTES:
        raise _invalid("it is longer than any plan")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid("it is not UTF-8") from error


def parse_plan_file(text: str, directory: Path) -> TrainingPlan:
    """Parse a plan's text; a schema named by file lies in ``directory``.

    Raises:
        RequestError: PLAN_FILE_INVALID or TRAIN_EXTRA_MISSING.
        PlanError: PLAN_INVALID or PLAN_NOT_SHAREABLE.
    """
    found = with_tree_defaults(_parse(text))
    fields = {one.name: one for one in dataclasses.fields(training.TrainingPlan)}
    for key in _REQUIRED:
        if key not in found:
            raise _invalid(f"{key} is missing")
    plain = {key: value for key, value in found.items() if key not in (*_OWN_KEYS, *_GROUPS)}
    plain = {key: _scalar(key, value, fields[key].type) for key, value in plain.items()}
    groups = {key: _group(key, found[key]) for key in _GROUPS if key in found}
    schema = _schema(found["schema"], directory)
    made: dict[str, Any] = {
        "schema_digest": schema if isinstance(schema, bytes) else schema.digest(),
        "app_digest": _code(found.get("code", "installed")),
        "initial_model_digest": _model(found, groups, schema),
    }
    return TrainingPlan.of(training.TrainingPlan(**made, **groups, **plain))


def _parse(text: str) -> dict[str, Any]:
    """Parse TOML whose keys are those of a plan."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _invalid(f"it is not TOML: {error}") from error
    fields = {one.name for one in dataclasses.fields(training.TrainingPlan)}
    _check_keys("", found, [*_OWN_KEYS, *(fields - _DERIVED)])
    return found


def _group(name: str, value: Any) -> Any:
    kind = _GROUPS[name]
    given = _group_fields(name, value)
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in given:
            raise _invalid(f"{name}.{field.name} is missing")
    return kind(**given)


def _group_fields(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(f"{name} must be a table")
    fields = {one.name: one for one in dataclasses.fields(_GROUPS[name])}
    _check_keys(f"{name}.", value, list(fields))
    return {key: _scalar(f"{name}.{key}", one, fields[key].type) for key, one in value.items()}


def _scalar(name: str, value: Any, kind: Any) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if kind is datetime:
        return _time(name, value)
    if type(value) is not kind:
        raise _invalid(f"{name} must be a {getattr(kind, '__name__', kind)}")
    return value


def _time(name: str, value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _invalid(f"{name} must be a time with its zone, like 2027-01-31T00:00:00Z")
    return value.astimezone(UTC).replace(microsecond=0)


def _schema(text: Any, directory: Path) -> FeatureSchema | bytes:
    """Return the schema of a file, or the digest that the text is."""
    if not isinstance(text, str):
        raise _invalid("schema must be a file or 64 hexadecimal digits")
    if _DIGEST.fullmatch(text):
        return bytes.fromhex(text)
    try:
        return FeatureSchema.parse((directory / text).read_bytes())
    except OSError as error:
        raise _invalid(f"the schema cannot be read: {error.strerror}") from error
    except FederationError as error:
        raise _invalid(f"the schema: {error}") from error


def _code(text: Any) -> bytes:
    if text == "installed":
        return app_digest()
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise _invalid("code must be 'installed' or 64 hexadecimal digits")
    return bytes.fromhex(text)


def _model(
    found: Mapping[str, Any], groups: Mapping[str, Any], schema: FeatureSchema | bytes
) -> bytes:
    text = found.get("initial_model")
    if text is not None:
        if not isinstance(text, str) or not _DIGEST.fullmatch(text):
            raise _invalid("initial_model must be 64 hexadecimal digits")
        return bytes.fromhex(text)
    if isinstance(schema, bytes):
        raise _invalid("initial_model is missing, and no schema file tells the first model's size")
    try:
        from federation.training.models import initial_model, model_digest
    except ImportError as error:
        raise RequestError(
            "working out the first model needs the extra 'train'",
            reason="TRAIN_EXTRA_MISSING",
            hint="pip install 'tocsin[train]', or write initial_model into the plan",
        ) from error
    choice = groups.get("model", training.ModelChoice())
    return model_digest(initial_model(choice, schema.width(choice.bins)))


def _check_keys(where: str, found: Mapping[str, Any], known: list[str]) -> None:
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            suggestion = f", did you mean {near[0]}?" if near else ""
            raise _invalid(f"unknown key {where}{key}{suggestion}")


def _invalid(message: str) -> RequestError:
    return RequestError(
        f"the plan file: {message}", reason="PLAN_FILE_INVALID", hint="tocsin train plan --help"
    )
