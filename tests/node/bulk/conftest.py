"""What tests of bulk work leave behind."""

import pytest

from node.bulk.tokenising import forget_client


@pytest.fixture(autouse=True)
def _no_client_left():
    yield
    forget_client()
