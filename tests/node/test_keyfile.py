"""Secret files on disk: modes, exclusive creation, replacement that survives a crash."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from keys.errors import KeyStoreError
from keys.keystore import Cost
from keys.secret import Secret
from node.errors import ConfigError, NodeError, PeerError, PolicyError, UnavailableError
from node.keyfile import KeyFile, create_secret_file, read_secret_file, replace_secret_file

CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
PASSPHRASE = Secret(b"correct horse")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def keyfile(path):
    return KeyFile.create(path, PASSPHRASE, "night.example", "bank-a", CHEAP)


def refusal(call):
    with pytest.raises(ConfigError) as caught:
        call()
    return caught.value


def mode_of(path):
    return path.stat().st_mode & 0o777


@pytest.fixture
def umask():
    before = os.umask(0)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o277])
def test_a_secret_file_has_mode_0600_whatever_the_umask(path, umask, mask):
    umask(mask)
    create_secret_file(path, b"one")
    first = mode_of(path)
    replace_secret_file(path, b"two")

    assert (first, mode_of(path)) == (0o600, 0o600)
    assert read_secret_file(path).reveal() == b"two"


def test_an_existing_file_is_never_overwritten(path):
    path.write_bytes(b"precious")
    error = refusal(lambda: create_secret_file(path, b"new"))

    assert error.reason == "KEYFILE_EXISTS"
    assert path.read_bytes() == b"precious"


def test_a_dangling_link_is_not_followed_when_creating(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere")
    error = refusal(lambda: create_secret_file(path, b"new"))

    assert error.reason == "KEYFILE_EXISTS"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o601, 0o610, 0o777])
def test_a_file_that_others_may_use_is_refused_with_the_command_to_run(tmp_path, mode):
    path = tmp_path / "a key's file"
    create_secret_file(path, b"secret")
    path.chmod(mode)
    error = refusal(lambda: read_secret_file(path))
    subprocess.run(["sh", "-c", error.hint], check=True)

    assert error.reason == "KEYFILE_MODE"
    assert read_secret_file(path).reveal() == b"secret"


def test_a_missing_file_a_missing_directory_and_a_directory_are_told_apart(path, tmp_path):
    missing = refusal(lambda: read_secret_file(path))
    nowhere = refusal(lambda: create_secret_file(tmp_path / "no" / "file", b""))
    directory = refusal(lambda: read_secret_file(tmp_path))

    assert ("KEYFILE_MISSING", f"{path} does not exist") == (missing.reason, str(missing))
    assert f"{tmp_path / 'no'} does not exist" == str(nowhere)
    assert directory.reason == "KEYFILE_UNUSABLE"


def test_a_pipe_in_the_place_of_a_file_does_not_hang(path):
    os.mkfifo(path, 0o600)

    assert refusal(lambda: read_secret_file(path)).reason == "KEYFILE_UNUSABLE"


def test_a_file_that_is_too_long_is_refused(path):
    create_secret_file(path, b"12345")

    assert read_secret_file(path, 5).reveal() == b"12345"
    assert refusal(lambda: read_secret_file(path, 4)).reason == "KEYFILE_UNUSABLE"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_refused(path):
    create_secret_file(path, b"secret")
    os.chown(path, 65_534, 65_534)

    assert refusal(lambda: read_secret_file(path)).reason == "KEYFILE_UNUSABLE"


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(keyfile, path, tmp_path):
    """The limit on file size stands in for the full disk: the write itself fails."""
    before = path.read_bytes()
    script = """
        import resource, signal, sys
        from pathlib import Path
        from node.errors import ConfigError
        from node.keyfile import replace_secret_file
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        try:
            replace_secret_file(Path(sys.argv[1]), b"x" * 1000)
        except ConfigError as error:
            print(error.reason)
    """
    result = run_script(script, path)

    assert result.stdout.strip() == "KEYFILE_UNUSABLE"
    assert before == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def run_script(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("step", ["fsync", "replace", "write"])
def test_a_process_killed_in_the_middle_leaves_the_old_store_whole(keyfile, path, step):
    keyfile.put("signing", Secret(b"old"))
    script = """
        import os, signal, sys
        from pathlib import Path
        import node.keyfile as keyfile
        die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        step = sys.argv[2]
        if step == "fsync":
            os.fsync = die
        elif step == "replace":
            Path.replace = die
        else:
            os.fchmod = die
        keyfile.replace_secret_file(Path(sys.argv[1]), b"half of the new one")
    """
    result = run_script(script, path, step)

    assert result.returncode == -signal.SIGKILL
    assert Secret(b"old") == KeyFile.open(path, PASSPHRASE).store.get("signing")


def test_data_and_directory_are_synced_and_only_then_is_the_name_there(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, Path.replace

    def record_sync(descriptor):
        calls.append("directory" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        fsync(descriptor)

    def record_replace(source, target):
        calls.append("replace")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "replace", record_replace)
    create_secret_file(path, b"one")
    replace_secret_file(path, b"two")

    assert calls == ["file", "directory", "file", "replace", "directory"]


def test_a_failed_rename_leaves_nothing_beside_the_file(path, tmp_path, monkeypatch):
    create_secret_file(path, b"one")

    def refuse(source, target):
        raise OSError(errno.EXDEV, "Cross-device link")

    monkeypatch.setattr(Path, "replace", refuse)
    error = refusal(lambda: replace_secret_file(path, b"two"))

    assert error.reason == "KEYFILE_UNUSABLE"
    assert [path] == list(tmp_path.iterdir())


def test_each_change_of_a_key_file_is_on_disk_when_the_call_returns(keyfile, path):
    keyfile.put("signing", Secret(b"seed"), b"binding")
    first = KeyFile.open(path, PASSPHRASE).store.get("signing", b"binding")
    keyfile.change_passphrase(Secret(b"new"), CHEAP)
    second = KeyFile.open(path, Secret(b"new")).store.get("signing", b"binding")
    keyfile.delete("signing")

    assert Secret(b"seed") == first == second
    assert KeyFile.open(path, Secret(b"new")).store.names() == ()
    assert mode_of(path) == 0o600


def test_a_change_that_cannot_be_written_is_not_in_memory_either(keyfile, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    keyfile.put("signing", Secret(b"old"))
    monkeypatch.setattr(Path, "replace", refuse)
    error = refusal(lambda: keyfile.put("signing", Secret(b"new")))

    assert "No space left" in str(error)
    assert Secret(b"old") == keyfile.store.get("signing")


def test_a_change_by_another_process_is_not_overwritten(keyfile, path):
    other = KeyFile.open(path, PASSPHRASE)
    other.put("theirs", Secret(b"1"))
    error = refusal(lambda: keyfile.put("ours", Secret(b"2")))

    assert error.reason == "KEYSTORE_CHANGED"
    assert KeyFile.open(path, PASSPHRASE).store.names() == ("theirs",)


def test_a_change_by_another_process_can_be_taken_over(keyfile, path):
    other = KeyFile.open(path, PASSPHRASE)
    other.put("theirs", Secret(b"1"))
    keyfile.refresh()
    keyfile.put("ours", Secret(b"2"))
    other.refresh()

    assert keyfile.store.names() == other.store.names() == ("ours", "theirs")
    assert other.store.get("ours") == Secret(b"2")


def test_a_file_that_cannot_be_taken_over_leaves_what_was_known(keyfile, path):
    keyfile.put("ours", Secret(b"1"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(KeyStoreError):
        keyfile.refresh()

    assert keyfile.store.get("ours") == Secret(b"1")


def test_a_second_store_is_not_made_over_the_first(keyfile, path):
    before = path.read_bytes()
    error = refusal(lambda: KeyFile.create(path, PASSPHRASE, "night.example", "bank-a", CHEAP))

    assert error.reason == "KEYFILE_EXISTS"
    assert before == path.read_bytes()


def test_a_wrong_passphrase_and_a_damaged_file_keep_their_reasons(keyfile, path):
    wrong = refusal(lambda: KeyFile.open(path, Secret(b"wrong horse")))
    path.write_bytes(path.read_bytes()[:-20])
    damaged = refusal(lambda: KeyFile.open(path, PASSPHRASE))

    assert (wrong.reason, damaged.reason) == ("KEYSTORE_PASSPHRASE", "KEYSTORE_INVALID")
    assert isinstance(wrong.__cause__, KeyStoreError)
    assert "horse" not in str(wrong) + str(wrong.hint) + repr(wrong)


def test_a_store_others_may_read_is_not_opened(keyfile, path):
    path.chmod(0o644)

    assert refusal(lambda: KeyFile.open(path, PASSPHRASE)).reason == "KEYFILE_MODE"


def test_nothing_secret_is_in_the_repr(keyfile):
    keyfile.put("signing", Secret(b"a secret seed"))

    assert "secret seed" not in repr(keyfile)
    assert "1 entries" in repr(keyfile)


@pytest.mark.parametrize("kind", [PeerError, PolicyError, UnavailableError, ConfigError])
def test_each_node_error_has_a_reason_a_sentence_and_an_exit_code(kind):
    error = kind()

    assert isinstance(error, NodeError)
    assert error.reason.isupper()
    assert kind.public == str(error)
    assert error.exit_code in {1, 2}
    assert (
        kind(reason="OTHER", hint="do this").reason,
        kind(reason="OTHER", hint="do this").hint,
    ) == ("OTHER", "do this")


def test_an_error_that_accuses_a_peer_carries_the_evidence():
    error = PeerError("two checkpoints", member="bank-b", evidence=[b"one", b"two"])

    assert (error.member, error.evidence) == ("bank-b", (b"one", b"two"))
