"""Keep secret bytes out of sight: no repr, log line or error ever shows them."""

import hmac
from typing import NoReturn, Self

from keys.library import address_of, loaded_library

_SHOWN = "<secret>"


class Secret:
    """Hold secret bytes in a buffer that can be wiped.

    Pickling carries the bytes, because a share has to reach the worker process that uses it;
    never write a pickled Secret anywhere.
    """

    __slots__ = ("_buffer",)

    def __init__(self, value: bytes | bytearray) -> None:
        self._buffer = bytearray(value)

    @classmethod
    def adopt(cls, buffer: bytearray) -> Self:
        """Take over ``buffer`` without a copy; the caller must not touch it again."""
        secret = cls(b"")
        secret._buffer = buffer
        return secret

    def reveal(self) -> bytes:
        """Return a copy of the bytes, which nothing can wipe: keep it short-lived."""
        return bytes(self._buffer)

    def borrow(self) -> bytearray:
        """Return the buffer itself for a library call: neither keep, change nor print it."""
        return self._buffer

    def address(self) -> int:
        """Return the buffer's address for a library call, valid while this object lives."""
        return address_of(self._buffer)

    def wipe(self) -> None:
        """Overwrite the bytes with zeros; with libsodium's own erasure where it is loaded."""
        if not self._buffer:
            return
        if (sodium := loaded_library()) is not None:
            sodium.erase(self.address(), len(self._buffer))
        else:
            self._buffer[:] = bytes(len(self._buffer))

    def __del__(self) -> None:
        # Best effort: at interpreter exit the loader's globals may be gone already.
        buffer = getattr(self, "_buffer", None)
        if buffer:
            buffer[:] = bytes(len(buffer))

    def __len__(self) -> int:
        return len(self._buffer)

    def __bool__(self) -> bool:
        return bool(self._buffer)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._buffer, other._buffer)

    def __hash__(self) -> NoReturn:
        raise TypeError("a secret is not hashable: its hash would reveal it")

    def __repr__(self) -> str:
        return _SHOWN

    def __str__(self) -> str:
        return _SHOWN

    def __format__(self, specification: str) -> str:
        return _SHOWN

    def __reduce__(self) -> tuple[type["Secret"], tuple[bytes]]:
        return (Secret, (self.reveal(),))
