"""A secret never shows itself."""

import copy
import pickle
import traceback

import pytest

from keys.library import library
from keys.secret import Secret

VALUE = b"do not show me, whatever happens"
SECRET = Secret(VALUE)


def test_no_text_form_shows_the_secret() -> None:
    carried = pickle.loads(pickle.dumps(SECRET))
    texts = [repr(SECRET), str(SECRET), f"{SECRET}", f"{SECRET:>40}", f"{SECRET!r}"]
    texts += [repr([SECRET]), repr({"key": SECRET}), repr(carried), "%s" % SECRET]  # noqa: UP031  # the old format too

    for text in texts:
        assert "<secret>" in text
        assert "do not show" not in text
        assert VALUE.hex() not in text


def test_a_traceback_with_a_secret_argument_does_not_show_it() -> None:
    text = "".join(traceback.format_exception(ValueError(SECRET)))

    assert "<secret>" in text
    assert "do not show" not in text


def test_equality_compares_the_bytes_and_only_with_secrets() -> None:
    assert Secret(VALUE) == SECRET
    assert Secret(VALUE[:-1]) != SECRET
    assert VALUE != SECRET
    assert copy.deepcopy(SECRET) == SECRET


def test_a_secret_has_no_hash_and_no_attributes_to_print() -> None:
    with pytest.raises(TypeError):
        hash(SECRET)
    with pytest.raises(TypeError):
        vars(SECRET)


def test_wiping_zeroes_the_buffer_itself() -> None:
    library()
    buffer = bytearray(VALUE)
    secret = Secret.adopt(buffer)
    secret.wipe()

    assert buffer == bytes(len(VALUE))
    assert secret.reveal() == bytes(len(VALUE))
    Secret(b"").wipe()


def test_a_forgotten_secret_wipes_its_buffer() -> None:
    buffer = bytearray(VALUE)
    secret = Secret.adopt(buffer)
    del secret

    assert buffer == bytes(len(VALUE))


def test_truth_and_length_are_those_of_the_bytes() -> None:
    assert SECRET
    assert not Secret(b"")
    assert len(SECRET) == len(VALUE)
