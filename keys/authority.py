"""Issue a member's certificates: its root, and short-lived TLS leaves under it.

Everything is ECDSA P-256 with SHA-256, because gRPC's TLS library takes no Ed25519 certificate.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keys.errors import CertificateError
from keys.identity import PeerIdentity, parse_authority, peer_identity, spiffe_id, verify_leaf
from keys.secret import Secret

__all__ = [
    "AUTHORITY_YEARS",
    "CLOCK_SKEW",
    "LEAF_LIFETIME",
    "Authority",
    "Leaf",
    "PeerIdentity",
    "peer_identity",
    "verify_leaf",
]

LEAF_LIFETIME = timedelta(hours=24)
"""Hours: a stolen leaf is soon worth nothing, and no revocation list is needed."""

CLOCK_SKEW = timedelta(minutes=5)
"""Minutes by which a new certificate is valid before now, for peers whose clock is behind."""

AUTHORITY_YEARS = 10
"""Years a root is valid: replacing it takes a new version of the charter."""

_DAYS_A_YEAR = 365.25
_COMMON_NAME_LENGTH = 64  # X.520 upper bound; the SAN carries the whole name


@dataclass(frozen=True, slots=True)
class Leaf:
    """A TLS certificate with its key, for one node of one member.

    Attributes:
        certificate_pem: The leaf alone.
        chain_pem: The leaf and the root, in the order that TLS servers want.
        key_pem: The private key, PKCS #8 without a passphrase.
        not_after: When peers stop accepting it; renew well before.
    """

    certificate_pem: bytes
    chain_pem: bytes
    key_pem: Secret
    not_after: datetime


class Authority:
    """A member's root: its certificate, and the key that issues leaves."""

    __slots__ = ("_certificate", "_key", "certificate_pem")

    certificate_pem: bytes

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key
        self.certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)

    def __repr__(self) -> str:
        return f"Authority({self._certificate.subject.rfc4514_string()})"

    @classmethod
    def create(
        cls, federation: str, member: str, now: datetime, years: int = AUTHORITY_YEARS
    ) -> "Authority":
        """Make a member's root with a new key.

        Raises:
            ValueError: A name cannot stand in a SPIFFE id, or ``now`` has no time zone.
        """
        spiffe_id(federation, member)  # both names must be able to stand in one
        _check_aware(now)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _common_name(f"{member} of {federation}")
        builder = (
            _builder(name, name, key.public_key(), key.public_key())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + timedelta(days=years * _DAYS_A_YEAR))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(issuing=True), critical=True)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: Secret) -> "Authority":
        """Bring back a root from what ``certificate_pem`` and ``key_pem`` gave.

        Raises:
            CertificateError: CERTIFICATE_INVALID; not a root, not a key, or not this root's key.
        """
        certificate = parse_authority(certificate_pem)
        try:
            key = serialization.load_pem_private_key(key_pem.reveal(), password=None)
        except (ValueError, TypeError) as error:
            raise CertificateError("the root's key is not readable") from error
        if (
            not isinstance(key, ec.EllipticCurvePrivateKey)
            or key.public_key() != certificate.public_key()
        ):
            raise CertificateError("the key is not the one of this root certificate")
        return cls(certificate, key)

    @property
    def key_pem(self) -> Secret:
        """The root's private key, PKCS #8 without a passphrase, for the key store."""
        return _private_pem(self._key)

    def issue_leaf(
        self,
        federation: str,
        member: str,
        now: datetime,
        lifetime: timedelta = LEAF_LIFETIME,
    ) -> Leaf:
        """Issue a TLS leaf with a new key, for both ends of a connection.

        Args:
            federation: Trust domain of the SPIFFE id.
            member: Path of the SPIFFE id; ``<member>.<federation>`` is the DNS name.
            now: Time of issue; the leaf is valid from ``CLOCK_SKEW`` before it.
            lifetime: From ``now`` on; cut off where the root ends.

        Raises:
            ValueError: A name cannot stand in a SPIFFE id, ``now`` has no time zone, or
                nothing is left of the lifetime.
        """
        _check_aware(now)
        not_after = min(now + lifetime, self._certificate.not_valid_after_utc)
        if not_after <= now:
            raise ValueError("a leaf that has ended already is of no use")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._leaf_builder(federation, member, key.public_key())
        certificate = (
            builder.not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(not_after)
            .sign(self._key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return Leaf(
            pem, pem + self.certificate_pem, _private_pem(key), certificate.not_valid_after_utc
        )

    def _leaf_builder(
        self, federation: str, member: str, public: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(spiffe_id(federation, member)),
            x509.DNSName(f"{member}.{federation}"),
        ]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        subject = _common_name(member)
        return (
            _builder(subject, self._certificate.subject, public, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(issuing=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer_public: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False
        )
    )


def _common_name(text: str) -> x509.Name:
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, text[:_COMMON_NAME_LENGTH])
    return x509.Name([attribute])


def _key_usage(*, issuing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not issuing,
        key_cert_sign=issuing,
        crl_sign=issuing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> Secret:
    return Secret(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _check_aware(now: datetime) -> None:
    if now.tzinfo is None:
        raise ValueError("the time of issue needs a time zone")
