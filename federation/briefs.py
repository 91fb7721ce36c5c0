"""Seal the words of a case brief to its readers, and open them again.

The words are sealed under a key of the brief's own, and that key to each reader, bound to who said
it and who reads it. Every reader lints what it opens: a brief that breaks the rules is not shown.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from federation.brief_linter import lint_text
from federation.errors import PolicyError
from federation.names import FederationName, MemberId
from federation.statements.briefs import MAX_TEXT_BYTES, CaseBrief
from keys.errors import SealError
from keys.sealing import (
    INDICATOR_OVERHEAD_BYTES,
    SealingKey,
    open_from_indicator,
    seal_to_indicator,
    seal_to_member,
)

LANGUAGES: Final = frozenset({"zh", "en"})
_CONTEXT: Final = b"tocsin/case-brief/v1\0"


class BriefError(PolicyError):
    """The words of a brief cannot be published or read.

    ``reason`` is BRIEF_INVALID, BRIEF_TOO_LONG, BRIEF_NOT_CLEAN, BRIEF_CLOSED.
    """

    reason = "BRIEF_INVALID"
    public = "The brief is not well formed."


@dataclass(frozen=True, slots=True)
class BriefText:
    """A brief's words in one language, zh or en."""

    language: str
    title: str
    text: str
    lessons: str = ""


def check_texts(texts: Sequence[BriefText]) -> None:
    """Make sure that words may be published.

    Raises:
        BriefError: BRIEF_INVALID, or BRIEF_NOT_CLEAN with rules and places, never the words.
    """
    languages = [one.language for one in texts]
    if not texts or len(set(languages)) != len(texts) or not LANGUAGES.issuperset(languages):
        raise BriefError("a brief has words in zh, en or both")
    if not all(one.title.strip() and one.text.strip() for one in texts):
        raise BriefError("a brief has a title and a text in each language")
    problems = [
        f"{one.language} {part}: {found.rule} at character {found.place}"
        for one in texts
        for part in ("title", "text", "lessons")
        for found in lint_text(getattr(one, part))
    ]
    if problems:
        raise BriefError("; ".join(problems[:10]), reason="BRIEF_NOT_CLEAN")


def seal_texts(texts: Sequence[BriefText], key: bytes) -> bytes:
    """Seal words under a brief's own key of 32 bytes.

    Raises:
        BriefError: BRIEF_TOO_LONG.
    """
    plain = json.dumps([asdict(one) for one in texts], ensure_ascii=False).encode()
    if len(plain) + INDICATOR_OVERHEAD_BYTES > MAX_TEXT_BYTES:
        raise BriefError(f"a brief has at most {MAX_TEXT_BYTES} bytes", reason="BRIEF_TOO_LONG")
    return seal_to_indicator(key, plain, _CONTEXT)


def seal_key(
    key: bytes, federation: FederationName, speaker: MemberId, readers: Mapping[MemberId, bytes]
) -> tuple[bytes, ...]:
    """Seal a brief's key to each reader's sealing key, in their order."""
    return tuple(
        seal_to_member(public, key, _key_context(federation, speaker, reader))
        for reader, public in readers.items()
    )


def open_texts(
    brief: CaseBrief,
    federation: FederationName,
    speaker: MemberId,
    reader: MemberId,
    sealing: SealingKey,
) -> tuple[BriefText, ...]:
    """Open the words as one of their readers.

    Raises:
        BriefError: BRIEF_CLOSED for whoever is no reader; BRIEF_INVALID or BRIEF_NOT_CLEAN where
            the speaker published what it may not.
    """
    if reader not in brief.readers:
        raise BriefError("the brief is not for this member", reason="BRIEF_CLOSED")
    try:
        sealed = brief.sealed_keys[brief.readers.index(reader)]
        key = sealing.open(sealed, _key_context(federation, speaker, reader))
        plain = open_from_indicator(key, brief.sealed_text, _CONTEXT)
    except (SealError, ValueError) as error:
        raise BriefError("the brief does not open", reason="BRIEF_CLOSED") from error
    try:
        texts = tuple(_read(one) for one in json.loads(plain))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BriefError("the brief cannot be read") from error
    check_texts(texts)
    return texts


def _read(item: Any) -> BriefText:
    return BriefText(
        language=str(item["language"]),
        title=str(item["title"]),
        text=str(item["text"]),
        lessons=str(item.get("lessons", "")),
    )


def _key_context(federation: FederationName, speaker: MemberId, reader: MemberId) -> bytes:
    return _CONTEXT + "\0".join((federation, speaker, reader)).encode()
