"""Ids of matters on the command line: how they begin, or whole with who opened them."""

import click
import pytest

from federation.matters import handle_of
from federation.names import MemberId
from node.cli.digits import MatterName

ID = bytes(range(16))
DIGEST = bytes(range(32))


def read(text, name=None):
    return (name or MatterName()).convert(text, None, None)


def test_an_id_may_be_shortened_to_eight_digits():
    assert read(ID.hex()) == ID
    assert read(ID.hex()[:8]) == ID[:4]
    assert read(ID) == ID


def test_a_member_and_an_id_name_the_matter_of_this_member():
    assert read(f"bank-x/{ID.hex()}") == handle_of(MemberId("bank-x"), ID)
    assert read(f"bank-x/{ID.hex()}") != read(f"net-p/{ID.hex()}")
    assert read(f"bank-x/{DIGEST.hex()}", MatterName("digest", 32)) == handle_of(
        MemberId("bank-x"), DIGEST
    )
    assert read(f"bank-x/{ID.hex()}", MatterName("id", 16, 32)) == read(f"bank-x/{ID.hex()}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "9f2c4b",
        "9f2c4b1",
        "no digits",
        DIGEST.hex(),
        f"/{ID.hex()}",
        f"Bank X/{ID.hex()}",
        f"bank-x/{ID.hex()[:8]}",
        f"bank-x/{DIGEST.hex()}",
        f"bank-x/net-p/{ID.hex()}",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(click.BadParameter):
        read(text)
