"""Read what a member consents to by itself: training.toml in its home.

    [approval]                      # all of it must fit, else a person decides
    automatic = true
    coordinators = ["coord"]
    tasks = ["carrier_subscribers"]
    uses = ["score_own_subjects"]
    legal_bases = ["atnfl_32"]
    protections = ["secret"]
    codes = ["installed"]           # or digests, 64 hexadecimal digits
    epsilon = 8.0                   # most that one plan may spend
    without_privacy = false         # whether a plan without differential privacy fits

    [budget]
    epsilon = 20.0                  # most that all plans over one data source spend

    [engines]
    flower = false                  # whether coordinators may ask for a Flower SuperNode

    [[data]]
    name = "subscribers"
    schema = "subscribers.schema"   # a file beside this one, or a digest
    row_cap = 1000000
    table = "rows.csv"              # CSV or Parquet beside this file, or instead of it:
    # database = "sqlite:rows.db"   # or postgresql://reader@db.example/lines?passfile=db.pass
    # query = "select …"
    # subject = "number"            # whose rows: own identifiers, which stay; labels then come
    # subject_kind = "phone"        # from outcomes: tocsin train label NAME

What stands under [[data]] beside name, schema and row_cap, only the training process uses.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from federation.errors import FederationError
from federation.names import MemberId
from federation.statements import TrainingPlan
from federation.training.app_identity import app_digest
from federation.training.schema import FeatureSchema
from federation.vocabulary import LegalBasis, TrainingProtection, TrainingTask, TrainingUse
from node.errors import ConfigError

MILLION: Final = 1_000_000
DEFAULT_BUDGET: Final = 10.0
"""Epsilon over one data source for all time: beyond it, the guarantee says next to nothing."""
DEFAULT_ROW_CAP: Final = 1_000_000
"""Rows: what most members have at most, and what a plan allows by default."""
INSTALLED: Final = "installed"
"""Stands for the training code of this very installation."""

_SOURCE_NAME: Final = re.compile(r"[a-z0-9](?:[-_]?[a-z0-9]){0,39}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_APPROVAL_KEYS: Final = (
    "automatic",
    "coordinators",
    "tasks",
    "uses",
    "legal_bases",
    "protections",
    "codes",
    "epsilon",
    "without_privacy",
)


@dataclass(frozen=True, slots=True)
class DataSource:
    """Own rows that a plan may be run over.

    Attributes:
        schema_digest: Of the schema that the rows fit.
        row_cap: Most rows that the member will ever claim.
        settings: What the connector needs, as it stands in the file.
        schema_text: The schema itself; empty where only its digest is given.
    """

    name: str
    schema_digest: bytes
    row_cap: int
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    schema_text: bytes = b""


@dataclass(frozen=True, slots=True)
class TrainingPolicy:
    """What fits without a person, and what never goes beyond which bound."""

    automatic: bool = False
    coordinators: frozenset[MemberId] = frozenset()
    tasks: frozenset[TrainingTask] = frozenset()
    uses: frozenset[TrainingUse] = frozenset()
    legal_bases: frozenset[LegalBasis] = frozenset()
    protections: frozenset[TrainingProtection] = frozenset()
    codes: frozenset[bytes] = frozenset()
    epsilon_millionths: int = 0
    without_privacy: bool = False
    budget_millionths: int = int(DEFAULT_BUDGET * MILLION)
    sources: tuple[DataSource, ...] = ()
    flower: bool = False

    def source_for(self, plan: TrainingPlan) -> DataSource | None:
        """Return the own rows that fit the plan's schema, if there are any."""
        fitting = (one for one in self.sources if one.schema_digest == plan.schema_digest)
        return next(fitting, None)

    def why_by_hand(self, plan: TrainingPlan, coordinator: MemberId) -> str:
        """Return why a person has to decide, as a stable reason; empty if the plan fits."""
        for reason, fits in _FITTING.items():
            if not fits(self, plan, coordinator):
                return reason
        return ""


_Fits = Callable[[TrainingPolicy, TrainingPlan, MemberId], bool]


def _fits_epsilon(policy: TrainingPolicy, plan: TrainingPlan, _by: MemberId) -> bool:
    return plan.epsilon_millionths <= policy.epsilon_millionths or not plan.epsilon_millionths


def _fits_privacy(policy: TrainingPolicy, plan: TrainingPlan, _by: MemberId) -> bool:
    return plan.epsilon_millionths > 0 or policy.without_privacy


_FITTING: Final[Mapping[str, _Fits]] = MappingProxyType(
    {
        "NOT_AUTOMATIC": lambda policy, _plan, _by: policy.automatic,
        "DATA_MISSING": lambda policy, plan, _by: policy.source_for(plan) is not None,
        "COORDINATOR_NOT_LISTED": lambda policy, _plan, by: by in policy.coordinators,
        "TASK_NOT_LISTED": lambda policy, plan, _by: plan.task in policy.tasks,
        "USE_NOT_LISTED": lambda policy, plan, _by: plan.use in policy.uses,
        "LEGAL_BASIS_NOT_LISTED": lambda policy, plan, _by: plan.legal_basis in policy.legal_bases,
        "PROTECTION_NOT_LISTED": lambda policy, plan, _by: plan.protection in policy.protections,
        "CODE_NOT_LISTED": lambda policy, plan, _by: plan.code_digest in policy.codes,
        "PRIVACY_MISSING": _fits_privacy,
        "EPSILON_TOO_LARGE": _fits_epsilon,
    }
)


