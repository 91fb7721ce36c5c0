import os
from pathlib import Path

import pytest

from node.whole_file import PUBLIC_MODE, create_whole, whole_file, write_whole


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def write_half(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"ha")
        raise ValueError("half written")


def test_a_block_that_fails_leaves_what_was_there_and_nothing_beside_it(path):
    with pytest.raises(ValueError, match="half"):
        write_half(path)

    assert list(path.parent.iterdir()) == []

    write_whole(path, b"old")
    with pytest.raises(ValueError, match="half"):
        write_half(path)

    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_two_who_write_at_once_each_write_a_whole_file(path):
    with whole_file(path) as first:
        first.write(b"first")
        with whole_file(path) as second:
            second.write(b"second")

        assert path.read_bytes() == b"second"

    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]


def test_what_is_replaced_has_the_mode_asked_for_whatever_the_umask(path):
    before = os.umask(0o277)
    try:
        write_whole(path, b"one")
        secret = mode_of(path)
        write_whole(path, b"two", 0o664)
    finally:
        os.umask(before)

    assert secret == 0o600
    assert mode_of(path) == 0o664


def test_the_umask_lessens_a_new_file_for_others_and_never_for_the_owner(path):
    before = os.umask(0o277)
    try:
        create_whole(path, b"one", PUBLIC_MODE)
    finally:
        os.umask(before)

    assert mode_of(path) == 0o600


def test_a_new_file_takes_the_place_of_nothing(path):
    create_whole(path, b"old")
    with pytest.raises(FileExistsError):
        create_whole(path, b"new")

    assert path.read_bytes() == b"old"

    path.unlink()
    path.symlink_to(path.parent / "nowhere")
    with pytest.raises(FileExistsError):
        create_whole(path, b"new")

    assert not (path.parent / "nowhere").exists()


def test_a_file_in_no_directory_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "file", b"")
