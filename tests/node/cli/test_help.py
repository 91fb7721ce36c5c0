"""The command line as a whole: help, errors of two lines, exit codes, and what it loads."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from node.cli import _COMMANDS

_HEAVY = ("grpc", "google.protobuf", "sqlite_utils", "phonenumbers", "cryptography", "structlog")


def every_command():
    for name, (module, _) in _COMMANDS.items():
        yield from _below(name, getattr(import_module(module), f"{name.replace('-', '_')}_command"))


def _below(path, command):
    yield pytest.param(path, command, id=path)
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _below(f"{path} {name}", inner)


@pytest.mark.parametrize(("path", "command"), list(every_command()))
def test_every_command_explains_itself_with_examples(tocsin, path, command):
    shown = tocsin(*path.split(), "--help")

    assert shown.code == 0
    assert "EXAMPLES\n" in shown.out
    assert f"tocsin {path}" in shown.out or f" {path} " in shown.out
    sentence = command.help.strip()
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(("path", "command"), list(every_command()))
def test_every_option_says_what_it_is_for(path, command):
    options = [item for item in command.params if isinstance(item, click.Option)]

    assert [item.name for item in options if not item.help] == []


def test_every_command_of_the_table_exists_and_is_listed(tocsin):
    listed = tocsin("--help")

    assert all(f"\n  {name} " in listed.out for name in _COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("chek", "domain", "a.example"), 2, "did you mean check?"),
        (("check",), 2, "give either KIND VALUE or --file FILE"),
        (("check", "domain", "a.example", "--file", "x.csv"), 2, "give either"),
        (("check", "--colour"), 2, "no such option"),
        (("opine", "domain", "a.example"), 2, "--opinion"),
        (("check", "domain", "a.example"), 2, "[NOT_INITIALISED]"),
        (("check", "domain", "a.example", "--purpose", "MARKETING"), 1, "[PURPOSE_NOT_ALLOWED]"),
        (("check", "domain", "a.example", "--purpose", ""), 1, "[PURPOSE_NOT_ALLOWED]"),
        (("check", "--file", "-", "--map", "colour=x"), 1, "[MAP_INVALID]"),
        (("node", "status"), 2, "[NOT_INITIALISED]"),
        (("config", "show"), 2, "[NOT_INITIALISED]"),
        (("charter", "show"), 2, "[NOT_INITIALISED]"),
        (("conformance", "oprf", "absent.json"), 1, "[FILE_UNREADABLE]"),
    ],
)
def test_errors_are_two_lines_and_a_code(tocsin, tmp_path, arguments, code, message):
    ended = tocsin("--home", tmp_path / "nothing", *arguments)
    lines = ended.err.splitlines()

    assert ended.code == code
    assert message in lines[0]
    assert lines[0].startswith("tocsin: error: ")
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("tocsin: hint: "))
    assert ended.out == ""


def test_a_home_without_a_running_node_gets_the_command_to_start_one(tocsin, home):
    ended = tocsin("--home", home.root, "status")

    assert ended.code == 1
    assert "[NODE_NOT_RUNNING]" in ended.err
    assert f"tocsin: hint: tocsin --home {home.root} node run" in ended.err


def run_python(code):
    done = subprocess.run(  # our own interpreter and code
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["nonsense"]])
def test_the_front_page_loads_nothing_heavy(arguments):
    found = run_python(
        "import sys\n"
        "from node.cli import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print('HEAVY', [name for name in {_HEAVY!r} if name in sys.modules])\n"
    )

    assert "HEAVY []" in found


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_under_the_output_is_said(home):
    code = f"from node.cli import main\nmain(['--home', {str(home.root)!r}, 'config', 'show'])\n"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(  # our own interpreter and code
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert done.returncode == 1
    assert b"tocsin: error: the system refused: No space left on device" in done.stderr
    assert b"tocsin: hint: make room, and run it again" in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_bytes_that_are_no_text_are_refused_in_two_lines(tocsin, home, monkeypatch):
    def encode(*_arguments):
        "\udcff".encode()

    monkeypatch.setattr("node.cli.config.table", encode)
    ended = tocsin("--home", home.root, "config", "show")

    assert ended.code == 2
    assert "tocsin: error: there is text outside this terminal's encoding\n" in ended.err
    assert "tocsin: hint: use UTF-8" in ended.err


def test_a_reader_that_has_enough_is_no_error(home):
    code = (
        "import sys\n"
        "from node.cli import main\n"
        "import node.cli.config\n"
        "def endless(*_):\n"
        "    while True:\n"
        "        print('row')\n"
        "node.cli.config.table = endless\n"
        f"main(['--home', {str(home.root)!r}, 'config', 'show'])\n"
    )
    writer = subprocess.Popen(  # our own interpreter and code
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    writer.stdout.readline()
    writer.stdout.close()
    said = writer.stderr.read()
    writer.stderr.close()

    assert writer.wait(timeout=30) == 1
    assert said == b""
