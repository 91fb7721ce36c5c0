"""Draw what a model card says: precision over recall, rounds, calibration; as PNG or SVG bytes.

Colours are those of Okabe and Ito, which everybody can tell apart, and no meaning hangs on colour
alone: lines differ in their strokes, outcomes in their marks.
"""

import importlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from federation.training.card import ModelCard
from federation.training.error import DocumentError
from federation.training.worth import FEDERATED, LOCAL, CalibrationBins, Curve

FORMATS: Final = ("png", "svg")
DOTS_PER_INCH: Final = 144

_BLUE, _ORANGE, _GREEN, _PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
_GREY: Final = "#666666"
_SETTINGS: Final = {
    "figure.dpi": DOTS_PER_INCH,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "svg.hashsalt": "tocsin",  # the same card gives the same file
    "svg.fonttype": "none",
}
_LINES: Final[Mapping[str, Mapping[str, Any]]] = {
    FEDERATED: {"color": _BLUE, "linestyle": "-", "label": "federated, all members"},
    LOCAL: {"color": _ORANGE, "linestyle": "--", "label": "each member's own model, all members"},
    f"own {FEDERATED}": {"color": _GREEN, "linestyle": "-.", "label": "federated, own rows"},
    f"own {LOCAL}": {"color": _PURPLE, "linestyle": ":", "label": "own model, own rows"},
}
_MARKS: Final[Mapping[str, tuple[str, str, str]]] = {
    "OK": ("o", _BLUE, "in the model"),
    "LATE": ("v", _ORANGE, "late or lost"),
    "REFUSED": ("s", _GREEN, "refused"),
    "REJECTED": ("X", _PURPLE, "rejected"),
}


def draw_all(card: ModelCard, own: Mapping[str, Any] | None, form: str) -> dict[str, bytes]:
    """Draw every plot of a card.

    Args:
        card: What is drawn.
        own: What a member measured on its own rows (``own.json``); None at other nodes.
        form: One of FORMATS.

    Returns:
        Files by name.

    Raises:
        DocumentError: PLOTS_UNAVAILABLE without the package matplotlib.
    """
    matplotlib = _library()
    drawings: Mapping[str, Callable[[], Any]] = {
        "precision-recall": lambda: _draw_curves(card, own),
        "calibration": lambda: _draw_calibration(card),
        "rounds": lambda: _draw_rounds(card),
    }
    with matplotlib.rc_context(_SETTINGS):
        return {f"{name}.{form}": _write(draw(), form) for name, draw in drawings.items()}


def _draw_curves(card: ModelCard, own: Mapping[str, Any] | None) -> Any:
    figure = _figure(6.4, 4.8)
    axes = figure.add_subplot()
    for curve in [*card.evaluation.curves, *_own_curves(own)]:
        axes.plot(curve.recall, curve.precision, linewidth=1.8, **_LINES[curve.candidate])
    share = card.evaluation.positives / max(card.evaluation.rows, 1)
    guess = f"guessing: {share:.1%} of the rows are fraud"
    axes.axhline(share, color=_GREY, linewidth=1, linestyle=(0, (1, 3)), label=guess)
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("Recall: share of the fraud that is found")
    axes.set_ylabel("Precision: share of the alarms that are fraud")
    worth = card.evaluation.federated
    axes.set_title(f"{card.plan.task}: PR-AUC {worth.pr_auc:.3f}{_beside(card)}", loc="left")
    axes.legend(loc="best", fontsize=8)
    return figure


def _beside(card: ModelCard) -> str:
    local = card.evaluation.local
    return "" if local is None else f", members alone {local.pr_auc:.3f}"


def _own_curves(own: Mapping[str, Any] | None) -> list[Curve]:
    if own is None:
        return []
    found = [(name, own.get(f"{name}_curve")) for name in (FEDERATED, LOCAL)]
    return [
        Curve(f"own {name}", tuple(curve["recall"]), tuple(curve["precision"]))
        for name, curve in found
        if isinstance(curve, Mapping)
    ]


def _draw_calibration(card: ModelCard) -> Any:
    figure = _figure(6.4, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 1), (0, 1), color=_GREY, linewidth=1, linestyle=":", label="as promised")
    bins = card.evaluation.calibration
    for place, one in enumerate(bins):
        style = _LINES[one.candidate]
        upper.plot(one.promised, one.found, marker="os"[place % 2], markersize=5, **style)
        _draw_bars(lower, one, place, len(bins), style["color"])
    upper.set_ylabel("Found share of fraud")
    upper.set_ylim(-0.02, 1.02)
    error = card.evaluation.federated.calibration_error
    upper.set_title(f"{card.plan.task}: expected calibration error {error:.3f}", loc="left")
    upper.legend(loc="best", fontsize=8)
    lower.set_yscale("log")
    lower.set_ylim(bottom=0.8)
    lower.set_ylabel("Rows")
    lower.set_xlabel("Promised probability of fraud")
    lower.set_xlim(-0.02, 1.02)
    return figure


def _draw_bars(axes: Any, bins: CalibrationBins, place: int, count: int, colour: str) -> None:
    width = 0.08 / count
    lefts = [min(int(one * 10), 9) / 10 + 0.05 - 0.04 + place * width for one in bins.promised]
    axes.bar(lefts, bins.rows, width=width, align="edge", color=colour)


def _draw_rounds(card: ModelCard) -> Any:
    members = [one.name for one in card.participants]
    figure = _figure(6.4, 3.4 + 0.28 * len(members))
    heights = (3, max(1.0, 0.35 * len(members)))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    known = [(one.number, one.loss) for one in card.rounds if one.loss is not None]
    if known:
        numbers, losses = zip(*known, strict=True)
        upper.plot(numbers, losses, color=_BLUE, marker="o", markersize=4, linewidth=1.8)
    else:
        upper.text(0.5, 0.5, "no member tells its loss", ha="center", transform=upper.transAxes)
    upper.set_ylabel("Mean training loss (nats)")
    seconds = sum(one.milliseconds for one in card.rounds) / 1_000
    took = f" in {seconds:,.0f} s" if seconds else ""
    upper.set_title(f"{card.plan.task}: {len(card.rounds)} rounds{took}", loc="left")
    _draw_outcomes(lower, card, members)
    lower.set_xlabel("Round")
    return figure


def _draw_outcomes(axes: Any, card: ModelCard, members: Sequence[str]) -> None:
    points: dict[str, list[tuple[int, int]]] = {}
    for one in card.rounds:
        left_out = {left.member: left.outcome for left in one.left_out}
        for row, member in enumerate(members):
            points.setdefault(left_out.get(member, "OK"), []).append((one.number, row))
    for outcome, places in points.items():
        mark, colour, name = _MARKS.get(outcome, ("d", _GREY, outcome.lower()))
        across, down = zip(*places, strict=True)
        size = 28 if len(card.rounds) <= 60 else 8
        axes.scatter(across, down, marker=mark, color=colour, s=size, label=name)
    axes.set_yticks(range(len(members)), members)
    axes.set_ylim(len(members) - 0.5, -0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.figure.legend(loc="outside lower left", ncols=4, fontsize=8)


def _figure(width: float, height: float) -> Any:
    figures = importlib.import_module("matplotlib.figure")
    return figures.Figure(figsize=(width, height), layout="constrained")


def _write(figure: Any, form: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def _library() -> Any:
    try:
        return importlib.import_module("matplotlib")
    except ImportError as error:
        raise DocumentError(
            "plots need the package matplotlib",
            reason="PLOTS_UNAVAILABLE",
            hint="pip install 'tocsin[train]'",
        ) from error
