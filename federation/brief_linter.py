"""Find raw identifiers and names of persons in the words of a case brief, before anybody reads it.

What is found is told by rule and place, never by its text. Patterns find what looks like an
identifier or follows a word for a person; a name without such a word they cannot find.

Source: DOMAIN R56.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

LEAST_DIGITS: Final = 7
"""Digits in a row, separators aside: the shortest telephone number of a town."""
LEAST_MIXED: Final = 14
"""Letters and digits in one word: shorter ones are versions and models, longer ones accounts."""


class Found(NamedTuple):
    """Something that must not be in a brief.

    Attributes:
        rule: NUMBER, EMAIL_ADDRESS, WEB_ADDRESS, ACCOUNT, HANDLE or PERSON.
        place: Character at which it begins, from 0.
    """

    rule: str
    place: int


_SURNAMES: Final = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任"
    "沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_HAN: Final = "[\u4e00-\u9fff]"
# 某 and ×, as the press writes who is not named.
_HIDDEN: Final = "某甲乙丙丁×Xx*○"
_TITLES: Final = "先生|女士|小姐|阿姨|大妈|大爷|老师|经理|警官|医生|同学"
_CUES: Final = "姓名|名叫|叫做|名为|受害人|被害人|嫌疑人|犯罪嫌疑人|事主|当事人|市民|居民"

_DIGIT_RUN: Final = re.compile(r"\+?\d(?:[\s().,/·_-]{0,2}\d)+")
_AMOUNT: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?")
_DATE: Final = re.compile(r"(?:19|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])")
_PATTERNS: Final = (
    ("EMAIL_ADDRESS", re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")),
    ("WEB_ADDRESS", re.compile(r"(?i)\bh(?:tt|xx)ps?[:：]//|\bxn--")),
    (
        "WEB_ADDRESS",
        re.compile(r"(?i)(?<![\w.])[a-z0-9](?:[\w-]*\.)+(?:[a-z]{2,24}|xn--[\w-]+)(?![\w])"),
    ),
    ("WEB_ADDRESS", re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")),
    (
        "ACCOUNT",
        re.compile(
            rf"(?<!\w)(?=[A-Za-z0-9]*\d)(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{{{LEAST_MIXED},}}"
        ),
    ),
    (
        "HANDLE",
        re.compile(
            r"(?i)(?:微信|wechat|qq|telegram|whatsapp|支付宝|alipay|账号|帐号)"
            r"\s*(?:号|id|account|handle)?\s*(?:[:：=]|是|为|is)?\s*@?"
            r"(?=[\w.-]*[\d_])[a-z0-9][\w.-]{4,}"
        ),
    ),
    ("HANDLE", re.compile(r"(?<![\w@])@[A-Za-z0-9_]{4,}")),
    ("PERSON", re.compile(rf"[{_SURNAMES}](?![{_HIDDEN}]){_HAN}{{0,2}}(?:{_TITLES})")),
    ("PERSON", re.compile(rf"(?:{_CUES})\s*[:：]?\s*[{_SURNAMES}](?![{_HIDDEN}]){_HAN}{{1,2}}")),
    ("PERSON", re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Officer)\.?\s+[A-Z][a-z]+")),
    (
        "PERSON",
        re.compile(
            r"\b(?:[Vv]ictim|[Ss]uspect|[Nn]amed|[Nn]ame is|[Cc]alled)[:,]?\s+"
            r"[A-Z][a-z]+(?:\s+[A-Z][a-z]+)+"
        ),
    ),
)


def lint_text(text: str) -> tuple[Found, ...]:
    """Return what must not be in a brief, by place; empty: nothing was found.

    Digits and letters of full width, dots in brackets and characters of no width hide nothing.
    """
    plain = _plain(text)
    found = {Found("NUMBER", match.start()) for match in _numbers(plain)}
    for rule, pattern in _PATTERNS:
        found.update(Found(rule, match.start()) for match in pattern.finditer(plain))
    return tuple(sorted(found, key=lambda one: (one.place, one.rule)))


def _numbers(text: str) -> Iterator[re.Match[str]]:
    for match in _DIGIT_RUN.finditer(text):
        words = _DATE.sub("", match[0])
        if _AMOUNT.fullmatch(match[0].strip()):
            continue
        if sum(letter.isdigit() for letter in words) >= LEAST_DIGITS:
            yield match


def _plain(text: str) -> str:
    shown = "".join(one for one in text if unicodedata.category(one) != "Cf")
    plain = unicodedata.normalize("NFKC", shown)
    return re.sub(r"(?i)\s*[\[({]\s*(?:\.|dot)\s*[\])}]\s*", ".", plain)
