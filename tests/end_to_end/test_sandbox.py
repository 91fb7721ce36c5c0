"""A sandbox keeps running by itself, comes back as it was, and never takes what is not its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from node.sandbox import SandboxError

pytestmark = pytest.mark.timeout(300)

MEMBERS = ("carrier-a", "bank-x", "net-p", "partner-k")
LAUNCH = "from node.cli import main; main()"


def tocsin(*arguments):
    return subprocess.run(
        [sys.executable, "-c", LAUNCH, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def processes(sandbox):
    return {state.member: state.process_id for state in sandbox.status()}


def band(sandbox, member, value):
    done = tocsin("--home", sandbox.home(member).root, "check", "phone", value, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["band"]


def test_a_federation_outlives_the_command_that_started_it_and_comes_back_as_it_was(new_sandbox):
    sandbox = new_sandbox(*MEMBERS)
    up = ("sandbox", "up", sandbox.directory, "--members", ",".join(MEMBERS))
    started = tocsin(*up)
    assert started.returncode == 0, started.stderr
    first = processes(sandbox)
    home = sandbox.home("carrier-a").root
    fields = ("--fraud-type", "loan", "--confidence", "80")
    said = tocsin("--home", home, "nominate", "phone", "+9990000001", *fields)

    assert said.returncode == 0, said.stderr
    assert all(first.values())
    assert len(set(first.values())) == len(MEMBERS)
    assert os.getsid(first["bank-x"]) != os.getsid(0)

    again = tocsin(*up)

    assert again.returncode == 0, again.stderr
    assert processes(sandbox) == first

    ended = tocsin("sandbox", "down", sandbox.directory)
    state = tocsin("sandbox", "status", sandbox.directory, "--json")

    assert ended.returncode == 0, ended.stderr
    assert not any(processes(sandbox).values())
    assert state.returncode == 1
    assert [json.loads(line)["reason"] for line in state.stdout.splitlines()] == ["DOWN"] * 4

    sandbox.up()

    assert not set(processes(sandbox).values()) & set(first.values())
    assert {band(sandbox, member, "+999 000-0001") for member in MEMBERS} <= {"MEDIUM", "HIGH"}

    fresh = tocsin(*up, "--fresh")

    assert fresh.returncode == 0, fresh.stderr
    assert band(sandbox, "partner-k", "+999 000-0001") == "NONE"


def test_one_node_can_lose_its_power_and_come_back(new_sandbox):
    sandbox = new_sandbox("carrier-a", "bank-x", "net-p")
    sandbox.up()
    before = processes(sandbox)
    sandbox.kill("bank-x")
    down = {state.member: state.reason for state in sandbox.status()}
    sandbox.start("bank-x")
    after = processes(sandbox)

    assert down == {"carrier-a": "", "bank-x": "DOWN", "net-p": ""}
    assert after["bank-x"] not in (None, before["bank-x"])
    assert after["net-p"] == before["net-p"]


def test_a_node_that_cannot_start_is_named_with_its_own_words(new_sandbox):
    sandbox = new_sandbox("bank-x")
    sandbox.build()
    with sandbox.home("bank-x").config.open("a") as settings:
        settings.write('\npool_seconds = "soon"\n')

    with pytest.raises(SandboxError) as caught:
        sandbox.up()

    assert caught.value.reason == "SANDBOX_NODE_FAILED"
    assert "CONFIG_INVALID" in str(caught.value)


def test_fresh_refuses_a_directory_that_is_no_sandbox(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = tocsin("sandbox", "up", tmp_path, "--members", "bank-x", "--fresh")

    assert done.returncode == 2
    assert "SANDBOX_DIRECTORY_TAKEN" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_nodes_stop_at_once_though_their_peers_watch_them(new_sandbox):
    sandbox = new_sandbox("carrier-a", "bank-x", "net-p")
    sandbox.up()
    started = time.monotonic()
    sandbox.down()

    # Well below the grace of ten seconds that calls under way have.
    assert time.monotonic() - started < 8
