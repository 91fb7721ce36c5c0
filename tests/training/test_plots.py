"""Plots are real images of what the card says, the same for the same card."""

import json
from xml.etree import ElementTree

import pytest

pytest.importorskip("torch")
pytest.importorskip("flwr")
pytest.importorskip("matplotlib")
numpy = pytest.importorskip("numpy")

from federation.training.plots import draw_all  # noqa: E402
from tests.training.cards import MEMBERS, model_card  # noqa: E402

NAMES = {"precision-recall", "calibration", "rounds"}
CURVE = {"candidate": "x", "recall": [0.1, 1.0], "precision": [0.9, 0.4]}


def _texts(svg: bytes) -> str:
    root = ElementTree.fromstring(svg)  # our own
    return " ".join("".join(one.itertext()) for one in root.iter() if one.tag.endswith("text"))


def test_png_and_svg_are_valid_and_follow_from_the_card() -> None:
    images = pytest.importorskip("matplotlib.image")
    for form in ("png", "svg"):
        drawn = draw_all(model_card(), None, form)

        assert set(drawn) == {f"{name}.{form}" for name in NAMES}
        assert drawn == draw_all(model_card(), None, form)
    for content in draw_all(model_card(), None, "png").values():
        import io

        pixels = images.imread(io.BytesIO(content))

        assert pixels.shape[0] > 300
        assert pixels.shape[1] > 300
        assert numpy.unique(pixels[..., :3].reshape(-1, 3), axis=0).shape[0] > 20


def test_titles_axes_and_legends_say_what_is_drawn() -> None:
    drawn = draw_all(model_card(), None, "svg")
    texts = {name: _texts(content) for name, content in drawn.items()}

    assert "Recall: share of the fraud that is found" in texts["precision-recall.svg"]
    assert "federated, all members" in texts["precision-recall.svg"]
    assert "own rows" not in texts["precision-recall.svg"]
    assert "Mean training loss (nats)" in texts["rounds.svg"]
    assert "late or lost" in texts["rounds.svg"]
    for member in MEMBERS:
        assert member in texts["rounds.svg"]
    assert "expected calibration error" in texts["calibration.svg"]


def test_a_member_s_own_curves_are_drawn_where_it_has_them() -> None:
    own = json.loads(json.dumps({"federated_curve": CURVE, "local_curve": None}))
    text = _texts(draw_all(model_card(), own, "svg")["precision-recall.svg"])

    assert "federated, own rows" in text
    assert "own model, own rows" not in text
