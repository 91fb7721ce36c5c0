"""One running federation for all tests that only ask and say things in it, and one database."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from node.store.private import PrivateStore
from tests.node.federation_world import World
from tests.node.private_place import PrivatePlace, place_on
from tests.postgresql import Server, running_server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("w") / "f")
    await made.start()
    yield made
    await made.close()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """Run one PostgreSQL server for all tests, or skip by name where there is none."""
    with running_server() as server:
        yield server


@pytest.fixture(params=("file", "postgresql"))
def private_place(request: pytest.FixtureRequest, tmp_path: Path) -> PrivatePlace:
    """Give an empty place for private tables, of either kind."""
    if request.param == "file":
        return PrivatePlace(tmp_path / "node" / "private.db")
    return place_on(request.getfixturevalue("postgresql_server"), tmp_path)


@pytest.fixture
def private(private_place: PrivatePlace) -> Iterator[PrivateStore]:
    """Give empty private tables, in either kind of database."""
    with closing(private_place.open()) as store:
        yield store
