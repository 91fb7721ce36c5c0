"""Who reaches what on Flower's deployment engine: its SuperLink's door, a member's gate."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("flwr")
httpx = pytest.importorskip("httpx")

from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from flwr.app import ConfigRecord, Message, RecordDict  # noqa: E402
from flwr.common.constant import TIMESTAMP_HEADER  # noqa: E402
from flwr.proto.fleet_pb2 import ActivateNodeRequest, ActivateNodeResponse  # noqa: E402
from flwr.supercore.constant import (  # noqa: E402
    FLEET_HTTP_PUBLIC_KEY_HEADER,
    FLEET_HTTP_SIGNATURE_HEADER,
    TaskType,
)
from flwr.supercore.fab import Fab  # noqa: E402
from flwr.supercore.run import Run  # noqa: E402
from flwr.supernode.start_client_internal import _insert_message  # noqa: E402

from federation.errors import PolicyError  # noqa: E402
from federation.training import app_bundle as bundles  # noqa: E402
from federation.training.adapter import claim_process, describe_failure  # noqa: E402
from federation.training.app_bundle import app_bundle, bundle_digest  # noqa: E402
from federation.training.error import PlanError  # noqa: E402
from federation.training.flower_engine import run_over_superlink  # noqa: E402
from federation.training.grpc_grid import RunSetting  # noqa: E402
from federation.training.superlink import FLEET, SuperLink  # noqa: E402
from federation.training.supernode import SuperNode  # noqa: E402
from tests.training.small import small_plan  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def link() -> SuperLink:
    return SuperLink()


def caller(link: SuperLink) -> Any:
    transport = httpx.ASGITransport(app=link.door(), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="https://127.0.0.1")


async def activate(link: SuperLink, node: SuperNode, *, signed: bool = True) -> Any:
    """Make the first call of a SuperNode."""
    now = datetime.now(UTC).isoformat()
    headers = {"content-type": "application/protobuf"}
    if signed:
        signature = node._key.sign(now.encode(), ec.ECDSA(hashes.SHA256()))
        headers |= {
            TIMESTAMP_HEADER: now,
            FLEET_HTTP_PUBLIC_KEY_HEADER: base64.b64encode(node.public_key).decode(),
            FLEET_HTTP_SIGNATURE_HEADER: base64.b64encode(signature).decode(),
        }
    asked = ActivateNodeRequest(public_key=node.public_key, heartbeat_interval=30)
    async with caller(link) as calls:
        return await calls.post(
            f"{FLEET}activate-node", content=asked.SerializeToString(), headers=headers
        )


async def test_no_call_of_flower_but_the_members_own_is_answered(link: SuperLink) -> None:
    paths = {str(route.path) for route in link._app.routes if hasattr(route, "path")}
    paths |= {"/v1/control/start-run", "/v1/runtime/acquire-task", "/docs", "/openapi.json", "/"}
    others = sorted(path for path in paths if not path.startswith(FLEET))
    async with caller(link) as calls:
        found = {
            (await calls.request(method, path)).status_code
            for path in others
            for method in ("GET", "POST", "PUT", "DELETE")
        }

        assert found == {404}
        assert (await calls.get(f"{FLEET}activate-node")).status_code == 404


async def test_who_was_not_let_in_by_its_node_is_nobody(link: SuperLink) -> None:
    known, stranger = SuperNode(refuse), SuperNode(refuse)
    number = link.register("carrier-a", known.public_key)
    unsigned, unknown, entered = (
        await activate(link, known, signed=False),
        await activate(link, stranger),
        await activate(link, known),
    )

    assert unsigned.status_code == 401
    assert unknown.status_code >= 400
    assert entered.status_code == 200
    assert ActivateNodeResponse.FromString(entered.content).node_id == number
    assert link.members() == {number: "carrier-a"}


async def test_a_member_has_one_node_and_no_other_takes_it(link: SuperLink) -> None:
    first, second = SuperNode(refuse), SuperNode(refuse)
    old = link.register("carrier-b", first.public_key)
    await activate(link, first)
    new = link.register("carrier-b", second.public_key)
    await activate(link, second)

    assert old != new
    assert old not in link.members()
    assert link.members()[new] == "carrier-b"
    for key, member in ((first.public_key, "carrier-b"), (second.public_key, "carrier-c")):
        with pytest.raises(PlanError) as refusal:
            link.register(member, key)

        assert refusal.value.reason == "PUBLIC_KEY_INVALID"
    with pytest.raises(PlanError):
        link.register("carrier-c", b"no key")


def test_a_plan_whose_updates_nobody_may_see_is_refused(link: SuperLink) -> None:
    plan, schema = small_plan(protection="secret")
    with pytest.raises(PlanError) as refusal:
        run_over_superlink(link, plan, schema, RunSetting({}), Nobody(), None)

    assert refusal.value.reason == "PROTECTION_UNAVAILABLE"


class Nobody:
    """A node whom nothing may be asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def refuse(_number: int, _message: bytes) -> bytes:
    raise PolicyError(reason="PLAN_NOT_APPROVED")


def fetched(node: SuperNode, bundle: bytes, kind: str = TaskType.CLIENT_APP) -> Any:
    """Put a message into a SuperNode, as if it had been fetched, and give its task."""
    claim_process(1)
    run = Run.create_empty(7)
    run.fab_hash = bundle_digest(bundle)
    node._state.store_run(run)
    node._state.store_fab(Fab(run.fab_hash, bundle, {}))
    content = RecordDict({"config": ConfigRecord({"server-round": 3})})
    message = Message(content, 42, "train")
    message.metadata.__dict__["_run_id"] = 7
    _insert_message(message, node._state, node._state.object_store)
    number = node._state.create_task(task_type=kind, run_id=7, fab_hash=run.fab_hash)
    return node._state.get_tasks(task_ids=[number])[0]


def reply_of(node: SuperNode) -> Message:
    (found,) = node._state.get_messages_legacy(is_reply=True)
    return found


def test_the_gate_asks_the_node_about_every_message_and_says_its_refusal() -> None:
    asked: list[int] = []

    def ask(number: int, message: bytes) -> bytes:
        asked.append(number)
        return refuse(number, message)

    node = SuperNode(ask)
    node._take(fetched(node, app_bundle()))

    assert asked == [3]
    assert describe_failure(reply_of(node)) == ("refused", "PLAN_NOT_APPROVED")


def test_another_bundle_never_gets_as_far_as_the_node() -> None:
    node = SuperNode(unasked)
    node._take(fetched(node, app_bundle() + b" "))

    assert describe_failure(reply_of(node)) == ("refused", "CODE_DIFFERS")


def unasked(_number: int, _message: bytes) -> bytes:
    raise AssertionError("the node was asked")


def test_the_gate_takes_no_task_but_of_the_members_app() -> None:
    node = SuperNode(unasked)
    task = fetched(node, app_bundle(), TaskType.AGENT_APP)
    node._take(task)
    (after,) = node._state.get_tasks(task_ids=[task.task_id])

    assert after.status.sub_status == "failed"


def test_the_same_files_are_the_same_bundle_and_others_another(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "__file__", str(tmp_path / "app_bundle.py"))
    (tmp_path / "client_app.py").write_text("one", encoding="utf-8")
    first, again = app_bundle(), app_bundle()
    (tmp_path / "client_app.py").write_text("two", encoding="utf-8")

    assert first == again
    assert bundle_digest(app_bundle()) != bundle_digest(first)