def load_policy(path: Path) -> TrainingPolicy:
    """Read a training.toml; without one nothing is approved by itself.

    Raises:
        ConfigError: TRAINING_POLICY_INVALID.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return TrainingPolicy()
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(f"it cannot be read: {type(error).__name__}") from error
    return parse_policy(text, path.parent)


def parse_policy(text: str, directory: Path) -> TrainingPolicy:
    """Parse the text of a training.toml; schemas named by file lie in ``directory``.

    Raises:
        ConfigError: TRAINING_POLICY_INVALID, naming the key.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _invalid(f"it is not TOML: {error}") from error
    _check_keys("", found, ("approval", "budget", "engines", "data"))
    approval = _table(found, "approval")
    budget, engines = _table(found, "budget"), _table(found, "engines")
    _check_keys("approval.", approval, _APPROVAL_KEYS)
    _check_keys("budget.", budget, ("epsilon",))
    _check_keys("engines.", engines, ("flower",))
    return TrainingPolicy(
        automatic=_flag(approval, "automatic"),
        coordinators=frozenset(_member(name) for name in _texts(approval, "coordinators")),
        tasks=_words(approval, "tasks", TrainingTask),
        uses=_words(approval, "uses", TrainingUse),
        legal_bases=_words(approval, "legal_bases", LegalBasis),
        protections=_words(approval, "protections", TrainingProtection),
        codes=frozenset(_code(text) for text in _texts(approval, "codes")),
        epsilon_millionths=_millionths(approval, "epsilon", 0.0),
        without_privacy=_flag(approval, "without_privacy"),
        budget_millionths=_millionths(budget, "epsilon", DEFAULT_BUDGET),
        sources=_sources(found.get("data", []), directory),
        flower=_flag(engines, "flower", "engines."),
    )


def _sources(tables: Any, directory: Path) -> tuple[DataSource, ...]:
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise _invalid("data must be tables, [[data]]")
    sources = tuple(_source(one, directory) for one in tables)
    if len({one.name for one in sources}) != len(sources):
        raise _invalid("two [[data]] have the same name")
    return sources


def _source(table: Mapping[str, Any], directory: Path) -> DataSource:
    rest = {key: value for key, value in table.items() if key not in ("name", "schema", "row_cap")}
    name, row_cap = table.get("name"), table.get("row_cap", DEFAULT_ROW_CAP)
    if not isinstance(name, str) or not _SOURCE_NAME.fullmatch(name):
        raise _invalid("data.name must be lower-case letters, digits, - and _, at most 40")
    if type(row_cap) is not int or not 1 <= row_cap <= 1_000 * MILLION:
        raise _invalid("data.row_cap must be from 1 to 1,000,000,000")
    digest, schema_text = _schema(table.get("schema"), directory)
    return DataSource(name, digest, row_cap, MappingProxyType(rest), schema_text)


def _schema(text: Any, directory: Path) -> tuple[bytes, bytes]:
    """Return a schema's digest and, where a file is named, its text."""
    if not isinstance(text, str):
        raise _invalid("data.schema must be a file or 64 hexadecimal digits")
    if _DIGEST.fullmatch(text):
        return bytes.fromhex(text), b""
    try:
        data = (directory / text).read_bytes()
        return FeatureSchema.parse(data).digest(), data
    except OSError as error:
        raise _invalid(f"data.schema cannot be read: {error.strerror}") from error
    except FederationError as error:
        raise _invalid(f"data.schema: {error}") from error


def _code(text: str) -> bytes:
    if text == INSTALLED:
        return app_digest()
    if not _DIGEST.fullmatch(text):
        raise _invalid(f"approval.codes are {INSTALLED!r} or 64 hexadecimal digits")
    return bytes.fromhex(text)


def _member(name: str) -> MemberId:
    try:
        return MemberId(name)
    except FederationError as error:
        raise _invalid("approval.coordinators are member names") from error


def _words(table: Mapping[str, Any], key: str, kind: type[IntEnum]) -> frozenset[Any]:
    names = {item.name.lower(): item for item in kind}
    found = set()
    for text in _texts(table, key):
        if text not in names:
            near = difflib.get_close_matches(text, names, n=1)
            raise _invalid(f"approval.{key}: one of {', '.join(near or names)}")
        found.add(names[text])
    return frozenset(found)


def _texts(table: Mapping[str, Any], key: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _invalid(f"approval.{key} must be a list of texts")
    return value


def _flag(table: Mapping[str, Any], key: str, where: str = "approval.") -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise _invalid(f"{where}{key} must be true or false")
    return value


def _millionths(table: Mapping[str, Any], key: str, default: float) -> int:
    value = table.get(key, default)
    if type(value) not in (int, float) or not 0 <= value <= 1_000:
        raise _invalid(f"{key} must be from 0 to 1,000")
    return round(float(value) * MILLION)


def _table(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = found.get(key, {})
    if not isinstance(value, dict):
        raise _invalid(f"{key} must be a table, [{key}]")
    return value


def _check_keys(where: str, found: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            suggestion = f", did you mean {near[0]}?" if near else ""
            raise _invalid(f"unknown key {where}{key}{suggestion}")


def _invalid(message: str) -> ConfigError:
    return ConfigError(
        f"training.toml: {message}",
        reason="TRAINING_POLICY_INVALID",
        hint="tocsin train policy --help shows every key",
    )
