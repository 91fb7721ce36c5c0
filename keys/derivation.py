"""Form what is hashed for an indicator, and split what comes out."""

from typing import Final, NamedTuple

from keys.errors import RequestError
from keys.oprf import MAXIMUM_INPUT_BYTES, OUTPUT_BYTES

TOKEN_BYTES: Final = 16  # a false match among 1e9 tokens and 1e10 look-ups: 3e-20
CONTENT_KEY_BYTES: Final = 32

_PREFIX: Final = b"TOCSIN1"
_BYTE: Final = 0xFF


class TokenKey(NamedTuple):
    """Hold the public token of an indicator and the secret key that opens its sealed details."""

    token: bytes
    content_key: bytes

    def __repr__(self) -> str:
        return f"TokenKey(token={self.token.hex()}, content_key=<secret>)"


def token_input(federation: str, kind_number: int, value: bytes) -> bytes:
    """Form the byte string that is tokenised; no two indicators share one.

    Raises:
        RequestError: A part is empty or does not fit its length or number field.

    Source: DESIGN §4.
    """
    name = federation.encode()
    if not 0 < len(name) <= _BYTE or not 0 < kind_number <= _BYTE or not value:
        raise RequestError("federation, kind or value does not fit a token's input")
    head = _PREFIX + bytes([len(name)]) + name + bytes([kind_number])
    if len(head) + 2 + len(value) > MAXIMUM_INPUT_BYTES:
        raise RequestError("a value is too long for a token's input")
    return head + len(value).to_bytes(2, "big") + value


def split_output(output: bytes) -> TokenKey:
    """Split the function's 64 bytes: token from 0, content key from 32; the rest is unused.

    Raises:
        RequestError: The output is not 64 bytes.
    """
    if len(output) != OUTPUT_BYTES:
        raise RequestError("the function's output is 64 bytes")
    return TokenKey(output[:TOKEN_BYTES], output[OUTPUT_BYTES - CONTENT_KEY_BYTES :])
