"""Check addresses of public ledgers and name the ledger in front: ``btc:…``, ``eth:…``.

The checksums are verified except for Ethereum's: EIP-55 hides one in the case of the letters
and needs Keccak-256, which the standard library lacks (its SHA-3 pads differently). Such
addresses are lower-cased, so every spelling of one account gives one value, and a mistyped one
is not noticed.

Source: BIP 173, BIP 350, the Base58Check encoding of Bitcoin, EIP-55.
"""

import hashlib
import re

from federation.indicators.character import fold_width
from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind

LEDGER_ALIASES = {
    "bitcoin": "btc",
    "ethereum": "eth",
    "erc20": "eth",
    "trx": "tron",
    "trc20": "tron",
    "litecoin": "ltc",
    "dogecoin": "doge",
    "solana": "sol",
}
# First byte of a 21-byte Base58Check payload: pay to key, pay to script.
_VERSIONS = {"btc": b"\x00\x05", "ltc": b"\x30\x32", "doge": b"\x1e\x16", "tron": b"\x41"}
_SEGWIT_PREFIXES = {"btc": "bc1", "ltc": "ltc1"}
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CONSTANT = 1
_BECH32M_CONSTANT = 0x2BC830A3
_ETHEREUM = re.compile(r"0x[0-9a-f]{40}")
# BIP 173 allows 90 characters; no address of another ledger is longer.
_MAXIMUM_ADDRESS_CHARACTERS = 90


def canonical_crypto_address(text: str) -> str:
    """Return ``ledger:address`` for btc, ltc, doge, tron, eth or sol.

    Raises:
        IndicatorError: With a ``CRYPTO_ADDRESS_`` rule.
    """
    name, _, address = fold_width(text).partition(":")
    ledger = LEDGER_ALIASES.get(name.lower(), name.lower())
    if ledger not in (*_VERSIONS, "eth", "sol"):
        message = "must start with a known ledger and a colon"
        raise IndicatorError(Kind.CRYPTO_ADDRESS, "CRYPTO_ADDRESS_LEDGER", message)
    if len(address) > _MAXIMUM_ADDRESS_CHARACTERS:
        raise IndicatorError(Kind.CRYPTO_ADDRESS, "CRYPTO_ADDRESS_CHECK", "too long")
    value = _canonical_address(ledger, address)
    if value is None:
        message = "no address of the ledger, or a wrong checksum"
        raise IndicatorError(Kind.CRYPTO_ADDRESS, "CRYPTO_ADDRESS_CHECK", message)
    return f"{ledger}:{value}"


def _canonical_address(ledger: str, address: str) -> str | None:
    lower = address.lower()
    if ledger == "eth":
        return lower if _ETHEREUM.fullmatch(lower) else None
    if ledger == "sol":
        # A bare Ed25519 key: its encoding has no checksum.
        return address if len(_decode_base58(address)) == 32 else None
    prefix = _SEGWIT_PREFIXES.get(ledger)
    if prefix is not None and lower.startswith(prefix):
        one_case = address in (lower, address.upper())
        return lower if one_case and _is_segwit(lower, prefix) else None
    return address if _is_base58check(address, _VERSIONS[ledger]) else None


def _decode_base58(text: str) -> bytes:
    """Return the bytes, or none for text outside the alphabet."""
    number = 0
    for char in text:
        digit = _BASE58.find(char)
        if digit < 0:
            return b""
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _is_base58check(address: str, versions: bytes) -> bool:
    data = _decode_base58(address)
    if len(data) != 25 or data[0] not in versions:
        return False
    return hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]


def _is_segwit(address: str, prefix: str) -> bool:
    """Check a witness address. Source: BIP 173 and BIP 350."""
    digits = [_BECH32.find(char) for char in address.removeprefix(prefix)]
    if len(digits) < 8 or min(digits) < 0 or digits[0] > 16:
        return False
    constant = _BECH32_CONSTANT if digits[0] == 0 else _BECH32M_CONSTANT
    if _bech32_remainder(prefix[:-1], digits) != constant:
        return False
    length, spare = divmod(5 * (len(digits) - 7), 8)
    if spare >= 5 or digits[-7] & ((1 << spare) - 1):
        return False
    return length in (20, 32) if digits[0] == 0 else 2 <= length <= 40


def _bech32_remainder(prefix: str, digits: list[int]) -> int:
    expanded = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    remainder = 1
    for value in expanded + digits:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATORS):
            remainder ^= generator if top >> bit & 1 else 0
    return remainder
