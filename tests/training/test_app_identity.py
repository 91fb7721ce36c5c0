"""One byte of the app more or less is another app."""

import shutil
from pathlib import Path

from federation.training import app_identity
from federation.training.app_identity import app_digest

OWN = Path(app_identity.__file__).parent


def test_a_copy_of_the_app_is_the_same_app(tmp_path: Path) -> None:
    copy = _copy(tmp_path)

    assert app_digest(copy) == app_digest()


def test_one_byte_another_name_or_a_file_more_is_another_app(tmp_path: Path) -> None:
    copy = _copy(tmp_path)
    plan = copy / "plan.py"
    text = plan.read_bytes()

    plan.write_bytes(text + b"\n")
    assert app_digest(copy) != app_digest()
    plan.write_bytes(text)
    assert app_digest(copy) == app_digest()
    (copy / "plan.py").rename(copy / "plans.py")
    assert app_digest(copy) != app_digest()
    (copy / "plans.py").rename(plan)
    (copy / "more.py").write_text("")
    assert app_digest(copy) != app_digest()


def _copy(folder: Path) -> Path:
    return Path(shutil.copytree(OWN, folder / "app", ignore=shutil.ignore_patterns("__pycache__")))
