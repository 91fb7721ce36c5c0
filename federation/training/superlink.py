"""Flower's SuperLink for one run, without what it opens to the world.

The state is in this process and so is the coordinator's half of the app: nothing listens for run
control, and the members' door answers ``POST /v1/fleet/`` alone, to nodes whose keys this process
was given. Everything here is non-public flwr; its test runs against each supported version.
Source: FLOWER.md §8, §10.
"""

import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID, TaskType
from flwr.supercore.fab import Fab
from flwr.supercore.primitives.asymmetric import bytes_to_public_key
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink import main as superlink_main
from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.grid.http_grid import HttpGrid
from flwr.superlink.servicer.runtime import runtime_handlers

from federation.training.adapter import COORDINATOR_NODE
from federation.training.app_bundle import NAME, VERSION, app_bundle, bundle_digest
from federation.training.error import PlanError

FLEET: Final = "/v1/fleet/"
BEAT_SECONDS: Final = 10.0
"""Seconds between signs of life of the app's task, which flwr gives up after some thirty."""

Scope = MutableMapping[str, Any]
Door = Callable[[Scope, Any, Any], Awaitable[None]]


class SuperLink:
    """The state of one run, its door for members, and its grid."""

    def __init__(self) -> None:
        """Make the run; it carries this installation's own app."""
        servers: Any = _NoServers
        self._app: Any = superlink_main.create_app(_settings(), servers)
        self._state: Any = self._app.state.linkstate_factory.state()
        bundle = app_bundle()
        fab = Fab(bundle_digest(bundle), bundle, {})
        self._state.store_fab(fab)
        self._run_id = self._state.create_run(
            NAME,
            VERSION,
            fab.hash_str,
            {},
            NOOP_FEDERATION_ID,
            None,
            NOOP_FLWR_AID,
            TaskType.SERVER_APP,
        )
        self._run = self._state.get_run_info(run_ids=[self._run_id])[0]
        self._task = self._run.primary_task_id
        if not self._state.claim_task(self._task) or not self._state.activate_task(self._task):
            raise PlanError("flwr did not start the run", reason="ENGINE_FAILED")
        self._members: dict[str, int] = {}
        threading.Thread(target=self._beat, daemon=True).start()

    def register(self, member: str, public_key: bytes) -> int:
        """Let a member's SuperNode in by its key; an earlier one of the member is out.

        Raises:
            PlanError: PUBLIC_KEY_INVALID.
        """
        try:
            bytes_to_public_key(public_key)
        except ValueError as error:
            raise PlanError("no public key", reason="PUBLIC_KEY_INVALID") from error
        known = self._state.get_node_id_by_public_key(public_key)
        if known is None:
            known = self._state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, public_key, 0)
        elif self._members.get(member) != known:
            raise PlanError(
                "the key is another member's, or was replaced", reason="PUBLIC_KEY_INVALID"
            )
        before = self._members.get(member)
        if before not in (None, known):
            self._state.deactivate_node(before)
        self._members[member] = known
        return int(known)

    def members(self) -> Mapping[int, str]:
        """Give the members whose SuperNode is connected, by node id."""
        online = self._state.get_nodes(self._run_id)
        return {node: name for name, node in self._members.items() if node in online}

    def grid(self) -> HttpGrid:
        """Give the grid of the run, without the way over HTTP; it claims this process."""
        TaskIdentity.run_id = self._run_id
        TaskIdentity.node_id = COORDINATOR_NODE
        TaskIdentity.task_id = self._task
        grid = HttpGrid(token="none")  # noqa: S106  # nothing is called with it
        grid._client = _Direct(self._state, self._state.get_tasks(task_ids=[self._task])[0])  # type: ignore[assignment]  # noqa: SLF001  # as flwr's own, without HTTP
        grid.set_run(self._run)
        return grid

    def door(self) -> Door:
        """Give what serves members: an ASGI application."""
        return _FleetOnly(self._app)

    def _beat(self) -> None:
        pause = threading.Event()
        while self._state.acknowledge_task_heartbeat(self._task):
            pause.wait(BEAT_SECONDS)


class _FleetOnly:
    """Answer nothing but the members' calls: no run control, no task, no documentation."""

    def __init__(self, inner: Door) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Pass a member's call on."""
        is_call = scope["type"] == "http"
        passed = scope.get("method") == "POST" and str(scope.get("path", "")).startswith(FLEET)
        if not is_call or passed:
            await self._inner(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class _NoServers:
    """Flwr's own life span would start servers; this one starts none."""

    def __init__(self, *_settings: object) -> None:
        pass

    def startup(self) -> None:
        """Start nothing."""

    def shutdown(self) -> None:
        """Stop nothing."""


class _Direct:
    """What the grid calls of the Runtime API, in this process and for this task alone."""

    _CALLS: Final[Mapping[str, Any]] = {
        "GetNodes": runtime_handlers.get_nodes,
        "PushMessages": runtime_handlers.push_messages,
        "PullMessages": runtime_handlers.pull_messages,
        "PushObject": runtime_handlers.push_object,
        "PullObject": runtime_handlers.pull_object,
        "ConfirmMessageReceived": runtime_handlers.confirm_message_received,
    }

    def __init__(self, state: Any, task: Any) -> None:
        self._state = state
        self._task = task

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = self._CALLS[name]
        return lambda request, **_how: call(request, self._state, self._task)


def _settings() -> SuperLinkLifespanConfig:
    return SuperLinkLifespanConfig(
        control_address="",
        health_server_address=None,
        host="",
        port=0,
        insecure=False,
        certificates=None,
        superexec_auth_secret=None,
        authn_plugin=NoOpControlAuthnPlugin(),
        event_log_plugin=None,
        fleet_event_log_plugin=None,
        enable_event_log=False,
        artifact_provider=None,
        enable_supernode_auth=True,
        fleet_api_type="grpc-rere",
        fleet_api_address=None,
        simulation=False,
        ssl_ca_certfile=None,
        ssl_certfile=None,
        ssl_keyfile=None,
        database=FLWR_IN_MEMORY_DB_NAME,
        isolation="process",
        runtime_dependency_install=False,
    )
