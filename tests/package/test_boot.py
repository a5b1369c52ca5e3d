# SPDX-License-Identifier: MIT
"""What boots the container of tests/system: it takes nothing but a clone, leaves nothing behind
however it ends, and where it cannot boot anything says why."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
BOOT = ROOT / "tests/system/boot.sh"
CACHE = ROOT / "build/boot"
SECONDS = 600


def boot(*command, cache=CACHE, packages=(), wrapper=(), work="/tmp", **environment):
    return subprocess.Popen([*wrapper, BOOT, cache, *packages, "--", *command],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "TMPDIR": str(work), **environment})


def run(*command, **options):
    process = boot(*command, **options)
    output, _ = process.communicate(timeout=SECONDS)
    return process.returncode, output


@pytest.fixture
def refusal():
    """Skips the test where no container can be had."""
    status, output = run("sh", "-c", "echo refused: $BOOT_REFUSED")
    assert status == 0, output
    reason = output.splitlines()[-1].removeprefix("refused:").strip()
    if reason:
        pytest.skip(f"no booted systemd: {reason}")


def left_behind(work):
    """Processes, mounts, control groups and directories."""
    found = [str(path) for path in pathlib.Path(work).iterdir()]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"TMPDIR={work}".encode() in environment and int(pid) != os.getpid():
            found.append(f"process {pid}")
    mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    return found + [line for line in mounts.splitlines() if str(work) in line]


def groups():
    """Containers' control groups, by a look at all of them that nobody else notices."""
    return set(subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c",
         "mount -t cgroup2 none /sys/fs/cgroup && ls /sys/fs/cgroup"], check=True,
        stdout=subprocess.PIPE, text=True).stdout.split())


def test_the_status_is_the_commands_and_nothing_is_left_behind(refusal, tmp_path):
    status, output = run("sh", "-c", "nsenter --target $BOOT_LEADER --all systemctl "
                         "is-system-running; echo group $BOOT_GROUP; exit 7", work=tmp_path)
    assert status == 7 and output.startswith("running\n"), output
    assert not left_behind(tmp_path)
    assert output.split()[-1] not in groups()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
                         ids=lambda how: how.name)
def test_ended_by_a_signal_it_leaves_nothing_behind(refusal, tmp_path, how):
    process = boot("sh", "-c", "echo group $BOOT_GROUP; exec sleep 1000", work=tmp_path)
    group = process.stdout.readline().split()[1]
    assert group in groups() and left_behind(tmp_path)
    process.send_signal(how)
    assert process.wait(60) == 128 + how
    end = time.monotonic() + 30
    while left_behind(tmp_path):
        assert time.monotonic() < end, left_behind(tmp_path)
        time.sleep(0.05)
    assert group not in groups()


def test_killed_it_takes_everything_with_it_and_the_next_run_tidies_up(refusal, tmp_path):
    process = boot("sh", "-c", "echo group $BOOT_GROUP; exec sleep 1000", work=tmp_path)
    group = process.stdout.readline().split()[1]
    process.kill()
    process.wait(60)
    end = time.monotonic() + 30
    while any("process" in what for what in left_behind(tmp_path)):
        assert time.monotonic() < end, left_behind(tmp_path)
        time.sleep(0.05)
    status, output = run("true", work=tmp_path)
    assert status == 0, output
    assert not left_behind(tmp_path) and group not in groups()


def test_without_privileges_it_says_why_and_runs_the_command_all_the_same(tmp_path):
    done = subprocess.run(["unshare", "--user", "true"], check=False, stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        pytest.skip("nobody but root is to be had")
    status, output = run("sh", "-c", "echo $BOOT_REFUSED; exit 7", cache=tmp_path / "cache",
                         wrapper=["unshare", "--user"])
    assert (status, output) == (7, "only root can boot a container\n")


def test_without_package_sources_it_says_why(refusal, tmp_path):
    status, output = run(
        "sh", "-c", "echo $BOOT_REFUSED; exit 7", cache=tmp_path / "cache",
        wrapper=["unshare", "--mount", "--propagation", "private", "sh", "-c",
                 'mount -t tmpfs none /etc/apt && exec "$@"', "sh"])
    assert status == 7 and "apt has no sources for a Debian root" in output, output


def test_a_machine_that_boots_with_the_package_has_the_room(refusal, tmp_path):
    """Installed where no systemd runs, as in the making of an image; so it is after a reboot."""
    inside = "nsenter --target $BOOT_LEADER --all env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "
    status, output = run(
        "sh", "-euc", f"""
        {inside} systemctl is-system-running
        {inside} systemctl is-active chatroom.socket chatroom-control.socket
        {inside} systemctl is-active chatroom.service || :
        {inside} systemctl show --property=Listen chatroom.socket
        {inside} chatctl token list --json
        {inside} systemctl is-active chatroom.service""", work=tmp_path,
        packages=(ROOT / "build/deb").glob("chatroom_*.deb"), BOOT_INSTALLED="yes")
    assert status == 0, output
    assert output.split() == ["running", "active", "active", "inactive", "Listen=[::]:50051",
                              "(Stream)", *'{ "tokens": [] }'.split(), "active"]
