"""``tocsin train assess``: record a person's risk assessment of a model."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from node.cli.digits import SHOWN_DIGITS
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say
from node.cli.train.digest import files_argument
from node.cli.train.model_files import ASSESSMENT_FILE, find_directory, read_model_card
from node.errors import RequestError
from node.home import Home

if TYPE_CHECKING:
    from federation.training.assessment import Assessment
    from federation.training.card import ModelCard

_TEMPLATE: Final = """\
# Risk assessment of the model {model}
# of plan {plan}; give it with: tocsin train assess {short} --file FILE
purpose = "{purpose}"
reviewer = ""               # a name or an office; every member reads it
decision = "refused"        # or "approved"
conditions = ""             # under which the model may be used

[[risks]]
risk = "An innocent subscriber is taken for a fraudster."
mitigation = "Alarms open a verification, never a measure; appeals correct the labels."
remaining = "low"           # low, medium or high

[[risks]]
risk = "The model betrays whose rows it was trained on (membership advantage {advantage})."
mitigation = "The model stays among the members of the federation."
remaining = "low"

[[risks]]
risk = "A member poisons the model within the bounds of what is checked."
mitigation = "Shadow stage before release; drift is watched; any earlier model comes back at once."
remaining = "medium"
"""


@click.command(
    epilog="""\b
The file is TOML or JSON; --template writes one to fill in. Without --file a terminal is asked.
Only an approved assessment of this very model and card opens the shadow stage and the release.

\b
EXAMPLES
  tocsin train assess 9f2c4b1a
  tocsin train assess 9f2c4b1a --template > assessment.toml
  tocsin train assess 9f2c4b1a --file assessment.toml
"""
)
@files_argument
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The answers, in TOML or JSON.",
)
@click.option("--template", is_flag=True, help="Write a file to fill in, and record nothing.")
@json_option
@pass_home
def assess(home: Home, digest: bytes, file: Path | None, template: bool, as_json: bool) -> None:
    """Assess the risks of an own plan's model: purpose, risks, what is done, who decides what."""
    from federation.training.assessment import Assessment
    from node.whole_file import write_whole

    directory = find_directory(home, digest)
    card = read_model_card(directory)
    if template:
        click.echo(_fill_template(card), nl=False)
        return
    said = _ask(card) if file is None else _read(file)
    found = Assessment.of(card, said, datetime.fromtimestamp(int(time.time()), UTC))
    write_whole(directory / ASSESSMENT_FILE, found.encode())
    _write(found, as_json=as_json)


def _write(found: Assessment, *, as_json: bool) -> None:
    plan = found.plan_digest.hex()[:SHOWN_DIGITS]
    if as_json:
        json_object({"assessment_digest": found.digest().hex(), "decision": found.decision})
        return
    data(f"assessment   {found.digest().hex()}")
    data(f"decision     {found.decision}")
    stage = "shadow" if found.decision == "approved" else "rejected"
    say(f"Next: tocsin train release {plan} --stage {stage}")


def _fill_template(card: ModelCard) -> str:
    advantage = card.evaluation.federated.membership_advantage
    return _TEMPLATE.format(
        model=card.model_digest.hex()[:SHOWN_DIGITS],
        plan=card.plan_digest.hex()[:SHOWN_DIGITS],
        short=card.plan_digest.hex()[:SHOWN_DIGITS],
        purpose=card.plan.data_use.purpose,
        advantage="not measured" if advantage is None else f"{advantage:.3f}",
    )


def _read(file: Path) -> Mapping[str, Any]:
    from federation.training.assessment import read_answers

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError("the file cannot be read", reason="FILE_UNREADABLE") from error
    return read_answers(text, toml=file.suffix.lower() != ".json")


def _ask(card: ModelCard) -> dict[str, Any]:
    """Ask a person at a terminal."""
    if not sys.stdin.isatty():
        raise RequestError(
            "an assessment needs a person at a terminal, or a file",
            reason="ASSESSMENT_MISSING",
            hint="tocsin train assess DIGEST --template > FILE, then --file FILE",
        )
    _say_figures(card)
    found: dict[str, Any] = {"purpose": _prompt("Purpose", card.plan.data_use.purpose)}
    found["risks"] = _ask_risks()
    found["conditions"] = _prompt("Conditions (may be empty)", "")
    found["reviewer"] = _prompt("Reviewer: a name or an office")
    words = click.Choice(["approved", "refused"])
    found["decision"] = click.prompt("Decision", type=words, default="refused", err=True)
    return found


def _ask_risks() -> list[dict[str, str]]:
    risks: list[dict[str, str]] = []
    levels = click.Choice(["low", "medium", "high"])
    while True:
        last = " (empty to end)" if risks else ""
        risk = _prompt(f"Risk {len(risks) + 1}{last}", "" if risks else None)
        if not risk:
            return risks
        risks.append(
            {
                "risk": risk,
                "mitigation": _prompt("  What is done about it"),
                "remaining": click.prompt("  What remains", type=levels, err=True),
            }
        )


def _prompt(text: str, default: str | None = None) -> str:
    shown = bool(default)
    return str(click.prompt(text, default=default, show_default=shown, err=True))


def _say_figures(card: ModelCard) -> None:
    worth, local = card.evaluation.federated, card.evaluation.local
    beside = "" if local is None else f" (members alone {local.pr_auc:.3f})"
    say(f"{card.plan.task}: PR-AUC {worth.pr_auc:.3f}{beside}, ROC-AUC {worth.roc_auc:.3f}")
    if worth.membership_advantage is not None:
        say(f"Membership advantage {worth.membership_advantage:.3f} (0 is a guess)")
    for sentence in card.limits:
        say(f"  - {sentence}")
    say("The whole card: tocsin train card DIGEST")
