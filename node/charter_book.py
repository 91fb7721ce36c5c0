"""Keep the charter in force: from the home's file, from the operator, from peers that are ahead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from federation.charter import Charter, CharterError, parse_charter, verify_charter
from node.errors import ConfigError
from node.keyfile import replace_secret_file
from node.telemetry import describe_error, get_log

EARLIER = "charter-{}.note"  # what an old key ceremony was agreed under stays provable

Listener = Callable[[Charter], None]


class CharterBook:
    """The charter that this node follows, and the file it stands in.

    The file in the home was verified when it was installed; every later version is verified
    against the one before, whoever brings it.
    """

    def __init__(self, path: Path, admit: Listener = lambda _: None) -> None:
        """Read the file.

        Args:
            path: Where it stands.
            admit: Raises where this node cannot follow a charter; it then keeps the one before.

        Raises:
            ConfigError: CHARTER_MISSING, CHARTER_UNREADABLE, CHARTER_INVALID, or what ``admit``
                raises.
        """
        self._path = path
        self._admit = admit
        self._note, self._charter = _read(path)
        admit(self._charter)
        self._looked_at = self._note
        # A crash between two files may leave the version in force among the earlier ones.
        earlier = _read_earlier(path.parent)
        self._earlier = tuple(one for one in earlier if one.version < self._charter.version)
        self._listeners: list[Listener] = []

    @property
    def charter(self) -> Charter:
        """The charter in force."""
        return self._charter

    @property
    def versions(self) -> tuple[Charter, ...]:
        """The charter in force, then the versions before it that this node followed."""
        return (self._charter, *self._earlier)

    @property
    def note(self) -> bytes:
        """The signed note, as peers may have it."""
        return self._note

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` with every charter adopted from now on."""
        self._listeners.append(listener)

    def adopt(self, note: bytes) -> Charter:
        """Follow the next version.

        Returns:
            The charter in force afterwards; the same version again changes nothing.

        Raises:
            CharterError: It does not follow from the one in force.
            ConfigError: This node cannot follow it.
        """
        if parse_charter(note).charter.digest() == self.charter.digest():
            return self.charter
        charter = verify_charter(note, self.charter)
        self._admit(charter)
        self._keep_earlier()
        replace_secret_file(self._path, note)
        self._looked_at = note
        self._install(note, charter)
        return charter

    def reload(self) -> None:
        """Look at the file again; what does not follow from the charter in force is refused.

        Raises:
            ConfigError, CharterError: The file is not a version that may follow.
        """
        note = _read_file(self._path)
        if note == self._looked_at:
            return  # what almost every look finds; what was refused is not refused again
        self._looked_at = note
        if _parsed(note).digest() == self.charter.digest():
            return
        charter = verify_charter(note, self.charter)
        self._admit(charter)
        self._keep_earlier()
        self._install(note, charter)

    def _keep_earlier(self) -> None:
        replace_secret_file(self._path.parent / EARLIER.format(self._charter.version), self._note)

    def _install(self, note: bytes, charter: Charter) -> None:
        """Follow a charter that is on disk already; a listener that fails keeps none from it."""
        self._earlier = (self._charter, *self._earlier)
        self._note, self._charter = note, charter
        for listener in self._listeners:
            try:
                listener(charter)
            except Exception as error:
                get_log().error("charter.listener_failed", **describe_error(error))


def _read(path: Path) -> tuple[bytes, Charter]:
    note = _read_file(path)
    return note, _parsed(note)


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            "this home has no charter yet",
            reason="CHARTER_MISSING",
            hint="tocsin --home DIR charter adopt FILE",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"the charter cannot be read: {error.strerror}", reason="CHARTER_UNREADABLE"
        ) from error


def _parsed(note: bytes) -> Charter:
    try:
        return parse_charter(note).charter
    except CharterError as error:
        raise ConfigError(
            f"the charter in this home is not valid: {error}",
            reason="CHARTER_INVALID",
            hint="tocsin charter verify FILE",
        ) from error


def _read_earlier(directory: Path) -> tuple[Charter, ...]:
    notes = [_read(path)[1] for path in directory.glob(EARLIER.format("*"))]
    return tuple(sorted(notes, key=lambda charter: charter.version, reverse=True))
