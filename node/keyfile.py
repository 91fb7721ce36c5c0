"""Handle files that hold secrets: who may read them, and that no crash leaves half of one.

A secret file is created with mode 0600 and never overwritten, only replaced as a whole
(``node/whole_file.py``). A file that others may read is refused with the ``chmod`` to run.
Passphrases are read in ``node/passphrase.py``; neither they nor any key is ever an argument or an
environment variable.

    keyfile = KeyFile.create(path, passphrase, "night.example", "bank-a")
    keyfile.put("signing", key.seed())          # on disk when this returns
    KeyFile.open(path, passphrase).store.get("signing")
"""

import contextlib
import fcntl
import hashlib
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from keys.errors import KeyStoreError
from keys.keystore import DEFAULT_COST, MAX_STORE_BYTES, Cost, KeyStore
from keys.secret import Secret
from node.errors import ConfigError
from node.whole_file import create_whole, write_whole

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

MAX_SECRET_BYTES = MAX_STORE_BYTES
"""Bytes: as large as a key store may be; anything longer is a wrong path."""


class KeyFile:
    """A key store and the file it lives in; each change is on disk when the call returns."""

    def __init__(self, path: Path, store: KeyStore, data: bytes) -> None:
        self.path = path
        self.store = store
        self._digest = hashlib.sha256(data).digest()

    def __repr__(self) -> str:
        return f"KeyFile({str(self.path)!r}, {self.store!r})"

    @classmethod
    def create(
        cls,
        path: Path,
        passphrase: Secret,
        federation: str,
        member: str,
        cost: Cost = DEFAULT_COST,
    ) -> "KeyFile":
        """Make a new key store file.

        Raises:
            ConfigError: KEYFILE_EXISTS or KEYFILE_UNUSABLE.
        """
        store = KeyStore.create(passphrase, federation, member, cost)
        data = store.encode()
        create_secret_file(path, data)
        return cls(path, store, data)

    @classmethod
    def open(cls, path: Path, passphrase: Secret) -> "KeyFile":
        """Open a key store file.

        Raises:
            ConfigError: KEYFILE_MODE, KEYFILE_MISSING, KEYFILE_UNUSABLE, or the reason that
                ``KeyStore.decode`` gave.
        """
        data = read_secret_file(path).reveal()
        try:
            store = KeyStore.decode(data, passphrase)
        except KeyStoreError as error:
            hint = error.hint or f"The key store is {path}."
            raise ConfigError(str(error), reason=error.reason, hint=hint) from error
        return cls(path, store, data)

    def refresh(self) -> None:
        """Take over what another process of this node has written meanwhile.

        Raises:
            ConfigError: As ``read_secret_file``.
            KeyStoreError: KEYSTORE_INVALID; what was known stays.
        """
        data = read_secret_file(self.path).reveal()
        digest = hashlib.sha256(data).digest()
        if digest != self._digest:
            self.store, self._digest = self.store.reopen(data), digest

    def put(self, name: str, secret: Secret, binding: bytes = b"") -> None:
        """Add or replace an entry, durably; arguments and errors as ``KeyStore.put``.

        Raises:
            ConfigError: KEYSTORE_CHANGED, another process wrote the file meanwhile.
        """
        self._change(lambda store: store.put(name, secret, binding))

    def delete(self, name: str) -> None:
        """Remove an entry, durably; errors as ``KeyStore.delete`` and ``put``."""
        self._change(lambda store: store.delete(name))

    def change_passphrase(self, passphrase: Secret, cost: Cost = DEFAULT_COST) -> None:
        """Lock the file with another passphrase, durably; errors as ``put``."""
        self._change(lambda store: store.change_passphrase(passphrase, cost))

    def _change(self, change: Callable[[KeyStore], None]) -> None:
        with _locked(self.path.parent):
            self._check_unchanged()
            changed = self.store.copy()  # a full disk must leave memory as it leaves the file
            change(changed)
            data = changed.encode()
            replace_secret_file(self.path, data)
            self.store, self._digest = changed, hashlib.sha256(data).digest()

    def _check_unchanged(self) -> None:
        data = read_secret_file(self.path).reveal()
        if hashlib.sha256(data).digest() != self._digest:
            raise ConfigError(
                "another process has changed the key store",
                reason="KEYSTORE_CHANGED",
                hint="Run the command again.",
            )


def read_secret_file(path: Path, limit: int = MAX_SECRET_BYTES) -> Secret:
    """Read a file that only its owner may read.

    Raises:
        ConfigError: KEYFILE_MODE, others may read or write it; KEYFILE_MISSING;
            KEYFILE_UNUSABLE, not a regular file, too long, or the system refuses.
    """
    with _explained(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            _check_status(path, os.fstat(descriptor))
            data = file.read(limit + 1)
    if len(data) > limit:
        raise _unusable(path, f"is longer than {limit} bytes")
    return Secret(data)


def create_secret_file(path: Path, data: bytes) -> None:
    """Write a new file with mode 0600, durable when this returns; a failure leaves none.

    Raises:
        ConfigError: KEYFILE_EXISTS, or KEYFILE_UNUSABLE.
    """
    with _explained(path):
        create_whole(path, data)


def replace_secret_file(path: Path, data: bytes) -> None:
    """Put new content under a path; after a crash the file is the old one or the new one.

    Raises:
        ConfigError: KEYFILE_UNUSABLE.
    """
    with _explained(path):
        write_whole(path, data)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with _explained(directory):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_status(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(path, "is not a regular file")
    if status.st_uid not in {os.geteuid(), 0}:
        raise _unusable(path, "belongs to another user")
    if status.st_mode & _OTHERS:
        raise ConfigError(
            f"{path} holds secrets, and others than its owner may use it",
            reason="KEYFILE_MODE",
            hint=f"chmod 600 {shlex.quote(str(path))}",
        )


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise ConfigError(
            f"{path} exists and is never overwritten",
            reason="KEYFILE_EXISTS",
            hint="Move the file away if you are sure that nothing needs it.",
        ) from error
    except FileNotFoundError as error:
        missing = path if path.parent.is_dir() else path.parent
        raise ConfigError(f"{missing} does not exist", reason="KEYFILE_MISSING") from error
    except OSError as error:
        raise _unusable(path, f"cannot be used: {error.strerror}") from error


def _unusable(path: Path, why: str) -> ConfigError:
    return ConfigError(f"{path} {why}", reason="KEYFILE_UNUSABLE")
