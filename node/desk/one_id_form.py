"""Write a citizen's consent form as a message: the desk gives it, a command brings it signed."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from federation.one_id import ConsentForm
from tocsin.desk.v1 import one_id_service_pb2 as wire


def form_message(form: ConsentForm) -> wire.OneIdForm:
    """Return a form as the desk gives and takes it."""
    return wire.OneIdForm(
        opener=form.opener,
        token=form.token,
        epoch=form.epoch,
        wanted=[int(one) for one in form.wanted],  # type: ignore[misc]  # equal numbers, tested
        members=form.members,
        receiving_key=form.receiving_key,
        consent_key=form.consent_key,
        proof_digest=form.proof_digest,
        consent_time=Timestamp(seconds=form.consent_time),
        knowledge_proof=form.knowledge_proof,
    )
