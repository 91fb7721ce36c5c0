"""Make the text of a warning from a template, and refuse any text that could be a trap itself.

A true warning has no link, no number, no account and no way to reply, so that nobody can copy its
form to lure people: that is the rule of the official warning messages, and ``check_text`` holds
every text to it, the parts that a member fills in and the whole.

    parameters = TextParameters(impersonated="the tax office")
    texts = compose(FraudType.GOVERNMENT, parameters)   # {"zh": "...", "en": "..."}

Source: DOMAIN R33, R34.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

from federation.errors import PeerError, PolicyError
from federation.statements.warning import SEALED_PARAMETERS_BYTES
from federation.vocabulary import FraudType

MAX_TEXT_CHARACTERS: Final = 320
"""Characters of a whole text: a flash message shows no more on one screen."""
MAX_PARAMETER_CHARACTERS: Final = 40
"""Characters of a part that a member fills in: a name or a pretext, not a story."""
PARAMETER_BYTES: Final = SEALED_PARAMETERS_BYTES - 17
"""Bytes of the parameters before they are sealed, padded, so that their length says nothing."""


class WarningTextError(PolicyError):
    """A text could mislead a victim, or hold what must not travel.

    ``reason`` is TEXT_HAS_LINK, TEXT_HAS_NUMBER, TEXT_HAS_ACCOUNT, TEXT_HAS_REPLY_PATH,
    TEXT_HAS_CHARACTER, TEXT_TOO_LONG. The message never repeats the text.
    """

    reason = "TEXT_HAS_CHARACTER"
    public = "The text of a warning may not say this."

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, reason=reason)


class ParametersError(PeerError):
    """Opened parameters are none that a node writes."""

    reason = "PARAMETERS_INVALID"
    public = "The parameters of a warning are not well formed."


# A letter is any but one of those that are joined into words; \w would also take digits.
_LINKS: Final = re.compile(
    r"://|\bhttps?\b|\bwww\b|[^\W\d_][.\uff0e\uff61][^\W\d_]|\w\s+dot\s+\w|\bdot\s*com\b"
    r"|点\s*(?:com|cn|net|org|top|xyz|cc)\b|网址|链接|\blinks?\b|\bwebsites?\b|\burls?\b",
    re.IGNORECASE,
)
_ACCOUNTS: Final = re.compile(
    r"[@_#]|微信号|加微信|支付宝账|qq号|加qq|账号[是为:：]|帐号[是为:：]|卡号|群号"
    r"|\bwechat\s+id\b|\bwhatsapp\b|\btelegram\b|\baccount\s+(?:number|id|no)\b|\biban\b",
    re.IGNORECASE,
)
_REPLIES: Final = re.compile(
    r"回复|回拨|回电|致电|拨打|点击|点开|点此|扫码|扫描|二维码|下载|登录|登陆|关注公众号|退订|私信|添加"
    r"|联系客服|\brepl(?:y|ies)\b|\brespond\b|\bcall\s+(?:us|back|me|this)\b|\bdial\b"
    r"|\btext\s+(?:us|back|me|stop)\b|\bclick\b|\btap\b|\bscan\b|\bqr\b|\bdownload\b"
    r"|\blog\s*in\b|\bsign\s+in\b|\be-?mail\b|\bcontact\s+us\b|\bunsubscribe\b|\binstall\b",
    re.IGNORECASE,
)
# Four in a row are no longer a quantity; separators between them hide nothing.
_BETWEEN: Final = r"[\s,.;:、，。·\-—/()（）]*"
_CHINESE_DIGITS: Final = re.compile(
    rf"(?:[〇零一二三四五六七八九十百千万亿幺两壹贰叁肆伍陆柒捌玖拾]{_BETWEEN}){{4}}"
)
_ENGLISH_DIGITS: Final = re.compile(
    r"(?:\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)\b"
    rf"{_BETWEEN}){{4}}",
    re.IGNORECASE,
)
_PUNCTUATION: Final = frozenset(" ,.;:!?'\"()-，。；：！？、“”‘’（）《》【】…—·")
_NUMBERS: Final = frozenset({"Nd", "Nl", "No"})


def check_text(text: str) -> None:
    """Refuse a text with a link, number, account, way to reply, or hidden or odd characters.

    Raises:
        WarningTextError: Its reason says what was found first.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        raise WarningTextError("TEXT_TOO_LONG", f"more than {MAX_TEXT_CHARACTERS} characters")
    # Compatibility forms fold full-width and circled digits and letters into plain ones.
    plain = unicodedata.normalize("NFKC", text)
    if _has_number(text) or _has_number(plain):
        raise WarningTextError("TEXT_HAS_NUMBER", "the text holds a number")
    if _LINKS.search(text) or _LINKS.search(plain):
        raise WarningTextError("TEXT_HAS_LINK", "the text holds a link")
    if _ACCOUNTS.search(plain):
        raise WarningTextError("TEXT_HAS_ACCOUNT", "the text names an account")
    if _REPLIES.search(plain):
        raise WarningTextError("TEXT_HAS_REPLY_PATH", "the text asks for an answer or an action")
    if not all(_is_plain(character) for character in text):
        raise WarningTextError("TEXT_HAS_CHARACTER", "the text holds a character that is no text")


