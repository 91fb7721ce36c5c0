"""Find libsodium, bind the few functions that this floor calls, and test them at load.

Order: the operator's path alone if one was set; else the newer of the system's library and
the copy inside the pyzmq wheel (a private file of that wheel, hence the vectors at load).
Every function takes integer addresses (``c_void_p``): a batch is one ``bytearray``, and a call
costs no conversion. ``ctypes.CDLL`` releases the interpreter lock during each call.
"""

import ctypes
import ctypes.util
import importlib.util
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keys.errors import LibraryError


class _Call(Protocol):
    def __call__(self, *addresses: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Library:
    """Hold libsodium's functions, bound to integer addresses; non-zero means refused."""

    version: str
    path: str
    hash_to_group: _Call
    multiply: _Call
    multiply_base: _Call
    multiply_coordinate: _Call
    add: _Call
    subtract: _Call
    is_valid: _Call
    scalar_add: _Call
    scalar_subtract: _Call
    scalar_multiply: _Call
    scalar_reduce: _Call
    scalar_random: _Call
    scalar_invert: _Call
    erase: _Call


_GROUP = "crypto_core_ristretto255_"
_FUNCTIONS: dict[str, tuple[str, int]] = {
    "hash_to_group": (_GROUP + "from_hash", 2),
    "multiply": ("crypto_scalarmult_ristretto255", 3),
    "multiply_base": ("crypto_scalarmult_ristretto255_base", 2),
    "multiply_coordinate": ("crypto_scalarmult_curve25519", 3),
    "add": (_GROUP + "add", 3),
    "subtract": (_GROUP + "sub", 3),
    "is_valid": (_GROUP + "is_valid_point", 1),
    "scalar_add": (_GROUP + "scalar_add", 3),
    "scalar_subtract": (_GROUP + "scalar_sub", 3),
    "scalar_multiply": (_GROUP + "scalar_mul", 3),
    "scalar_reduce": (_GROUP + "scalar_reduce", 2),
    "scalar_random": (_GROUP + "scalar_random", 1),
    "scalar_invert": (_GROUP + "scalar_invert", 2),
}

# RFC 9496 appendix A.1 (multiples of the generator), A.2 (a bad encoding), A.3 (one-way map).
_TWICE_GENERATOR = bytes.fromhex("6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919")
_GENERATOR = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
_BAD_ENCODING = bytes.fromhex("00" + "ff" * 31)
_MAP_INPUT = bytes.fromhex(
    "5d1be09e3d0c82fc538112490e35701979d99e06ca3e2b5b54bffe8b4dc772c1"
    "4d98b696a1bbfb5ca32c436cc61c16563790306c79eaca7705668b47dffe5bb6"
)
_MAP_OUTPUT = bytes.fromhex("3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46")

# RFC 7748 section 5.2, the first.
_COORDINATE = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
_COORDINATE_SCALAR = bytes.fromhex(
    "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"
)
_COORDINATE_MULTIPLIED = bytes.fromhex(
    "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
)

_lock = threading.Lock()
_operator_path: str | None = None
_loaded: Library | None = None


def set_library_path(path: str | None) -> None:
    """Use the libsodium at ``path`` and no other; None returns to the search.

    A worker process needs the same call before its first evaluation.
    """
    global _operator_path, _loaded
    with _lock:
        _operator_path = path
        _loaded = None


def library() -> Library:
    """Return the loaded library, loading and testing it on first use.

    Raises:
        LibraryError: No candidate loads and passes its vectors.
    """
    global _loaded
    if _loaded is not None:
        return _loaded
    with _lock:
        if _loaded is None:
            _loaded = _load_best()
        return _loaded


def loaded_library() -> Library | None:
    """Return the library if it is loaded already, without loading it."""
    return _loaded


def describe_library() -> str:
    """Say which libsodium is in use, for status pages and logs."""
    found = library()
    return f"libsodium {found.version} ({found.path})"


def _load_best() -> Library:
    if _operator_path is not None:
        return _load(_operator_path)
    usable: list[Library] = []
    refusals: list[str] = []
    for path in _candidate_paths():
        try:
            usable.append(_load(path))
        except LibraryError as error:
            refusals.append(str(error))
    if not usable:
        raise LibraryError("; ".join(refusals) or None)
    return max(usable, key=_version_numbers)


def _candidate_paths() -> Iterator[str]:
    if system := ctypes.util.find_library("sodium"):
        yield system
    wheel = importlib.util.find_spec("zmq")
    if wheel is None or wheel.origin is None:
        return
    package = Path(wheel.origin).parent
    for folder in (package.parent / "pyzmq.libs", package / ".dylibs"):
        yield from map(str, sorted(folder.glob("libsodium*")))


def _version_numbers(found: Library) -> tuple[int, ...]:
    return tuple(int(part) for part in found.version.split(".") if part.isdecimal())


def _load(path: str) -> Library:
    try:
        shared = ctypes.CDLL(path)
        if shared.sodium_init() < 0:
            raise LibraryError(f"{path} does not initialise")
        found = _bind(shared, path)
    except (OSError, AttributeError) as error:
        raise LibraryError(f"{path} is not a libsodium with ristretto255") from error
    _run_vectors(found)
    return found


def _bind(shared: ctypes.CDLL, path: str) -> Library:
    shared.sodium_version_string.restype = ctypes.c_char_p
    functions: dict[str, _Call] = {}
    for name, (symbol, count) in _FUNCTIONS.items():
        function = getattr(shared, symbol)
        function.argtypes = [ctypes.c_void_p] * count
        function.restype = ctypes.c_int
        functions[name] = function
    # libsodium declares these as void: their int result is noise and is never read.
    erase = shared.sodium_memzero
    erase.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    erase.restype = None
    return Library(
        version=shared.sodium_version_string().decode(), path=path, erase=erase, **functions
    )


def _run_vectors(found: Library) -> None:
    def call(function: _Call, *inputs: bytes) -> bytes | None:
        buffers = [bytearray(32), *(bytearray(value) for value in inputs)]
        return None if function(*map(address_of, buffers)) else bytes(buffers[0])

    two = b"\x02" + bytes(31)
    holds = (
        call(found.hash_to_group, _MAP_INPUT) == _MAP_OUTPUT
        and call(found.multiply, two, _GENERATOR) == _TWICE_GENERATOR
        and call(found.multiply_base, two) == _TWICE_GENERATOR
        and call(found.add, _GENERATOR, _GENERATOR) == _TWICE_GENERATOR
        and call(found.subtract, _TWICE_GENERATOR, _GENERATOR) == _GENERATOR
        and call(found.multiply, two, bytes(32)) is None
        and call(found.multiply, two, _BAD_ENCODING) is None
        and call(found.multiply_coordinate, _COORDINATE_SCALAR, _COORDINATE)
        == _COORDINATE_MULTIPLIED
        and call(found.multiply_coordinate, _COORDINATE_SCALAR, bytes(32)) is None
    )
    if not holds:
        raise LibraryError(f"{found.path} fails the vectors of RFC 9496 or RFC 7748")


def address_of(buffer: bytearray) -> int:
    """Return the address of a buffer, valid while the buffer lives and keeps its size."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
