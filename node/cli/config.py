"""``tocsin config``: the settings in force, and where each comes from."""

from __future__ import annotations

import tomllib

import click

from node.cli.option import json_option, pass_home
from node.cli.output import json_object, table
from node.config import SETTINGS, load_config
from node.home import Home


@click.group(
    epilog="""\b
EXAMPLES
  tocsin config show
"""
)
def config_command() -> None:
    """Show the settings and where each comes from."""


@config_command.command(
    "show",
    epilog="""\b
EXAMPLES
  tocsin config show
  tocsin --home /srv/tocsin config show --json
""",
)
@json_option
@pass_home
def show(home: Home, as_json: bool) -> None:
    """Show every setting with its value, unit, origin and meaning."""
    home.require()
    config = load_config(home.config)
    written = _written(home)
    rows = [
        {
            "name": setting.name,
            "value": getattr(config, setting.name),
            "unit": setting.unit,
            "origin": home.config.name if setting.name in written else "default",
            "meaning": setting.sentence,
        }
        for setting in SETTINGS
    ]
    if as_json:
        json_object({"path": str(home.config), "settings": rows})
        return
    header = ("name", "value", "unit", "origin", "meaning")
    table(header, [[_shown(row[name]) for name in header] for row in rows])


def _written(home: Home) -> frozenset[str]:
    if not home.config.exists():
        return frozenset()
    return frozenset(tomllib.loads(home.config.read_text(encoding="utf-8")))


def _shown(value: object) -> str:
    return "-" if value == "" else str(value)
