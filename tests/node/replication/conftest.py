import asyncio
import time

import pytest

from tests.node.replication.nodes import Node


@pytest.fixture
async def federation(tmp_path):
    """Make nodes that can reach each other; all are closed at the end."""
    nodes, addresses = [], {}

    async def make(name, *, path=None, serving=True, service=None, network=None, **options):
        place = tmp_path / (path or f"{name}-{len(nodes)}.db")
        node = Node(name, place, addresses if network is None else network, **options)
        nodes.append(node)
        if serving:
            await node.serve(service)
        return node

    yield make
    for node in nodes:
        await node.close()


@pytest.fixture
def wait_for():
    """Wait until something holds; returns how many seconds it took."""

    async def wait(holds, seconds=10.0):
        begin = time.monotonic()
        while not holds():
            if time.monotonic() - begin > seconds:
                pytest.fail(f"it did not come true within {seconds} s")
            await asyncio.sleep(0.01)
        return time.monotonic() - begin

    return wait
