"""Where a passphrase may come from."""

import getpass
import os
import pty
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from keys.secret import Secret
from node.errors import ConfigError
from node.keyfile import create_secret_file
from node.passphrase import (
    MAX_PASSPHRASE_BYTES,
    passphrase_from_descriptor,
    passphrase_from_file,
    prompt_passphrase,
)

ROOT = Path(__file__).parents[2]


def reason_of(call):
    with pytest.raises(ConfigError) as caught:
        call()
    return caught.value.reason


def descriptor_of(data):
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return reader


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"horse", b"horse"),
        (b"horse\n", b"horse"),
        (b"horse\r\n", b"horse"),
        (b"horse\n\n", b"horse\n"),
        (b" horse ", b" horse "),
        (b"\xff\x00", b"\xff\x00"),
        (b"x" * MAX_PASSPHRASE_BYTES + b"\r\n", b"x" * MAX_PASSPHRASE_BYTES),
    ],
    ids=["plain", "newline", "Windows", "two newlines", "spaces", "bytes", "longest"],
)
def test_a_file_and_a_descriptor_give_the_same_passphrase(tmp_path, content, expected):
    path = tmp_path / "passphrase"
    create_secret_file(path, content)

    assert Secret(expected) == passphrase_from_file(path)
    assert Secret(expected) == passphrase_from_descriptor(descriptor_of(content))


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n"])
def test_an_empty_passphrase_is_refused(tmp_path, content):
    path = tmp_path / "passphrase"
    create_secret_file(path, content)

    assert reason_of(lambda: passphrase_from_file(path)) == "PASSPHRASE_EMPTY"
    assert (
        reason_of(lambda: passphrase_from_descriptor(descriptor_of(content))) == "PASSPHRASE_EMPTY"
    )


def test_a_passphrase_file_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "passphrase"
    create_secret_file(path, b"horse")
    path.chmod(0o644)

    assert reason_of(lambda: passphrase_from_file(path)) == "KEYFILE_MODE"


def test_too_much_is_refused(tmp_path):
    path = tmp_path / "passphrase"
    content = b"x" * (MAX_PASSPHRASE_BYTES + 1)
    create_secret_file(path, content)

    assert reason_of(lambda: passphrase_from_file(path)) == "PASSPHRASE_TOO_LONG"
    assert (
        reason_of(lambda: passphrase_from_descriptor(descriptor_of(content)))
        == "PASSPHRASE_TOO_LONG"
    )


def test_a_descriptor_is_closed_after_reading():
    descriptor = descriptor_of(b"horse")
    passphrase_from_descriptor(descriptor)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_descriptor_that_is_not_open_or_is_a_terminal_is_refused():
    terminal, other = pty.openpty()
    try:
        assert reason_of(lambda: passphrase_from_descriptor(other)) == "PASSPHRASE_DESCRIPTOR"
    finally:
        os.close(terminal)
        os.close(other)
    assert reason_of(lambda: passphrase_from_descriptor(other)) == "PASSPHRASE_DESCRIPTOR"


def answer_with(monkeypatch, *answers):
    remaining = iter(answers)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(remaining))


def test_the_prompt_asks_twice_for_a_new_passphrase(monkeypatch):
    answer_with(monkeypatch, "horse", "horse")
    given = prompt_passphrase(confirm=True)
    answer_with(monkeypatch, "horse", "hoarse")

    assert Secret(b"horse") == given
    assert reason_of(lambda: prompt_passphrase(confirm=True)) == "PASSPHRASE_MISMATCH"


def test_an_empty_answer_is_refused(monkeypatch):
    answer_with(monkeypatch, "")

    assert reason_of(prompt_passphrase) == "PASSPHRASE_EMPTY"


def test_without_a_terminal_nothing_is_asked_and_nothing_is_echoed():
    """A real process in a session of its own, so that there is no /dev/tty either."""
    script = (
        "from node.errors import ConfigError\n"
        "from node.passphrase import prompt_passphrase\n"
        "try:\n    prompt_passphrase()\n"
        "except ConfigError as error:\n    print(error.reason)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        input="typed in the clear\n",
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
        timeout=60,
    )

    assert result.stdout == "PASSPHRASE_NO_TERMINAL\n"


def test_a_prompt_that_would_echo_is_an_error_in_any_warning_filter(monkeypatch):
    def warn(prompt):
        warnings.warn("echo", getpass.GetPassWarning, stacklevel=2)
        return "horse"

    monkeypatch.setattr(getpass, "getpass", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        assert reason_of(prompt_passphrase) == "PASSPHRASE_NO_TERMINAL"


def test_an_answer_that_is_not_unicode_is_taken_as_its_bytes(monkeypatch):
    answer_with(monkeypatch, "h\udcffrse")

    assert Secret(b"h\xffrse") == prompt_passphrase()
