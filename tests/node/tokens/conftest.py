"""Shared parts of the tests of tokens: one pool of workers, one generated key."""

import pytest

from federation.vocabulary import KeyAction
from node.workers import Workers
from tests.federation.ceremony_world import HOLDERS, World, world
from tests.node.tokens.holders import HolderSet


@pytest.fixture(scope="session")
def workers():
    pool = Workers(1)
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def generated() -> World:
    made = world(3, 2)
    made.complete(HOLDERS[0].name, KeyAction.GENERATE)
    return made


@pytest.fixture
def holders(generated, workers, tmp_path):
    made = HolderSet(generated, workers, tmp_path)
    yield made
    made.close()
