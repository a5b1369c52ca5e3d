# SPDX-License-Identifier: MIT
"""The benchmark's machinery: whether it measures, counts, notices and reports; no speeds."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import types

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import measure  # noqa: E402
import report  # noqa: E402
from servers import BY_NAME, ROOT  # noqa: E402

BUILD = pathlib.Path(os.environ.get("CHATROOM_BUILD", ROOT / "build"))
FRAME = 80
RECEIVERS = 8


@pytest.fixture(scope="module", autouse=True)
def programs():
    subprocess.run(["ninja", "-C", str(BUILD), "--quiet", "bench-programs"], check=True)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    done = subprocess.run(["/usr/bin/python3", str(HERE / "bench.py"), "--plan", "smoke",
                           "--build", str(BUILD), "--output", str(output)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return types.SimpleNamespace(text=done.stdout, output=output,
                                 results=json.loads((output / "results.json").read_text()))


@pytest.mark.parametrize("name", ["chatroomd", "no-history", "v1", "one-send", "coalesce",
                                  "python"])
def test_each_server_of_our_own_is_measured(smoke, name):
    (run,) = [run for run in smoke.results["runs"] if run["server"] == name]
    for figure in ("rate", "cost_us", "server_cores", "load_cores", "p50_ms", "p99_ms",
                   "steady_rate", "base_mib"):
        assert run[figure] > 0, figure
    assert run["p50_ms"] <= run["p99_ms"]


def test_a_server_that_is_not_measured_is_named(smoke):
    measured = {run["server"] for run in smoke.results["runs"]}
    for name in BY_NAME.keys() - measured:
        assert f"Not measured: {name}: {smoke.results['skipped'][name]}" in smoke.text


def test_the_daemon_delivers_in_one_order(smoke):
    ours = [run for run in smoke.results["runs"]
            if run["server"] in ("chatroomd", "no-history", "v1")]
    assert len(ours) == 3 and all(run["one_order"] for run in ours)


def test_the_daemon_alone_is_measured(smoke):
    extra = smoke.results["extra"]
    assert extra["users"][0]["calls"] > 0
    assert extra["users"][0]["p50_ms"] <= extra["users"][0]["p99_ms"]
    assert 0 < extra["rejoin"][0]["stop_s"] < extra["rejoin"][0]["seconds"]
    assert extra["slow"][0]["growth_mib"] > 0 and extra["slow"][0]["p99"] > 0
    assert len(extra["start"][0]["ms"]) == 1 and extra["idle"][0]["cores"] < 1


def test_what_is_measured_later_is_added(smoke, tmp_path):
    before = smoke.results
    shutil.copy(smoke.output / "results.json", tmp_path)
    done = subprocess.run(
        ["/usr/bin/python3", str(HERE / "bench.py"), "--plan", "smoke", "--build", str(BUILD),
         "--output", str(tmp_path), "--add", "--parts", "runs,start", "--servers", "chatroomd"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    after = json.loads((tmp_path / "results.json").read_text())

    def others(results):
        return [run for run in results["runs"] if run["server"] != "chatroomd"]
    assert others(after) == others(before)
    assert len(after["runs"]) == len(before["runs"]) and after["runs"] != before["runs"]
    assert after["extra"].pop("start") != before["extra"]["start"]
    assert after["extra"].items() < before["extra"].items()
    text = (tmp_path / "RESULTS.md").read_text()
    assert text.count("command: tests/bench/bench.py --plan smoke") == 2
    assert "| one-send " in text and "until all have rejoined" in text
    assert "Left out: hold (--parts hold)" in text


def test_the_report_is_written(smoke):
    text = (smoke.output / "RESULTS.md").read_text()
    assert text in smoke.text + "\n"
    assert "start to READY" in text and "idle members" in text
    assert "| chatroomd " in text and "| v1 " in text
    assert "tests/bench/bench.py --plan smoke" in text
    assert "<svg" in (smoke.output / "growth.svg").read_text()


class Relay:
    """A yardstick in miniature that can be made to err: `change` gets (number of the frame,
    receiver, frame) and returns what that receiver is sent."""

    def __init__(self, change):
        self.change = change
        self.clients = []
        self.frames = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.process = types.SimpleNamespace(pid=os.getpid())
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                with self.lock:
                    self.clients.append(client)
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client.makefile("rb") as stream:
            while frame := stream.read(FRAME):
                with self.lock:
                    # Probes are not counted, so nothing is done to them.
                    self.frames += frame[20:21] == b"#"
                    for number, other in enumerate(self.clients):
                        if other is not client:
                            other.sendall(self.change(self.frames, number, frame))

    def close(self):
        self.listener.close()
        with self.lock:
            for client in self.clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)


TOO_MANY = r"delivered: \d+, not \d+"
ERRORS = {
    "none": (lambda n, to, frame: frame, None),
    "one delivery is missing": (
        lambda n, to, frame: b"" if (n, to) == (40, 12) else frame, "Connection timed out"),
    "one comes twice": (
        lambda n, to, frame: frame * (2 if (n, to) == (40, 12) else 1), TOO_MANY),
    "one comes twice to one, and not to another": (
        lambda n, to, frame: frame * (2 if to == 12 else 0 if to == 13 else 1) if n == 40
        else frame, "wrong_connections: 2"),
    "one that was never sent": (
        lambda n, to, frame: frame + frame.replace(b"#0", b"#f") if (n, to) == (40, 12)
        else frame, TOO_MANY),
    "a frame is broken": (
        lambda n, to, frame: b"\0" * FRAME if (n, to) == (40, 12) else frame, "Bad message"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_what_a_server_does_wrong_is_noticed(error, monkeypatch):
    change, complaint = ERRORS[error]
    monkeypatch.setattr(measure, "DRAIN_SECONDS", 2)
    relay = Relay(change)
    try:
        with measure.Load(BUILD, BY_NAME["one-send"], relay, RECEIVERS) as load:
            assert load.answer(30)["joined"] == RECEIVERS + measure.SENDERS
            if complaint:
                with pytest.raises(measure.Fault, match=complaint):
                    load.ask("burst 0.2", 30)
            else:
                assert load.ask("burst 0.2", 30)["deliveries"] > 0
    finally:
        relay.close()


def test_a_lost_connection_is_noticed():
    relay = Relay(lambda n, to, frame: frame)
    with measure.Load(BUILD, BY_NAME["one-send"], relay, RECEIVERS) as load:
        load.answer(30)
        relay.close()
        with pytest.raises(measure.Fault):
            load.ask("burst 0.2", 30)


def test_a_slow_reader_that_is_not_cut_is_noticed(monkeypatch):
    monkeypatch.setattr(measure, "CUT_SECONDS", 0.5)
    with pytest.raises(measure.Fault, match=r"of \d+ sockets \d+ are left"):
        measure.slow(BUILD, BY_NAME["one-send"], RECEIVERS + measure.SLOW, 0.2, 0.2)


def test_stalled_connections_are_not_expected_to_receive():
    relay = Relay(lambda n, to, frame: frame)
    try:
        with measure.Load(BUILD, BY_NAME["one-send"], relay, RECEIVERS) as load:
            load.answer(30)
            load.ask("burst 0.1", 1)
            stalled = load.ask("stall 3", 1)
            others = RECEIVERS + measure.SENDERS - 3
            burst = load.ask("burst 0.1", 1)
            new = burst["sent"] - stalled["sent"]
            assert burst["expected"] - stalled["expected"] == new * (others - 1) > 0
    finally:
        relay.close()


RUNS = [
    {"server": "chatroomd", "receivers": 1000, "round": 0, "rate": 300.0, "p50_ms": 1.0},
    {"server": "one-send", "receivers": 1000, "round": 0, "rate": 100.0, "p50_ms": 2.0},
    {"server": "chatroomd", "receivers": 1000, "round": 1, "rate": 800.0},
    {"server": "one-send", "receivers": 1000, "round": 1, "rate": 200.0},
    {"server": "chatroomd", "receivers": 1000, "round": 2, "rate": 100.0},
    {"server": "one-send", "receivers": 1000, "round": 2, "rate": 1000.0},
    {"server": "chatroomd", "receivers": 5000, "round": 0, "rate": 7.0},
]


def test_a_ratio_is_the_median_of_the_rounds():
    rows = {row[0]: row for row in report.ratio_rows(RUNS)}
    assert rows["deliveries/s ÷ raw epoll, one send"] == [
        "deliveries/s ÷ raw epoll, one send", 1000, "3", "0.1–4", "≥ 3", "yes"]
    assert rows["p50 at 20,000/s ÷ raw epoll, one send"][2:] == ["0.5", "0.5–0.5", "≤ 1.25", "yes"]
    assert len(rows) == 2  # of what was measured in the same rounds


def test_a_missed_target_is_said():
    runs = [dict(run, rate=run["rate"] / 2) if run["server"] == "chatroomd" else run
            for run in RUNS]
    (row,) = [row for row in report.ratio_rows(runs) if row[0].endswith("one send")
              and row[0].startswith("deliveries")]
    assert row[2:] == ["1.5", "0.05–2", "≥ 3", "NO"]
