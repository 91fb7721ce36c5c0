"""Pack evidence for the police, and read a package with every file held against its manifest.

A package is JSON: the manifest as text, and the files. The manifest names the clue, its objects and
each file's SHA-256; its own digest stands in the log, so that nobody can say later that something
else was handed over. The package is sealed to the receiver for this clue of this member alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from federation.errors import PolicyError
from federation.names import FederationName, MemberId
from federation.statements.clues import MAX_PACKAGE_BYTES, MAX_SUBJECTS
from keys.errors import SealError
from keys.sealing import MEMBER_OVERHEAD_BYTES, SealingKey, seal_to_member

CONTEXT: Final = b"tocsin/clue-package/v1\0"
MAX_FILES: Final = MAX_SUBJECTS
"""Files in a package: one for each object."""
MAX_FILE_BYTES: Final = 262_144
"""Bytes of all files: as text a third more, and a statement still fits."""
MAX_NAME_CHARACTERS: Final = 100
"""Characters of a file's name: less than any file system allows."""


class PackageError(PolicyError):
    """A package cannot be made or read.

    ``reason`` is PACKAGE_TOO_LARGE, FILE_NAME_INVALID, PACKAGE_CLOSED or PACKAGE_INVALID.
    """

    reason = "PACKAGE_INVALID"
    public = "The package is not well formed."


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file of evidence."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Package:
    """What the police find when they open a package; ``manifest`` is JSON."""

    manifest: str
    files: tuple[EvidenceFile, ...]

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of the manifest, 32 bytes."""
        return hashlib.sha256(self.manifest.encode()).digest()


def make_package(facts: dict[str, Any], files: Sequence[EvidenceFile]) -> Package:
    """Write the manifest over facts and files.

    Args:
        facts: What JSON can hold: clue, objects, edges, references, remarks.
        files: Each with a name of its own.

    Raises:
        PackageError: PACKAGE_TOO_LARGE or FILE_NAME_INVALID.
    """
    if len(files) > MAX_FILES or sum(len(one.data) for one in files) > MAX_FILE_BYTES:
        message = f"a package has at most {MAX_FILES} files and {MAX_FILE_BYTES:,} bytes"
        raise PackageError(message, reason="PACKAGE_TOO_LARGE")
    if len({one.name for one in files}) != len(files) or not all(_is_name(f.name) for f in files):
        raise PackageError(
            "every file has a name of its own, without a folder", reason="FILE_NAME_INVALID"
        )
    listed = [
        {"name": one.name, "bytes": len(one.data), "sha256": hashlib.sha256(one.data).hexdigest()}
        for one in files
    ]
    manifest = json.dumps({**facts, "files": listed}, ensure_ascii=False, sort_keys=True, indent=2)
    return Package(manifest, tuple(files))


def seal_package(package: Package, public: bytes, context: bytes) -> bytes:
    """Seal a package to the receiver's key.

    Raises:
        PackageError: PACKAGE_TOO_LARGE, or PACKAGE_INVALID where the key is not usable.
    """
    files = {one.name: base64.b64encode(one.data).decode() for one in package.files}
    plain = json.dumps({"manifest": package.manifest, "files": files}, ensure_ascii=False).encode()
    if len(plain) + MEMBER_OVERHEAD_BYTES > MAX_PACKAGE_BYTES:
        raise PackageError("the package is too large", reason="PACKAGE_TOO_LARGE")
    try:
        return seal_to_member(public, plain, context)
    except SealError as error:
        raise PackageError("nothing can be sealed to the receiver") from error


def open_package(sealed: bytes, key: SealingKey, context: bytes, digest: bytes) -> Package:
    """Open a package and hold it against the digest that stands in the log.

    Raises:
        PackageError: PACKAGE_CLOSED, it is sealed to another key or for another clue;
            PACKAGE_INVALID, what is in it is not what was said.
    """
    try:
        plain = key.open(sealed, context)
    except SealError as error:
        raise PackageError(
            "the package does not open with this member's key", reason="PACKAGE_CLOSED"
        ) from error
    try:
        package = _read(json.loads(plain))
        listed = {one["name"]: one["sha256"] for one in json.loads(package.manifest)["files"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PackageError("the package cannot be read") from error
    found = {one.name: hashlib.sha256(one.data).hexdigest() for one in package.files}
    if package.digest != digest or found != listed or not all(map(_is_name, found)):
        raise PackageError("the package is not the one that was announced")
    return package


def package_context(
    federation: FederationName, opener: MemberId, receiver: MemberId, clue_id: bytes
) -> bytes:
    """Return what a package is bound to."""
    names = "\0".join((federation, opener, receiver)).encode()
    return CONTEXT + names + b"\0" + clue_id


def _read(document: Any) -> Package:
    files = tuple(
        EvidenceFile(str(name), base64.b64decode(text, validate=True))
        for name, text in document["files"].items()
    )
    return Package(str(document["manifest"]), files)


def _is_name(name: str) -> bool:
    """Say whether a name is one that can be written into a folder, and nowhere else."""
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    return plain and 0 < len(name) <= MAX_NAME_CHARACTERS and not name.startswith(".")
