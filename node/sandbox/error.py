"""Say why a sandbox could not be made, started or used.

Reasons:
    SANDBOX_NAME_INVALID: A member's name does not say which role it has.
    SANDBOX_MEMBERS_INVALID: The members named cannot be a federation.
    SANDBOX_DIRECTORY_TAKEN: The directory holds something that is no sandbox.
    SANDBOX_DIRECTORY_TOO_LONG: Its path leaves no room for the name of a Unix socket.
    SANDBOX_DIRECTORY_UNUSABLE: The directory cannot be made or written.
    SANDBOX_MISSING: There is no sandbox in the directory.
    SANDBOX_INVALID: The sandbox's own file cannot be read.
    SANDBOX_MEMBERS_DIFFER: The sandbox has other members than those asked for.
    SANDBOX_NODE_FAILED: A node ended instead of coming up.
    SANDBOX_NOT_READY: A node did not become ready in time.
"""

from node.errors import ConfigError


class SandboxError(ConfigError):
    """The sandbox could not be made, started or used."""

    reason = "SANDBOX_INVALID"
    public = "The sandbox cannot be used."
