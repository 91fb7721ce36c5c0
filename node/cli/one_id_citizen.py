"""What a citizen does at home with ``tocsin one-id``: no node, no network, one secret file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from federation.names import MemberId, NameFormatError
from federation.one_id import (
    MAX_DISPUTED,
    Answer,
    CitizenKeys,
    Disputed,
    SignedDispute,
    UnreadableError,
    Wish,
    answer_context,
    dispute_context,
    feedback_context,
    open_answer,
    open_feedback,
    seal,
)
from federation.vocabulary import AccountKind
from node.cli.one_id_papers import (
    CONSENT,
    DISPUTE,
    FORM,
    PUBLIC,
    Papers,
    Sealed,
    make_keys,
    public_paper,
    read_form,
    read_keys,
    read_paper,
    read_papers,
    write_paper,
)
from node.cli.option import json_option
from node.cli.output import data, json_object, say, table
from node.cli.word import Word
from node.errors import RequestError

_FILE: Final = click.Path(path_type=Path, dir_okay=False)


def citizen_commands() -> tuple[click.Command, ...]:
    """Return the commands of the citizen."""
    return key, consent, open_papers, write


@click.command(
    epilog="""Make new keys for every request: no log shows then that two are yours.

\b
EXAMPLES
  tocsin one-id key me.key --public me.pub
"""
)
@click.argument("file", type=_FILE)
@click.option("--public", type=_FILE, required=True, help="Where the part for the desk is written.")
def key(file: Path, public: Path) -> None:
    """Make your keys: the file stays with you, the public part goes to the desk."""
    write_paper(public, PUBLIC, public_paper(make_keys(file)))
    say(f"Keep {file}: answers open with it alone. Next: hand {public} to the desk")


@click.command(
    epilog="""\b
EXAMPLES
  tocsin one-id consent form.json --key me.key --output consent.json
"""
)
@click.argument("file", type=_FILE)
@click.option("--key", "key_file", type=_FILE, required=True, help="Your keys.")
@click.option("--output", type=_FILE, required=True, help="Where the signed form is written.")
def consent(file: Path, key_file: Path, output: Path) -> None:
    """Sign the form of a desk, after reading who asks whom."""
    paper = read_paper(file, FORM)
    form, keys = read_form(paper), read_keys(key_file)
    if (form.receiving_key, form.consent_key) != (keys.receiving_key, keys.consent_key):
        raise RequestError(
            "this form is for other keys than yours",
            reason="KEY_DIFFERS",
            hint="answers would be sealed to somebody else: do not sign it",
        )
    data(f"desk   {form.opener}")
    data(f"asked  {', '.join(form.members)}")
    data(f"for    {', '.join(one.name.lower() for one in form.wanted)}")
    fields = {name: value for name, value in paper.items() if name != "paper"}
    signature = keys.sign_consent(form).hex()
    write_paper(output, CONSENT, {**fields, "signature": signature})
    say(f"Signed. Next: hand {output} to the desk")


@click.command(
    "open",
    epilog="""\b
EXAMPLES
  tocsin one-id open answers.json --key me.key
  tocsin one-id open told.json --key me.key --json
""",
)
@click.argument("file", type=_FILE)
@click.option("--key", "key_file", type=_FILE, required=True, help="Your keys.")
@json_option
def open_papers(file: Path, key_file: Path, as_json: bool) -> None:
    """Open what members answered you, or what a holder says about your dispute."""
    papers, keys = read_papers(file), read_keys(key_file)
    if papers.holder:
        _show_feedback(papers, keys, as_json=as_json)
        return
    found = [_describe(papers, one, keys) for one in papers.answers]
    found += [{"member": one, "readable": None, "counts": None} for one in papers.awaited]
    if as_json:
        for row in found:
            json_object(row)
        return
    header = ("member", *(one.name.lower() for one in AccountKind))
    table(header, [_counts_row(one) for one in found])
    say("What is not yours: tocsin one-id write FILE --key KEY --to MEMBER --output dispute.json")


@click.command(
    epilog=f"""Without --account it is about all accounts there, at most {MAX_DISPUTED}. Only the \
holder can read it.

