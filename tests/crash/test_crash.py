# SPDX-License-Identifier: MIT
"""What was acknowledged is there, once and in order, whatever happens to the daemon: crash.py, run
once, and what came of it."""
import json
import os
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
RESTARTS = int(os.environ.get("CHATROOM_RESTARTS", "20"))
SECONDS = 60 + 5 * RESTARTS


def crash(folder, restarts, *arguments):
    """(exit status, output, what it found)"""
    path = folder / "result.json"
    done = subprocess.run([os.path.join(HERE, "crash.py"), "--restarts", str(restarts), "--json",
                           str(path), *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS, check=False)
    print(done.stdout)
    assert path.exists(), f"no result:\n{done.stdout}"
    return done.returncode, done.stdout, json.loads(path.read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return crash(tmp_path_factory.mktemp("crash"), RESTARTS)


def test_nothing_that_was_acknowledged_is_lost(run):
    status, output, result = run
    assert result["counts"].get("losses", 0) == 0, output
    assert status == 0, output


def test_nothing_is_there_twice(run):
    assert run[2]["counts"].get("duplicates", 0) == 0, run[1]


def test_everything_is_in_order(run):
    assert run[2]["counts"].get("disorder", 0) == 0, run[1]


def test_nothing_is_there_that_nobody_sent(run):
    assert run[2]["counts"].get("inventions", 0) == 0, run[1]
    assert run[2]["counts"].get("others", 0) == 0, run[1]


def test_the_file_agrees(run):
    assert run[2]["second"] == [], run[1]


def test_the_epoch_stays(run):
    assert run[2]["epochs"] == 1, run[1]


def test_it_was_a_test(run):
    """People talked, and the daemon did crash."""
    _, output, result = run
    assert result["acks"] >= 20 * RESTARTS, output
    assert result["killed"] + result["drained"] >= RESTARTS, output
    assert result["killed"] > RESTARTS / 4 and result["slept"] > 0, output


def test_links_went_down(run):
    if not run[2]["links"]:
        pytest.skip("networks of their own take root: no link was cut")
    assert run[2]["cut"] > 0, run[1]


def test_a_lost_message_is_noticed(tmp_path):
    """One is taken out of the log between two lives of the daemon."""
    status, output, result = crash(tmp_path, 2, "--sabotage")
    assert status == 1, output
    assert result["problems"] and result["second"], output


def test_who_is_gone_without_a_word_is_noticed():
    """Nothing is said meanwhile: only looking for him tells. It should take 50 seconds at most."""
    done = subprocess.run([os.path.join(HERE, "dead_peer.py")], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS, check=False)
    if done.returncode == 2:
        pytest.skip("networks of their own take root: no link was cut")
    assert done.returncode == 0, done.stdout
    assert float(done.stdout) <= 55, done.stdout
