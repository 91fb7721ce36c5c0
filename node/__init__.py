"""Floor 3: one member's running node."""

__version__ = "0.1.0"