def _has_number(text: str) -> bool:
    if any(unicodedata.category(character) in _NUMBERS for character in text):
        return True
    return bool(_CHINESE_DIGITS.search(text) or _ENGLISH_DIGITS.search(text))


def _is_plain(character: str) -> bool:
    return character in _PUNCTUATION or character.isalpha()


@dataclass(frozen=True, slots=True)
class TextParameters:
    """What the text says beyond its template, as the member that raised the warning knows it.

    Attributes:
        impersonated: Whom the fraudster claims to be; empty: not said.
        pretext: What the fraudster says it is about; empty: not said.

    Raises:
        WarningTextError: As ``check_text``; TEXT_TOO_LONG beyond 40 characters.
    """

    impersonated: str = ""
    pretext: str = ""

    def __post_init__(self) -> None:
        for text in (self.impersonated, self.pretext):
            if len(text) > MAX_PARAMETER_CHARACTERS:
                raise WarningTextError(
                    "TEXT_TOO_LONG", f"a part has more than {MAX_PARAMETER_CHARACTERS} characters"
                )
            check_text(text)


def encode_parameters(parameters: TextParameters) -> bytes:
    """Return ``PARAMETER_BYTES`` bytes, to be sealed."""
    values = {one.name: getattr(parameters, one.name) for one in fields(parameters)}
    encoded = json.dumps(values, ensure_ascii=False, sort_keys=True).encode()
    return encoded.ljust(PARAMETER_BYTES)


def decode_parameters(encoded: bytes) -> TextParameters:
    """Read what another member's node sealed; every part is checked again.

    Raises:
        ParametersError: They are not well formed.
        WarningTextError: A part may not be said.
    """
    try:
        values = json.loads(encoded.decode())
    except (ValueError, RecursionError) as error:
        raise ParametersError from error
    names = {one.name for one in fields(TextParameters)}
    if not isinstance(values, dict) or values.keys() != names:
        raise ParametersError("the parameters have other names")
    if not all(isinstance(value, str) for value in values.values()):
        raise ParametersError("a parameter is no text")
    return TextParameters(**values)


_FRAUDS: Final[Mapping[FraudType, tuple[str, str]]] = MappingProxyType(
    {
        FraudType.FAKE_TASK: ("刷单返利", "fake-task"),
        FraudType.INVESTMENT: ("虚假投资理财", "investment"),
        FraudType.SHOPPING: ("虚假购物", "shopping"),
        FraudType.CUSTOMER_SERVICE: ("冒充客服", "fake customer-service"),
        FraudType.LOAN: ("虚假贷款", "loan"),
        FraudType.CREDIT_RECORD: ("虚假征信", "credit-record"),
        FraudType.ACQUAINTANCE: ("冒充熟人", "impersonation"),
        FraudType.GOVERNMENT: ("冒充公检法", "fake-authority"),
        FraudType.ROMANCE: ("婚恋交友", "romance"),
        FraudType.GAME_GOODS: ("游戏交易", "game-trading"),
        FraudType.PROCUREMENT: ("虚假采购", "procurement"),
        FraudType.BLACK_INDUSTRY: ("电信网络", "telecom"),
        FraudType.OTHER: ("电信网络", "telecom"),
    }
)

_GUARDIAN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "zh": "【反诈提醒】您登记关心的家人可能正遭遇电信网络诈骗，请尽快当面核实，劝其暂停转账。",
        "en": "Fraud notice: a relative you agreed to look after may be the target of fraud. "
        "Please speak with them in person soon, and ask them to stop any transfer.",
    }
)


def compose(fraud_type: FraudType, parameters: TextParameters) -> Mapping[str, str]:
    """Return the text for the likely victim by language, ``zh`` and ``en``.

    Raises:
        WarningTextError: The whole may not be said; no text that the desk accepted leads there.
    """
    chinese, english = _FRAUDS[fraud_type]
    texts = {
        "zh": f"【反诈预警】您可能正在遭遇{chinese}诈骗。{_claim_zh(parameters)}"
        "请立即停止转账，挂断电话，不要透露验证码，并与家人或警方当面核实。",
        "en": f"Fraud warning: you may be the target of {english} fraud. {_claim_en(parameters)}"
        "Stop any transfer now, hang up, give nobody a code, and ask your family or the police "
        "in person.",
    }
    for text in texts.values():
        check_text(text)
    return texts


def compose_for_guardian() -> Mapping[str, str]:
    """Return the copy for a guardian by language: it says nothing of the case."""
    return _GUARDIAN


def _claim_zh(parameters: TextParameters) -> str:
    who = f"对方自称{parameters.impersonated}。" if parameters.impersonated else ""
    return who + (f"对方的说法是：{parameters.pretext}。" if parameters.pretext else "")


def _claim_en(parameters: TextParameters) -> str:
    who = f"They claim to be {parameters.impersonated}. " if parameters.impersonated else ""
    return who + (f"They say it is about: {parameters.pretext}. " if parameters.pretext else "")
