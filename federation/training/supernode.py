"""Flower's SuperNode for one run, and the gate between it and the member's own training process.

The SuperNode only fetches and sends; whatever it fetched goes through the gate, which takes
nothing but messages for the agreed app and asks the member's node about each. Non-public flwr.
Source: FLOWER.md §7, §10.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import Message, MessageType
from flwr.common.constant import Status, SubStatus
from flwr.supercore.constant import TaskType
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supernode import start_client_internal as supernode
from flwr.supernode.nodestate import NodeStateFactory

from federation.errors import FederationError
from federation.training.adapter import (
    REFUSED,
    claim_process,
    encode_message,
    failed_reply,
    parse_message,
)
from federation.training.app_bundle import app_bundle, bundle_digest
from federation.training.error import PlanError
from federation.training.records import read_round

LOOK_SECONDS: Final = 0.1
"""Seconds between looks for work, inside this process."""
POLL_SECONDS: Final = 0.5
"""Seconds between questions to the coordinator; flwr's own are three."""
BEAT_SECONDS: Final = 10.0
"""Seconds between signs of life of a task, which flwr gives up after some thirty."""
_RUN: Final = 1  # of this process; messages carry their own

Ask = Callable[[int, bytes], bytes]
"""Called with the round (0 for what trains nothing) and a message; gives the answer's bytes, or
raises FederationError with the member's refusal."""


class SuperNode:
    """One member's SuperNode in this process, the process's only one."""

    def __init__(self, ask: Ask) -> None:
        """Make its key.

        Args:
            ask: The member's node.
        """
        self._ask = ask
        self._key = ec.generate_private_key(ec.SECP384R1())
        self._bundle = bundle_digest(app_bundle())
        objects: Any = ObjectStoreFactory()
        self._states = NodeStateFactory(objectstore_factory=objects)
        self._state: Any = self._states.state()

    @property
    def public_key(self) -> bytes:
        """What the coordinator registers."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def run(self, address: str, certificate: bytes) -> None:
        """Fetch and send until the process is ended.

        Args:
            address: On loopback, of the way to the coordinator's SuperLink.
            certificate: Of that SuperLink.
        """
        claim_process(_RUN)
        logging.getLogger("flwr").setLevel(logging.ERROR)
        vars(supernode)["time"] = _PromptTime()  # the pause is no setting
        threading.Thread(target=self._keep_gate, daemon=True).start()
        supernode.start_client_internal(
            state_factory=self._states,
            server_address=address,
            node_config={},
            root_certificates=certificate,
            insecure=False,
            authentication_keys=(self._key, self._key.public_key()),
            isolation="process",
            runtime_dependency_install=False,
        )

    def _keep_gate(self) -> None:
        while True:
            for task in self._state.get_tasks(statuses=[Status.PENDING]):
                self._take(task)
            time.sleep(LOOK_SECONDS)

    def _take(self, task: Any) -> None:
        """Do one task, if it is of the one kind that there may be."""
        if not self._state.claim_task(task.task_id) or not self._state.activate_task(task.task_id):
            return
        if task.type != TaskType.CLIENT_APP:
            self._state.finish_task(task.task_id, SubStatus.FAILED, "not done here")
            return
        done = threading.Event()
        threading.Thread(target=self._beat, args=(task.task_id, done), daemon=True).start()
        try:
            request = self._fetch(task.run_id)
            self._put(request, self._answer(task.run_id, request))
        finally:
            done.set()
        self._state.finish_task(task.task_id, SubStatus.COMPLETED, "")

    def _fetch(self, run_id: int) -> Message:
        """Wait for the message of a task, which comes a moment after it."""
        while not (
            found := self._state.get_messages_legacy(run_ids=[run_id], is_reply=False, limit=1)
        ):
            time.sleep(LOOK_SECONDS)
        name = found[0].metadata.message_id
        self._state.record_message_processing_start(message_id=name)
        store = self._state.object_store
        parts = [tree.object_id for tree in iterate_object_tree(store.get_object_tree(name))]
        while not all(store.get(part) for part in parts):
            time.sleep(LOOK_SECONDS)
        message: Any = inflate_object_from_contents(name, {part: store.get(part) for part in parts})
        message.metadata.__dict__["_message_id"] = name
        store.delete(name)
        return message

    def _answer(self, run_id: int, request: Message) -> Message:
        try:
            self._check_bundle(run_id)
            trains = request.metadata.message_type == MessageType.TRAIN
            number = read_round(request) if trains else 0
            reply = parse_message(self._ask(number, encode_message(request)))
        except FederationError as error:
            return failed_reply(request, REFUSED, error.reason)
        return reply

    def _check_bundle(self, run_id: int) -> None:
        """Refuse work for any other app than this very installation's.

        Raises:
            PlanError: CODE_DIFFERS.
        """
        run = self._state.get_run(run_id)
        fab = self._state.get_fab(run.fab_hash) if run else None
        if fab is None or {fab.hash_str, bundle_digest(fab.content)} != {self._bundle}:
            raise PlanError("the bundle is not this member's training code", reason="CODE_DIFFERS")

    def _put(self, request: Message, reply: Message) -> None:
        self._state.record_message_processing_end(message_id=request.metadata.message_id)
        supernode._insert_message(reply, self._state, self._state.object_store)  # noqa: SLF001

    def _beat(self, task_id: int, done: threading.Event) -> None:
        while self._state.acknowledge_task_heartbeat(task_id) and not done.wait(BEAT_SECONDS):
            pass


class _PromptTime:
    """The clock of flwr's loop, with shorter pauses."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep no longer than POLL_SECONDS."""
        time.sleep(min(seconds, POLL_SECONDS))
