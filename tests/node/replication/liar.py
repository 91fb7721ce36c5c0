"""Log services that lie, each in one way."""

import asyncio

from federation.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from federation.merkle import CompactRange, leaf_hash
from keys.note import parse_note
from tests.node.replication.nodes import ORGANISATIONS
from tocsin.v1 import log_service_pb2 as wire
from tocsin.v1 import log_service_pb2_grpc as stubs


class Liar(stubs.LogServiceServicer):
    """Serves a node's log after ``twist`` changed the parts of the stream."""

    def __init__(self, ledger, twist):
        self._ledger = ledger
        self.twist = twist

    async def Read(self, request, context):  # noqa: N802
        from federation.names import Origin

        run = self._ledger.read(Origin.parse(request.origin), request.start)
        async for part in self.twist(run, request):
            yield part

    async def Watch(self, request, context):  # noqa: N802
        await asyncio.sleep(3_600)
        yield wire.WatchResponse()

    async def Gossip(self, request, context):  # noqa: N802
        return wire.GossipResponse(checkpoints=self._ledger.checkpoints())

    async def Prove(self, request, context):  # noqa: N802
        return wire.ProveResponse()


def entries(bodies, compacted=()):
    return wire.ReadResponse(entries=wire.EntryRun(bodies=bodies, compacted=compacted))


def closing(note):
    return wire.ReadResponse(checkpoint=note)


async def truncated(run, request):
    yield entries(run.bodies[:-1])
    yield closing(run.checkpoint)


async def reordered(run, request):
    yield entries(run.bodies[::-1])
    yield closing(run.checkpoint)


async def edited(run, request):
    first = bytearray(run.bodies[0])
    first[-1] ^= 1
    yield entries([bytes(first), *run.bodies[1:]])
    yield closing(run.checkpoint)


async def repeated(run, request):
    yield entries([*run.bodies, run.bodies[-1]])
    yield closing(run.checkpoint)


async def hashed(run, request):
    """Say that a body is gone, with the leaf hash of another."""
    yield entries([leaf_hash(b"other"), *run.bodies[1:]], [0])
    yield closing(run.checkpoint)


async def unsigned(run, request):
    yield entries(run.bodies)
    yield closing(run.checkpoint[:-6] + b"AAAA=\n")


async def unclosed(run, request):
    yield entries(run.bodies)


async def closed_early(run, request):
    yield closing(run.checkpoint)
    yield entries(run.bodies)


async def empty_parts(run, request):
    while True:
        yield wire.ReadResponse()


async def misplaced(run, request):
    yield entries(run.bodies, [len(run.bodies)])
    yield closing(run.checkpoint)


async def endless(run, request):
    while True:
        yield entries([bytes(1_000_000)])


async def endless_hashes(run, request):
    while True:
        yield entries([b""] * 100_000)


async def silent(run, request):
    await asyncio.sleep(3_600)
    yield closing(run.checkpoint)


async def dripping(run, request):
    for body in run.bodies:
        await asyncio.sleep(0.4)
        yield entries([body])
    await asyncio.sleep(3_600)


def resigned(signer):
    """Close with a checkpoint over the right root, signed by somebody else."""

    async def twist(run, request):
        genuine = parse_checkpoint(parse_note(run.checkpoint).text)
        key = ORGANISATIONS[signer].signing_key
        yield entries(run.bodies)
        yield closing(sign_checkpoint(genuine, key).note)

    return twist


def of_another_log(note):
    """Close with a genuine checkpoint of another member's log."""

    async def twist(run, request):
        yield entries(run.bodies)
        yield closing(note)

    return twist


def signed_over(bodies, name, origin, time):
    """Return the checkpoint that a member signs over these entries."""
    frontier = CompactRange()
    frontier.extend([leaf_hash(body) for body in bodies])
    checkpoint = Checkpoint(origin, frontier.size, frontier.root(), time)
    return sign_checkpoint(checkpoint, ORGANISATIONS[name].signing_key)
