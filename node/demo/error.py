"""Say why a demonstration could not be told.

Reasons:
    DEMO_DATA_MISSING: A file of the data directory is not there.
    DEMO_DATA_INVALID: A file of the data directory is not what its name says.
    DEMO_DATA_TOO_SMALL: The data do not leave enough values that nobody lists.
    DEMO_STEP_FAILED: A node did not do what the story needs to go on.
"""

from node.errors import ConfigError


class DemoError(ConfigError):
    """The demonstration could not be told."""

    reason = "DEMO_STEP_FAILED"
    public = "The demonstration could not be told to its end."
