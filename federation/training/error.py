"""Say what can go wrong in training, by whose fault it is."""

from federation.errors import ConfigError, PeerError, PolicyError


class PlanError(PolicyError):
    """A plan is not valid, not approved, expired, or asks for what this engine cannot give.

    ``reason`` is one of PLAN_MALFORMED, PLAN_INVALID, PLAN_EXPIRED, PLAN_NOT_APPROVED,
    PROTECTION_UNAVAILABLE, LEAK_REFUSED, PRIVACY_BUDGET_SPENT, ENGINE_MISSING, ENGINE_FAILED,
    PUBLIC_KEY_INVALID.
    """

    reason = "PLAN_INVALID"
    public = "The training plan is not valid."


class TableError(ConfigError):
    """A member's table does not fit the plan's schema. Names places, never values.

    ``reason`` is one of TABLE_UNREADABLE, TABLE_MISMATCH, COLUMN_REFUSED, LABEL_INVALID,
    SCHEMA_INVALID, DRIVER_MISSING, DATABASE_ADDRESS_INVALID, DATABASE_UNREACHABLE,
    DATABASE_LOGIN_REFUSED, QUERY_WRITES, QUERY_TIMEOUT.
    """

    reason = "TABLE_MISMATCH"
    public = "The table does not fit the training plan."


class UpdateError(PeerError):
    """A member's update fails a check that is made before any aggregation.

    ``reason`` is one of UPDATE_SHAPE, UPDATE_NOT_FINITE, UPDATE_NORM, UPDATE_WEIGHT,
    UPDATE_OPPOSED.
    """

    reason = "UPDATE_SHAPE"
    public = "A member's model update was rejected."


class DocumentError(ConfigError):
    """An evaluation, a model card or a risk assessment is malformed, or does not fit the model.

    ``reason`` is one of EVALUATION_MALFORMED, CARD_MALFORMED, CARD_MISSING, ASSESSMENT_MALFORMED,
    ASSESSMENT_MISSING, ASSESSMENT_DIFFERS, ASSESSMENT_REFUSED, PLOTS_UNAVAILABLE.
    """

    reason = "CARD_MALFORMED"
    public = "A document of the model cannot be used."


class QuorumError(PolicyError):
    """Too few members answered: the run ends instead of waiting."""

    reason = "QUORUM_MISSING"
    public = "Too few members took part in the training run."
    hint = "see the run's report for each member's reason"
