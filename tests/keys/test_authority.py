"""Roots, leaves, and each way in which a certificate is not acceptable."""

import contextlib
import shutil
import ssl
import subprocess
import warnings
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from keys.authority import LEAF_LIFETIME, Authority, peer_identity, verify_leaf
from keys.errors import CertificateError
from keys.identity import fingerprint, parse_authority, spiffe_id
from keys.secret import Secret

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
FEDERATION = "night.example"
BANK = Authority.create(FEDERATION, "bank-a", NOW)
CARRIER = Authority.create(FEDERATION, "carrier-b", NOW)
LEAF = BANK.issue_leaf(FEDERATION, "bank-a", NOW)
LEAF_SERIAL = x509.load_pem_x509_certificate(LEAF.certificate_pem).serial_number
DER = ssl.PEM_cert_to_DER_cert(LEAF.certificate_pem.decode())


def verify(certificate=LEAF.certificate_pem, authority=BANK, member="bank-a", now=NOW):
    verify_leaf(certificate, authority.certificate_pem, FEDERATION, member, now)


def reason_of(**arguments):
    with pytest.raises(CertificateError) as caught:
        verify(**arguments)
    return caught.value.reason


@pytest.mark.parametrize("certificate", [LEAF.certificate_pem, LEAF.chain_pem, DER])
def test_a_leaf_of_the_members_own_root_is_accepted(certificate):
    verify(certificate)


def test_a_certificate_says_who_it_is_for_and_until_when():
    identity = peer_identity(LEAF.chain_pem)

    assert (identity.federation, identity.member) == (FEDERATION, "bank-a")
    assert NOW - timedelta(minutes=5) == identity.not_before
    assert NOW + LEAF_LIFETIME == identity.not_after == LEAF.not_after
    assert fingerprint(DER) == identity.fingerprint_sha256
    assert peer_identity(DER) == identity


def test_a_root_comes_back_from_its_pem_and_issues_leaves():
    again = Authority.load(BANK.certificate_pem, BANK.key_pem)

    verify(again.issue_leaf(FEDERATION, "bank-a", NOW).certificate_pem)


def test_a_root_does_not_load_with_another_roots_key():
    with pytest.raises(CertificateError):
        Authority.load(BANK.certificate_pem, CARRIER.key_pem)
    with pytest.raises(CertificateError):
        Authority.load(LEAF.certificate_pem, LEAF.key_pem)
    with pytest.raises(CertificateError):
        Authority.load(BANK.certificate_pem, Secret(b"no key"))


def test_a_root_is_an_authority_for_leaves_only_and_names_its_member():
    root = parse_authority(BANK.certificate_pem)
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)

    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    assert root.subject.rfc4514_string() == "CN=bank-a of night.example"


def test_a_leaf_of_another_members_root_is_a_mismatch_though_it_claims_the_name():
    forged = CARRIER.issue_leaf(FEDERATION, "bank-a", NOW)

    assert reason_of(certificate=forged.certificate_pem) == "AUTHORITY_MISMATCH"


def test_a_root_with_the_same_name_and_another_key_is_a_mismatch():
    impostor = Authority.create(FEDERATION, "bank-a", NOW)
    forged = impostor.issue_leaf(FEDERATION, "bank-a", NOW)

    assert reason_of(certificate=forged.certificate_pem) == "AUTHORITY_MISMATCH"


@pytest.mark.parametrize(
    ("federation", "member"), [(FEDERATION, "carrier-b"), ("day.example", "bank-a")]
)
def test_a_leaf_for_somebody_else_is_an_identity_mismatch(federation, member):
    leaf = BANK.issue_leaf(federation, member, NOW)

    assert reason_of(certificate=leaf.certificate_pem) == "IDENTITY_MISMATCH"


def test_validity_is_exact_at_both_ends():
    first, last = NOW - timedelta(minutes=5), NOW + LEAF_LIFETIME
    second = timedelta(seconds=1)
    verify(now=first)
    verify(now=last)

    assert reason_of(now=first - second) == "CERTIFICATE_NOT_YET_VALID"
    assert reason_of(now=last + second) == "CERTIFICATE_EXPIRED"


def test_a_leaf_ends_with_its_root():
    leaf = BANK.issue_leaf(FEDERATION, "bank-a", NOW, timedelta(days=100_000))

    assert leaf.not_after < NOW + timedelta(days=3_653)
    assert (
        reason_of(certificate=leaf.certificate_pem, now=leaf.not_after + timedelta(seconds=1))
        == "CERTIFICATE_EXPIRED"
    )


