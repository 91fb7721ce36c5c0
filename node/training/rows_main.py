"""Answer one question about a member's own rows in a process of its own, and end.

Reading a large table takes the interpreter for seconds; the node has others to answer meanwhile.
The frame's header names what is asked, where model and rows are, and for a score the subject.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from federation.errors import FederationError
from node.training.fence import claim_pipe, close_fence
from node.training.frames import encode_frame, read_frame

CENSUS = "census"
ODDS = "odds"


def main() -> None:
    """Read a frame, answer it, end."""
    given, taken = claim_pipe()
    asked, _ = read_frame(given)
    close_fence(network=bool(asked["network"]))
    try:
        header, body = _answer(asked)
    except FederationError as error:
        header, body = {"refused": error.reason}, b""
    taken.write(encode_frame(header, body))
    taken.flush()


def _answer(asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from federation.training.released import ReleasedModel
    from federation.training.table import open_table

    model = ReleasedModel.parse(Path(asked["model"]).read_bytes())
    as_text = {asked["column"]} if asked["column"] else set()
    table = open_table(asked["address"], asked["query"], as_text)
    if asked["ask"] == CENSUS:
        return _census(model, table)
    return _odds(model, table, asked)


def _census(model: Any, table: Any) -> tuple[dict[str, Any], bytes]:
    from federation.training.drift import take_census
    from federation.training.scaling import Scaling
    from federation.training.table import check_table

    schema = model.schema
    rows = check_table(table, schema, labelled=schema.label in table.columns)
    scaling = Scaling.parse(schema, model.plan.model.bins, model.scaling)
    return {}, take_census(schema, scaling, rows).astype("<i8").tobytes()


def _odds(model: Any, table: Any, asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Give the levels of the subject's rows; of several the highest counts."""
    import numpy as np

    from federation.training.fusion import level_of
    from federation.training.scaling import Scaling
    from federation.training.scorer import build_scorer
    from federation.training.table import check_table

    cells = table.columns.get(asked["column"], np.zeros(0, object))
    places = np.array([place for place, cell in enumerate(cells) if _is(cell, asked)], np.intp)
    if not len(places):
        return {"level": None}, b""
    rows = check_table(table.select(places), model.schema, labelled=False)
    prior = Scaling.parse(model.schema, model.plan.model.bins, model.scaling).prior
    return {"level": int(level_of(build_scorer(model).log_odds(rows), prior).max())}, b""


def _is(cell: str | None, asked: dict[str, Any]) -> bool:
    """Say whether a cell, however it is written, is the value in its one canonical form."""
    from federation.indicators import IndicatorError, kind_by_name, parse_indicator

    if cell is None or cell == asked["value"]:
        return cell is not None
    try:
        kind, region = kind_by_name(asked["kind"]), asked["region"] or None
        return parse_indicator(kind, cell, region=region).value == str(asked["value"])
    except IndicatorError:
        return False


if __name__ == "__main__":
    main()
