"""Card, plots and assessment are read and written in a home without a running node."""

from __future__ import annotations

import hashlib
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("flwr")
pytest.importorskip("matplotlib")

from federation.training.assessment import Assessment
from tests.training.cards import model_card

LAUNCH = (sys.executable, "-c", "from node.cli import main; main()", "--home")
ANSWERS = ("", "wrong alarms", "verification first", "low", "", "", "risk office", "approved")
SECONDS = 60.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a home with nothing but a member's card and a model's."""
    (tmp_path / "member.json").write_text("{}")
    directory = tmp_path / "training" / model_card().plan_digest.hex()
    directory.mkdir(parents=True)
    (directory / "card.json").write_bytes(model_card().encode())
    return tmp_path


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    digest = model_card().plan_digest.hex()[:8]
    command = [*LAUNCH, str(home), "train", arguments[0], digest, *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def record(home: Path) -> Assessment:
    directory = home / "training" / model_card().plan_digest.hex()
    return Assessment.parse((directory / "assessment.json").read_bytes())


def test_the_card_is_shown_for_people_and_for_programs(home: Path) -> None:
    text, raw = run(home, "card"), run(home, "card", "--json")

    assert text.stdout == model_card().markdown()
    assert hashlib.sha256(raw.stdout.encode()).digest() == model_card().digest()


def test_without_a_terminal_an_assessment_comes_from_a_file(home: Path, tmp_path: Path) -> None:
    alone = run(home, "assess")
    template = run(home, "assess", "--template").stdout
    file = tmp_path / "filled.toml"
    file.write_text(template.replace('reviewer = ""', 'reviewer = "risk office"'))
    recorded = run(home, "assess", "--file", str(file))

    assert alone.returncode == 1
    assert "[ASSESSMENT_MISSING]" in alone.stderr
    assert recorded.returncode == 0, recorded.stderr
    assert record(home).decision == "refused"  # nobody approves by filling in a name
    assert len(record(home).risks) == 3
    assert record(home).digest().hex() in recorded.stdout

    file.write_text(template)
    unsigned = run(home, "assess", "--file", str(file))

    assert "[ASSESSMENT_MALFORMED]" in unsigned.stderr
    assert "reviewer" in unsigned.stderr


def test_a_person_at_a_terminal_is_asked(home: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*LAUNCH, str(home), "train", "assess", model_card().plan_digest.hex()]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as asked:
        try:
            os.write(ours, "".join(f"{line}\n" for line in ANSWERS).encode())
            out, error = asked.communicate(timeout=SECONDS)
        finally:
            asked.kill()
            os.close(ours)
            os.close(theirs)

    assert asked.returncode == 0, error.decode()
    assert b"approved" in out
    record(home).check(model_card())
    assert record(home).purpose == model_card().plan.data_use.purpose
    assert [one.risk for one in record(home).risks] == ["wrong alarms"]
    assert record(home).reviewed_time.timestamp() <= time.time()


def test_plots_are_written_beside_the_card(home: Path) -> None:
    drawn = run(home, "plot").stdout.split()

    assert len(drawn) == 6
    for name in drawn:
        assert Path(name).stat().st_size > 1_000
        assert Path(name).parent.name == "plots"


def test_an_unknown_model_and_a_damaged_card_have_their_own_reasons(home: Path) -> None:
    directory = home / "training" / model_card().plan_digest.hex()
    (directory / "card.json").write_bytes(b"{}")
    damaged = run(home, "card")
    (directory / "card.json").unlink()
    gone = run(home, "card")
    directory.rmdir()
    unknown = run(home, "plot")

    assert "[CARD_MALFORMED]" in damaged.stderr
    assert "[CARD_MISSING]" in gone.stderr
    assert "[MODEL_UNKNOWN]" in unknown.stderr
    assert {damaged.returncode, gone.returncode, unknown.returncode} == {1}
