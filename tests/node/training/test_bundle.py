"""A file of a model counts only if it is the one that the log names, down to each threshold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from federation.matters import State
from federation.training.plan import ModelChoice
from federation.training.released import ReleasedModel
from federation.training.scaling import Scaling
from node.training.bundle import (
    Bundles,
    ModelFile,
    ModelFileError,
    check_file,
    read_model,
    wanted_files,
)
from tests.node.training.model_world import ASSESSMENT, CARD, SCHEMA, matter, model

MODEL = model()


def test_the_log_names_the_model_first_and_its_papers_from_the_shadow_stage_on() -> None:
    evaluated = wanted_files(matter(MODEL, State.EVALUATED))
    released = wanted_files(matter(MODEL, State.RELEASED))

    assert set(evaluated) == {ModelFile.MODEL}
    assert set(released) == set(ModelFile)
    assert wanted_files(matter(MODEL, State.ENROLLED)) == {}
    assert wanted_files(matter(MODEL, State.RETIRED)) == {}


def test_the_right_files_are_kept_whole_and_for_the_owner_alone(tmp_path: Path) -> None:
    bundles, released = Bundles(tmp_path), matter(MODEL)
    files = {
        ModelFile.MODEL: MODEL.encode(),
        ModelFile.CARD: CARD,
        ModelFile.ASSESSMENT: ASSESSMENT,
    }
    for file, data in files.items():
        assert not bundles.has(released, file)

        check_file(released, file, data)
        path = bundles.keep(released.id, file, data)

        assert bundles.has(released, file)
        assert path.read_bytes() == data
        assert path.stat().st_mode & 0o077 == 0

    assert sorted(path.name for path in bundles.directory(released.id).iterdir()) == [
        "assessment.json",
        "card.json",
        "model",
    ]
    assert read_model(released, bundles.read(released.id, ModelFile.MODEL)).digest() == (
        MODEL.digest()
    )


def _other_scaling() -> ReleasedModel:
    found = Scaling.parse(SCHEMA, MODEL.plan.model.bins, MODEL.scaling)
    return replace(MODEL, scaling=replace(found, prior=found.prior + 0.5).encode())


@pytest.mark.parametrize(
    "wrong",
    [
        replace(MODEL, vector=MODEL.vector * 1.01),
        _other_scaling(),
        replace(MODEL, threshold=0.4),
        replace(MODEL, action_threshold=0.1),
        replace(MODEL, plan=replace(MODEL.plan, rounds=2)),
        replace(
            MODEL, plan=replace(MODEL.plan, model=ModelChoice(width=4, networks=2, bins=3, seed=9))
        ),
    ],
    ids=["parameters", "scaling", "threshold", "action threshold", "plan", "seed"],
)
def test_a_model_that_differs_in_anything_that_decides_a_score_is_refused(
    wrong: ReleasedModel,
) -> None:
    with pytest.raises(ModelFileError) as caught:
        check_file(matter(MODEL), ModelFile.MODEL, wrong.encode())

    assert caught.value.reason == "MODEL_FILE_WRONG"


@pytest.mark.parametrize("data", [b"", b"no model", MODEL.encode()[:-1], CARD])
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    with pytest.raises(ModelFileError):
        check_file(matter(MODEL), ModelFile.MODEL, data)


def test_papers_of_other_bytes_are_refused() -> None:
    for file, data in ((ModelFile.CARD, ASSESSMENT), (ModelFile.ASSESSMENT, ASSESSMENT + b" ")):
        with pytest.raises(ModelFileError):
            check_file(matter(MODEL), file, data)


def test_a_file_that_was_damaged_does_not_count_any_more(tmp_path: Path) -> None:
    bundles, released = Bundles(tmp_path), matter(MODEL)
    path = bundles.keep(released.id, ModelFile.MODEL, MODEL.encode())

    assert bundles.has(released, ModelFile.MODEL)

    path.write_bytes(path.read_bytes()[:-1])

    assert not bundles.has(released, ModelFile.MODEL)
