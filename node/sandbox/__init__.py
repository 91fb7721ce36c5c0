"""A whole federation of real node processes on this machine, to try things out and for tests.

sandbox = Sandbox(Path("/tmp/federation"), ["carrier-a", "bank-x", "net-p", "partner-k"])
sandbox.up()                       # real processes, certificates, charter and token keys
sandbox.home("bank-x")             # for `tocsin --home`
sandbox.kill("bank-x"); sandbox.start("bank-x")
sandbox.down()
"""

from node.sandbox.error import SandboxError
from node.sandbox.layout import DEFAULT_MEMBERS
from node.sandbox.sandbox import NodeState, Sandbox

__all__ = ["DEFAULT_MEMBERS", "NodeState", "Sandbox", "SandboxError"]
