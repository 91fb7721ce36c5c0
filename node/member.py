"""Make a member's home, and open the keys in it.

A home is made once and never overwritten: the key file, the settings and, last of all, the card,
whose presence says that the home is complete.

    create_member(home, applicant, passphrase, datetime.now(UTC))
    keys = MemberKeys.open(home, passphrase)
    keys.signing.sign("checkpoint", message)
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from federation.charter import Card, Member, encode_card, parse_card
from federation.errors import FederationError
from federation.names import FederationName, MemberId
from federation.roles import Role
from keys.authority import Authority
from keys.errors import CertificateError, KeyStoreError
from keys.keystore import DEFAULT_COST, Cost
from keys.sealing import SealingKey
from keys.secret import Secret
from keys.signing import SigningKey
from node.config import SETTINGS, Value, encode_config
from node.errors import ConfigError
from node.home import Home
from node.keyfile import KeyFile
from node.whole_file import PUBLIC_MODE, create_whole

SIGNING_ENTRY = "signing"
SEALING_ENTRY = "sealing"
AUTHORITY_ENTRY = "authority"

_DIRECTORY_MODE = 0o700  # the socket directory below it is reached by the owner alone


@dataclass(frozen=True, slots=True)
class Applicant:
    """What an organisation says of itself before it has keys.

    Attributes:
        federation: The federation it wants to be in.
        member: Its name there.
        roles: One or more.
        address: Where its node will listen, ``host:port``.
        region: GB/T 2260, six digits.
        settings: Rows of node.toml that differ from the defaults.
    """

    federation: FederationName
    member: MemberId
    roles: frozenset[Role]
    address: str
    region: str = "000000"
    settings: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MemberKeys:
    """A member's own keys, open; shares of the federation's keys lie in ``keyfile``."""

    card: Card
    signing: SigningKey = field(repr=False)
    sealing: SealingKey = field(repr=False)
    authority: Authority = field(repr=False)
    keyfile: KeyFile = field(repr=False)

    @classmethod
    def open(cls, home: Home, passphrase: Secret) -> MemberKeys:
        """Open the keys of a home and hold them against its card.

        Raises:
            ConfigError: NOT_INITIALISED, CARD_INVALID, what ``KeyFile.open`` raises, or
                MEMBER_KEYS_MISMATCH, the key file is another member's.
        """
        card = load_card(home)
        keyfile = KeyFile.open(home.keys, passphrase)
        try:
            keys = cls(
                card,
                SigningKey.from_seed(keyfile.store.get(SIGNING_ENTRY)),
                SealingKey.from_secret(keyfile.store.get(SEALING_ENTRY)),
                Authority.load(card.member.authority, keyfile.store.get(AUTHORITY_ENTRY)),
                keyfile,
            )
        except (KeyStoreError, CertificateError) as error:
            raise _mismatch(home) from error
        keys._check(home)
        return keys

    def _check(self, home: Home) -> None:
        store, member = self.keyfile.store, self.card.member
        named = (store.federation, store.member) == (self.card.federation, member.member)
        public = (self.signing.public, self.sealing.public)
        if not named or public != (member.signing_key, member.sealing_key):
            raise _mismatch(home)


def load_card(home: Home) -> Card:
    """Read the card of a home.

    Raises:
        ConfigError: NOT_INITIALISED or CARD_INVALID.
    """
    home.require()
    try:
        return parse_card(home.card.read_bytes())
    except (OSError, FederationError) as error:
        raise ConfigError(
            f"{home.card} is not a member card: {error}",
            reason="CARD_INVALID",
            hint="restore the home directory from its backup",
        ) from error


def create_member(
    home: Home,
    applicant: Applicant,
    passphrase: Secret,
    now: datetime,
    cost: Cost = DEFAULT_COST,
) -> Member:
    """Make keys, a certificate authority, settings and a card in a new home.

    Args:
        home: A directory without a member; made if it does not exist.
        applicant: Whose home it is.
        passphrase: Locks the key file.
        now: From when the authority is valid, with a time zone.
        cost: What one guess at the passphrase costs.

    Returns:
        What the card says.

    Raises:
        ConfigError: HOME_EXISTS, there is a member or a part of one; HOME_UNUSABLE, the
            directory cannot be written; CONFIG_INVALID, a setting is not one.
        CharterError: CHARTER_INVALID, what the applicant says cannot stand in a charter.
    """
    check_absent(home)
    settings = encode_settings(applicant.settings)
    signing, sealing = SigningKey.generate(), SealingKey.generate()
    authority = Authority.create(applicant.federation, applicant.member, now)
    member = Member(
        member=applicant.member,
        roles=applicant.roles,
        address=applicant.address,
        authority=authority.certificate_pem,
        signing_key=signing.public,
        sealing_key=sealing.public,
        region=applicant.region,
    )
    secrets = {
        SIGNING_ENTRY: signing.seed(),
        SEALING_ENTRY: sealing.secret(),
        AUTHORITY_ENTRY: authority.key_pem,
    }
    _make_directory(home.root)
    with contextlib.ExitStack() as made:
        _write_keys(made, home, applicant, passphrase, secrets, cost)
        _write_new(made, home.config, settings.encode())
        _write_new(made, home.card, encode_card(member, applicant.federation))
        made.pop_all()  # nothing is to be undone any more
    return member


def encode_settings(values: Mapping[str, Value]) -> str:
    """Write a node.toml that shows every setting, those at their defaults as comments.

    Raises:
        ConfigError: CONFIG_INVALID.
    """
    encode_config(dict(values))  # refuses unknown names
    lines = []
    for setting in SETTINGS:
        value = values.get(setting.name, setting.default)
        mark = "" if setting.name in values else "# "
        lines.append(f"# {setting.sentence} ({setting.unit})\n")
        lines.append(f"{mark}{encode_config({setting.name: value})}\n")
    return "".join(lines)


def check_absent(home: Home) -> None:
    """Make sure that there is no member in a home, nor a part of one.

    Raises:
        ConfigError: HOME_EXISTS.
    """
    for path in (home.card, home.keys, home.config):
        if path.exists() or path.is_symlink():
            raise ConfigError(
                f"{path} exists, and a member is never overwritten",
                reason="HOME_EXISTS",
                hint="choose another --home",
            )


def _make_directory(root: Path) -> None:
    try:
        root.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(root, error) from error


def _write_keys(
    made: contextlib.ExitStack,
    home: Home,
    applicant: Applicant,
    passphrase: Secret,
    secrets: Mapping[str, Secret],
    cost: Cost,
) -> None:
    keyfile = KeyFile.create(home.keys, passphrase, applicant.federation, applicant.member, cost)
    made.callback(home.keys.unlink)
    for name, secret in secrets.items():
        keyfile.put(name, secret)


def _write_new(made: contextlib.ExitStack, path: Path, data: bytes) -> None:
    try:
        create_whole(path, data, PUBLIC_MODE)
        made.callback(path.unlink)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be written: {error.strerror}",
        reason="HOME_UNUSABLE",
        hint="check the directory's owner, mode and free space",
    )


def _mismatch(home: Home) -> ConfigError:
    return ConfigError(
        f"the keys in {home.keys} are not those of {home.card}",
        reason="MEMBER_KEYS_MISMATCH",
        hint="restore both files from the same backup",
    )