\b
EXAMPLES
  tocsin one-id write answers.json --key me.key --to carrier-b --text "I have no SIM there" \\
    --output dispute.json
  tocsin one-id write answers.json --key me.key --to carrier-b --account sim --close \\
    --text "Close them" --output dispute.json
"""
)
@click.argument("file", type=_FILE)
@click.option("--key", "key_file", type=_FILE, required=True, help="Your keys.")
@click.option("--to", "holder", required=True, metavar="MEMBER", help="Who has the accounts.")
@click.option(
    "--account",
    "kinds",
    type=Word(AccountKind, "account kind"),
    multiple=True,
    help="Only accounts of this kind.",
)
@click.option("--close", is_flag=True, help="Ask to close them; else to explain them.")
@click.option("--text", required=True, help="What you say about it, and how to reach you.")
@click.option("--output", type=_FILE, required=True, help="Where the dispute is written.")
def write(
    file: Path,
    key_file: Path,
    holder: str,
    kinds: tuple[AccountKind, ...],
    close: bool,
    text: str,
    output: Path,
) -> None:
    """Write a dispute about accounts that a member has under your identity."""
    papers, keys = read_papers(file), read_keys(key_file)
    answer, sealed = _answer_of(papers, holder, keys)
    chosen = kinds or tuple(AccountKind)
    references = [one.reference for one in answer.accounts if one.kind in chosen]
    if not references:
        raise RequestError("there is no such account at this member", reason="NOTHING_TO_DISPUTE")
    wanted = Disputed(
        papers.matter_id,
        _member(papers.opener),
        Wish.CLOSE if close else Wish.EXPLAIN,
        tuple(references[:MAX_DISPUTED]),
        text,
    )
    signed = SignedDispute(wanted, keys.sign_dispute(papers.federation, holder, wanted))
    letter = seal(sealed.sealing_key, signed, dispute_context(papers.federation, holder))
    write_paper(output, DISPUTE, {"holder": holder, "sealed": letter.hex()})
    data(f"accounts  {len(wanted.references)}")
    say(f"Next: hand {output} to any desk")


def _open(papers: Papers, one: Sealed, keys: CitizenKeys) -> Answer:
    context = answer_context(papers.federation, one.member, papers.opener, papers.matter_id)
    return open_answer(keys.receiving, one.sealed, context)


def _describe(papers: Papers, one: Sealed, keys: CitizenKeys) -> dict[str, Any]:
    try:
        answer = _open(papers, one, keys)
    except UnreadableError:
        return {"member": one.member, "readable": False, "counts": None}
    counts = {kind.name.lower(): count for kind, count in answer.counts.items()}
    return {"member": one.member, "readable": True, "counts": counts}


def _counts_row(found: dict[str, Any]) -> tuple[str, ...]:
    if found["counts"] is None:
        word = "no answer yet" if found["readable"] is None else "unreadable"
        return (found["member"], word, *([""] * (len(AccountKind) - 1)))
    counts = found["counts"]
    return (found["member"], *(str(counts.get(one.name.lower(), "-")) for one in AccountKind))


def _answer_of(papers: Papers, holder: str, keys: CitizenKeys) -> tuple[Answer, Sealed]:
    sealed = next((one for one in papers.answers if one.member == holder), None)
    if sealed is None:
        raise RequestError("this member has not answered", reason="MEMBER_UNKNOWN")
    return _open(papers, sealed, keys), sealed


def _show_feedback(papers: Papers, keys: CitizenKeys, *, as_json: bool) -> None:
    text, reason = "", ""
    if papers.feedback:
        context = feedback_context(
            papers.federation, papers.holder, papers.opener, papers.matter_id
        )
        told = open_feedback(keys.receiving, papers.feedback, context)
        text, reason = told.text, told.reason.name if told.reason else ""
    if as_json:
        holder, state = papers.holder, papers.state
        json_object({"holder": holder, "state": state, "reason": reason or None, "text": text})
        return
    data(f"holder  {papers.holder}")
    data(f"state   {papers.state}{f' ({reason})' if reason else ''}")
    if text:
        data(f"told    {text}")


def _member(name: str) -> MemberId:
    try:
        return MemberId(name)
    except NameFormatError as error:
        raise RequestError("the file is damaged", reason="PAPER_INVALID") from error
