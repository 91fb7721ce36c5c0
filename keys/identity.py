"""Read who a TLS certificate speaks for, and check that its issuer may say so.

A peer is who its SPIFFE id says *and* whose chain ends in that member's own root, not just in
any root of the charter. TLS libraries check only the second half, against all roots together, so
``verify_leaf`` decides after the handshake; its reasons tell the operators who has to do what.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from keys.errors import CertificateError

MAX_CERTIFICATE_BYTES = 16_384
"""Bytes: a chain of ours takes under 2 kB, and a peer chooses what it sends."""

_PEM_START = b"-----BEGIN CERTIFICATE-----"
_FEDERATION = r"[a-z0-9](?:[a-z0-9.-]{0,126}[a-z0-9])?"
_MEMBER = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SPIFFE_ID = re.compile(rf"spiffe://({_FEDERATION})/({_MEMBER})")
_USAGES = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})
_ExtensionType = TypeVar("_ExtensionType", bound=x509.ExtensionType)

# What the X.509 parser raises over arbitrary bytes; it parses extensions only when asked.
_PARSER_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    CryptographyDeprecationWarning,  # of a serial number not positive, where warnings are errors
)


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who a certificate says it is for; a claim until ``verify_leaf`` has passed.

    Attributes:
        federation: Trust domain of the SPIFFE id.
        member: Path of the SPIFFE id.
        not_before: First second of validity, UTC.
        not_after: Last second of validity, UTC.
        fingerprint_sha256: Of the DER bytes, 64 lower-case hexadecimal digits.
    """

    federation: str
    member: str
    not_before: datetime
    not_after: datetime
    fingerprint_sha256: str


def spiffe_id(federation: str, member: str) -> str:
    """Write the id under which a member appears in certificates.

    Raises:
        ValueError: A name has other characters than a DNS name in lower case.
    """
    text = f"spiffe://{federation}/{member}"
    if _SPIFFE_ID.fullmatch(text) is None:
        raise ValueError("federation and member are lower-case letters, digits and hyphens")
    return text


def peer_identity(certificate: bytes) -> PeerIdentity:
    """Read a certificate's claim, from PEM (the first of a chain) or DER, whatever the bytes.

    Raises:
        CertificateError: CERTIFICATE_INVALID; not a certificate, or not with exactly one SPIFFE id.

    Source: SPIFFE X509-SVID sections 2 and 5.
    """
    return _identity(_parse(certificate))


def verify_leaf(
    certificate: bytes, authority_pem: bytes, federation: str, member: str, now: datetime
) -> None:
    """Check that a certificate is this member's, issued by this member's own root, and in time.

    Args:
        certificate: PEM (the first of a chain) or DER, as the peer sent it.
        authority_pem: The root that the charter gives for the member, PEM or DER.
        federation: Expected trust domain.
        member: Expected member.
        now: With time zone.

    Raises:
        CertificateError: AUTHORITY_MISMATCH, not signed by this root; IDENTITY_MISMATCH, signed for
            somebody else; CERTIFICATE_NOT_YET_VALID or CERTIFICATE_EXPIRED, the leaf or the root;
            CERTIFICATE_INVALID, anything else. The first of these that applies.
        ValueError: ``now`` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("the time of a check needs a time zone")
    leaf, authority = _parse(certificate), parse_authority(authority_pem)
    _check_issuer(leaf, authority)
    identity = _identity(leaf)
    if (identity.federation, identity.member) != (federation, member):
        raise CertificateError("the certificate is for another member", reason="IDENTITY_MISMATCH")
    _check_time(leaf, now, "the certificate")
    _check_time(authority, now, "the member's root certificate")
    _check_leaf_profile(leaf)


def fingerprint(certificate: bytes) -> str:
    """Give the SHA-256 of a certificate's DER bytes in hexadecimal, to compare out of band.

    Raises:
        CertificateError: CERTIFICATE_INVALID; not a certificate.
    """
    return _fingerprint(_parse(certificate))


def parse_authority(certificate: bytes) -> x509.Certificate:
    """Read a root certificate: P-256, marked as an authority, allowed to sign certificates.

    Raises:
        CertificateError: CERTIFICATE_INVALID.
    """
    authority = _parse(certificate)
    constraints = _extension(authority, x509.BasicConstraints)
    usage = _extension(authority, x509.KeyUsage)
    if not constraints.ca or not usage.key_cert_sign:
        raise CertificateError("the root certificate is not marked as an authority")
    _check_curve(authority)
    return authority


def _parse(data: bytes) -> x509.Certificate:
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise CertificateError("the certificate is too long")
    is_pem = data.lstrip().startswith(_PEM_START)
    load = x509.load_pem_x509_certificate if is_pem else x509.load_der_x509_certificate
    try:
        certificate = load(data)
    except _PARSER_ERRORS as error:
        raise CertificateError("the bytes are not a certificate") from error
    if certificate.serial_number <= 0:  # RFC 5280, section 4.1.2.2
        raise CertificateError("the certificate's serial number is not positive")
    return certificate


def _identity(certificate: x509.Certificate) -> PeerIdentity:
    names = _extension(certificate, x509.SubjectAlternativeName)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    match = _SPIFFE_ID.fullmatch(uris[0]) if len(uris) == 1 else None
    if match is None:
        raise CertificateError("the certificate does not name one member by its SPIFFE id")
    try:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except _PARSER_ERRORS as error:
        raise CertificateError("the certificate's validity is not readable") from error
    return PeerIdentity(match[1], match[2], start, end, _fingerprint(certificate))


def _fingerprint(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _extension(certificate: x509.Certificate, kind: type[_ExtensionType]) -> _ExtensionType:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except _PARSER_ERRORS as error:
        raise CertificateError("the certificate lacks an extension it needs") from error


def _check_issuer(leaf: x509.Certificate, authority: x509.Certificate) -> None:
    try:
        if leaf.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
            raise CertificateError("the certificate is not signed with ECDSA and SHA-256")
        leaf.verify_directly_issued_by(authority)
    except (InvalidSignature, *_PARSER_ERRORS) as error:
        raise CertificateError(
            "the certificate was not issued by this member's root", reason="AUTHORITY_MISMATCH"
        ) from error


def _check_time(certificate: x509.Certificate, now: datetime, which: str) -> None:
    try:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except _PARSER_ERRORS as error:
        raise CertificateError("the certificate's validity is not readable") from error
    if now < start:
        raise CertificateError(
            f"{which} is not valid yet",
            reason="CERTIFICATE_NOT_YET_VALID",
            hint="Compare the clocks of both nodes.",
        )
    if now > end:
        raise CertificateError(f"{which} has expired", reason="CERTIFICATE_EXPIRED")


def _check_leaf_profile(leaf: x509.Certificate) -> None:
    if _extension(leaf, x509.BasicConstraints).ca:
        raise CertificateError("an authority's certificate cannot serve as a leaf")
    if not _USAGES.issubset(_extension(leaf, x509.ExtendedKeyUsage)):
        raise CertificateError("the certificate is not for both ends of a TLS connection")
    if not _extension(leaf, x509.KeyUsage).digital_signature:
        raise CertificateError("the certificate's key may not sign a handshake")
    _check_curve(leaf)


def _check_curve(certificate: x509.Certificate) -> None:
    try:
        key = certificate.public_key()
    except _PARSER_ERRORS as error:
        raise CertificateError("the certificate's key is not readable") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateError("the certificate's key is not of curve P-256")
