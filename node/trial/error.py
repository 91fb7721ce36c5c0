"""Say why a table could not be trained on."""

from node.errors import ConfigError, PolicyError


class TrialError(PolicyError):
    """The run in the throw-away sandbox gave no model.

    ``reason`` is NOT_APPROVED, or what the run ended with.
    """

    reason = "TRIAL_FAILED"
    public = "The trial gave no model."


class TrialSetupError(ConfigError):
    """The trial cannot begin.

    ``reason`` is TRAIN_EXTRA_MISSING, TOO_FEW_MEMBERS or PLAN_FILE_INVALID.
    """

    reason = "TRIAL_SETUP_INVALID"
    public = "The trial cannot begin."
