"""One running federation for all tests that only ask and say things in it."""

import pytest_asyncio

from tests.node.federation_world import World


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("w") / "f")
    await made.start()
    yield made
    await made.close()
