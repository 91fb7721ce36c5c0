"""Name the places of a member's home directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Home:
    """The directory that holds everything of one member: configuration, keys, charter, data."""

    root: Path

    @property
    def config(self) -> Path:
        """The node's settings."""
        return self.root / "node.toml"

    @property
    def training(self) -> Path:
        """What the member consents to in training, and which rows it has; there may be none."""
        return self.root / "training.toml"

    @property
    def models(self) -> Path:
        """The files of trained models, by the digests of their plans."""
        return self.root / "training"

    @property
    def card(self) -> Path:
        """What the member tells the others when a charter is made; public."""
        return self.root / "member.json"

    @property
    def charter(self) -> Path:
        """The charter in force, a signed note."""
        return self.root / "charter.note"

    @property
    def keys(self) -> Path:
        """The encrypted key store."""
        return self.root / "keys.tocsin"

    @property
    def data(self) -> Path:
        """The stores: replicated and private, never in one file."""
        return self.root / "data"

    @property
    def run(self) -> Path:
        """The inside door's socket and the process id; its mode is the authorisation."""
        return self.root / "run"

    @property
    def socket(self) -> Path:
        """The inside door."""
        return self.run / "desk.sock"

    @property
    def process_id(self) -> Path:
        """The running node's process id."""
        return self.run / "node.pid"

    def require(self) -> Home:
        """Return this home if a member was initialised here.

        Raises:
            ConfigError: NOT_INITIALISED.
        """
        if not self.card.exists():
            raise ConfigError(
                "there is no member in this home directory",
                reason="NOT_INITIALISED",
                hint="tocsin --home DIR init --federation NAME --member NAME --role ROLE",
            )
        return self
