"""Refuse a text that is no indicator, without repeating it."""

from federation.errors import FederationError
from federation.indicators.kind import Kind, kind_name


class IndicatorError(FederationError):
    """A text is no indicator of its kind. Neither the error nor its causes hold the text.

    Library errors often quote their input, so the parsers never chain them.

    Attributes:
        kind: What the text was read as; None when the name of the kind itself is unknown.
        rule: Stable UPPER_SNAKE name of the rule that the text breaks.
        message: What was wrong, one sentence.
    """

    reason = "INDICATOR_INVALID"
    public = "A value is no indicator of its kind."

    def __init__(self, kind: Kind | None, rule: str, message: str) -> None:
        name = "indicator" if kind is None else kind_name(kind)
        super().__init__(f"{name}: {message} ({rule})")
        self.kind = kind
        self.rule = rule
        self.message = message

    def __reduce__(
        self,
    ) -> tuple[type["IndicatorError"], tuple[Kind | None, str, str], dict[str, str | None]]:
        # Parsing may run in worker processes; the default would replay the sentence alone.
        return (type(self), (self.kind, self.rule, self.message), {"hint": self.hint})