def test_a_root_itself_is_no_leaf():
    assert reason_of(certificate=BANK.certificate_pem) == "CERTIFICATE_INVALID"


def test_a_leaf_cannot_stand_in_for_a_root():
    with pytest.raises(CertificateError) as caught:
        verify_leaf(LEAF.certificate_pem, LEAF.certificate_pem, FEDERATION, "bank-a", NOW)
    assert caught.value.reason == "CERTIFICATE_INVALID"


def forge(uris, *, ca=False, usages=("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"), key=None):
    key = key or ec.generate_private_key(ec.SECP256R1())
    names = [x509.UniformResourceIdentifier(uri) for uri in uris] or [x509.DNSName("x.example")]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(BANK._certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + LEAF_LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(map(x509.ObjectIdentifier, usages)), critical=False)
        .add_extension(
            BANK._certificate.extensions.get_extension_for_class(x509.KeyUsage).value
            if ca
            else x509.KeyUsage(True, *[False] * 8),
            critical=True,
        )
    )
    return builder.sign(BANK._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


OWN = "spiffe://night.example/bank-a"


def test_the_forged_certificates_below_differ_from_a_good_one_in_one_thing():
    verify(forge([OWN]))


@pytest.mark.parametrize(
    "certificate",
    [
        forge([]),
        forge([OWN, "spiffe://night.example/carrier-b"]),
        forge([OWN + "/node-1"]),
        forge([OWN + "?x=1"]),
        forge(["spiffe://bank-a@night.example/bank-a"]),
        forge(["spiffe://night.example:443/bank-a"]),
        forge(["SPIFFE://night.example/bank-a"]),
        forge(["https://night.example/bank-a"]),
        forge(["spiffe://night.example/Bank-A"]),
        forge([OWN], ca=True),
        forge([OWN], usages=["1.3.6.1.5.5.7.3.1"]),
        forge([OWN], key=ec.generate_private_key(ec.SECP384R1())),
        forge([OWN], key=ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=[
        "no SPIFFE id",
        "two",
        "longer path",
        "query",
        "user",
        "port",
        "upper-case scheme",
        "https",
        "upper-case member",
        "authority",
        "server only",
        "P-384",
        "Ed25519",
    ],
)
def test_a_certificate_out_of_profile_is_invalid_though_the_root_signed_it(certificate):
    assert reason_of(certificate=certificate) == "CERTIFICATE_INVALID"


def test_a_changed_signature_is_an_authority_mismatch():
    damaged = DER[:-1] + bytes([DER[-1] ^ 1])

    assert reason_of(certificate=damaged) == "AUTHORITY_MISMATCH"


@given(st.binary(max_size=400))
def test_reading_an_identity_is_total(data):
    for prefix in (b"", b"-----BEGIN CERTIFICATE-----\n"):
        with pytest.raises(CertificateError):
            peer_identity(prefix + data)


@given(st.data())
def test_reading_a_damaged_certificate_is_total(data):
    raw = bytearray(DER)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    certificate = bytes(raw[: data.draw(st.integers(len(raw) - 4, len(raw)))])

    for check in (
        lambda: peer_identity(certificate),
        lambda: verify(certificate),
        lambda: verify_leaf(DER, certificate, FEDERATION, "bank-a", NOW),
    ):
        with contextlib.suppress(CertificateError):
            check()


@pytest.mark.parametrize("sign", ["ignore", "error"])
@pytest.mark.parametrize("first", [b"\x00", b"\x80"])
def test_a_serial_number_that_is_not_positive_is_refused_also_where_warnings_are_none(first, sign):
    serial = LEAF_SERIAL.to_bytes(20, "big")
    shown = DER.replace(serial, first + (bytes(19) if first == b"\x00" else serial[1:]), 1)

    with warnings.catch_warnings():
        warnings.simplefilter(sign)
        with pytest.raises(CertificateError, match=r"serial|not a cert"):
            peer_identity(shown)


def test_an_endless_certificate_is_refused_unread():
    with pytest.raises(CertificateError):
        peer_identity(LEAF.certificate_pem * 100)


@pytest.mark.parametrize("name", ["", "Bank", "a/b", "a b", "-a", "ü", "a" * 64, "a.b"])
def test_a_member_name_that_cannot_stand_in_an_id_is_refused(name):
    with pytest.raises(ValueError, match="letters"):
        spiffe_id(FEDERATION, name)
    with pytest.raises(ValueError, match="letters"):
        Authority.create(FEDERATION, name, NOW)
    with pytest.raises(ValueError, match="letters"):
        BANK.issue_leaf(FEDERATION, name, NOW)


def test_long_names_fit_although_a_common_name_has_64_characters():
    federation, member = "f" * 100, "m" * 63
    authority = Authority.create(federation, member, NOW)
    leaf = authority.issue_leaf(federation, member, NOW)

    verify_leaf(leaf.certificate_pem, authority.certificate_pem, federation, member, NOW)


def test_a_time_without_zone_is_a_mistake_of_the_caller():
    naive = NOW.replace(tzinfo=None)
    for call in (
        lambda: Authority.create(FEDERATION, "bank-a", naive),
        lambda: BANK.issue_leaf(FEDERATION, "bank-a", naive),
        lambda: verify(now=naive),
    ):
        with pytest.raises(ValueError, match="zone"):
            call()


def test_a_leaf_that_would_have_ended_is_not_issued():
    with pytest.raises(ValueError, match="ended"):
        BANK.issue_leaf(FEDERATION, "bank-a", NOW, timedelta(0))


def test_no_key_is_shown():
    shown = repr(BANK) + repr(LEAF)

    assert "PRIVATE" not in shown
    assert "<secret>" in shown


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_openssl_accepts_the_chain_for_both_ends_and_only_under_its_root(tmp_path):
    now = datetime.now(UTC)
    authority = Authority.create(FEDERATION, "bank-a", now)
    leaf = authority.issue_leaf(FEDERATION, "bank-a", now)
    (tmp_path / "leaf").write_bytes(leaf.certificate_pem)
    (tmp_path / "root").write_bytes(authority.certificate_pem)
    (tmp_path / "other").write_bytes(CARRIER.certificate_pem)

    def openssl(root, purpose):
        command = ["openssl", "verify", "-x509_strict", "-purpose", purpose]
        command += ["-verify_hostname", "bank-a.night.example", "-CAfile", root, "leaf"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode

    assert [openssl("root", "sslserver"), openssl("root", "sslclient")] == [0, 0]
    assert openssl("other", "sslserver") != 0


def context_of(purpose, tmp_path, name, leaf, roots):
    context = ssl.SSLContext(purpose)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
    certificate.write_bytes(leaf.chain_pem)
    key.write_bytes(leaf.key_pem.reveal())
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=b"".join(roots).decode())
    return context


def handshake(client_context, server_context, hostname):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=hostname)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    pending = [client, server]
    for _ in range(10):
        for end in list(pending):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            pending.remove(end)
        if not pending:
            return client, server
    raise AssertionError("the handshake does not end")


def test_two_members_shake_hands_and_each_learns_who_the_other_is(tmp_path):
    now = datetime.now(UTC)
    bank, carrier = (Authority.create(FEDERATION, name, now) for name in ("bank-a", "carrier-b"))
    roots = [bank.certificate_pem, carrier.certificate_pem]
    bank_leaf = bank.issue_leaf(FEDERATION, "bank-a", now)
    carrier_leaf = carrier.issue_leaf(FEDERATION, "carrier-b", now)
    client, server = handshake(
        context_of(ssl.PROTOCOL_TLS_CLIENT, tmp_path, "client", bank_leaf, roots),
        context_of(ssl.PROTOCOL_TLS_SERVER, tmp_path, "server", carrier_leaf, roots),
        "carrier-b.night.example",
    )
    seen_by_client, seen_by_server = client.getpeercert(True), server.getpeercert(True)
    verify_leaf(seen_by_client, carrier.certificate_pem, FEDERATION, "carrier-b", now)
    verify_leaf(seen_by_server, bank.certificate_pem, FEDERATION, "bank-a", now)

    assert [peer_identity(seen).member for seen in (seen_by_client, seen_by_server)] == [
        "carrier-b",
        "bank-a",
    ]


def test_tls_alone_lets_one_member_pose_as_another_and_verify_leaf_does_not(tmp_path):
    now = datetime.now(UTC)
    bank, carrier = (Authority.create(FEDERATION, name, now) for name in ("bank-a", "carrier-b"))
    roots = [bank.certificate_pem, carrier.certificate_pem]
    posing = carrier.issue_leaf(FEDERATION, "bank-a", now)
    own = carrier.issue_leaf(FEDERATION, "carrier-b", now)
    _, server = handshake(
        context_of(ssl.PROTOCOL_TLS_CLIENT, tmp_path, "client", posing, roots),
        context_of(ssl.PROTOCOL_TLS_SERVER, tmp_path, "server", own, roots),
        "carrier-b.night.example",
    )

    with pytest.raises(CertificateError) as caught:
        verify_leaf(server.getpeercert(True), bank.certificate_pem, FEDERATION, "bank-a", now)
    assert caught.value.reason == "AUTHORITY_MISMATCH"
