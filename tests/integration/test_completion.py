# SPDX-License-Identifier: MIT
"""Completion in real shells: bash as its own scripts are called, and both shells on a terminal with
somebody who presses the tab key. Names come from the fake of fake_admin.py."""
import os
import re
import shutil
import stat
import subprocess
import tempfile

import pytest

import harness
from ctl import CHATCTL, Terminal, chatctl
from fake_admin import FakeAdmin, pb
from wire import ROOT

SCRIPTS = os.path.join(ROOT, "ctl", "completion")
BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"
CHAT = os.path.join(harness.BUILD, "client", "chat")
TOKENS = [pb.Token(id="0123456789ab", user="alice", label="her phone"),
          pb.Token(id="01ffffffffff", user="alice"),
          pb.Token(id="ba9876543210", user="bob", revoked=True),
          pb.Token(id="cccccccccccc", user="*")]
EVIL = "$(touch${IFS}evil)`touch${IFS}evil`'\"&|\\"  # a name that somebody may join by


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="chatroom-") as path:
        yield path


@pytest.fixture
def admin(directory):
    fake = FakeAdmin(os.path.join(directory, "control.sock"))
    fake.set("ListTokens", tokens=TOKENS)
    fake.set("ListUsers", users=[
        pb.User(name="alice", sessions=[pb.Session(id=3), pb.Session(id=17)]),
        pb.User(name="bob", sessions=[pb.Session(id=170)])])
    yield fake
    fake.stop()


def path_with(*folders):
    return os.pathsep.join([*folders, os.environ["PATH"]])


BUILT = path_with(os.path.dirname(CHATCTL), os.path.dirname(CHAT))

needs_zsh = pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
needs_chat = pytest.mark.skipif(not os.access(CHAT, os.X_OK), reason="chat is not built")
needs_library = pytest.mark.skipif(not os.path.exists(BASH_COMPLETION),
                                   reason="bash-completion is not installed")
with_and_without = pytest.mark.parametrize(
    "library", [pytest.param(BASH_COMPLETION, marks=needs_library), "/dev/null"],
    ids=["bash-completion", "plain"])


def completed(words, command="chatctl", library=BASH_COMPLETION, directory=None):
    """What bash would offer for the last of these words, as it would stand on the line."""
    line = " ".join([command, *words])
    # Bash hands each character that breaks words over as a word of its own; which those are, the
    # library changes.
    breaks = "=" if library == BASH_COMPLETION else "@="
    broken = [command, *(part for word in words
                         for part in re.findall(f"[{breaks}]|[^{breaks}]+", word) or [""])]
    script = ('source "$LIBRARY"; COMP_WORDBREAKS=$BREAKS; source "$SCRIPT"; '
              'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              'COMP_LINE=$LINE; COMP_POINT=${#COMP_LINE}; _$1; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(
        [*harness.sanitizers.prefix(harness.BUILD), "bash", "--norc", "-c", script, "bash",
         *broken], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=harness.DEADLINE, check=True, cwd=directory,
        env={"PATH": BUILT, "LANG": "C.UTF-8", "LIBRARY": library, "LINE": line, "HOME": "/",
             "BREAKS": " \t\n\"'><;|&(:" + breaks,
             "SCRIPT": os.path.join(SCRIPTS, f"{command}.bash")})
    assert done.stderr == ""
    return [line for line in done.stdout.split("\n") if line]


@with_and_without
def test_bash_offers_verbs_and_options(library):
    verbs = completed([""], library=library)
    assert {"users", "kick", "revoke", "unrevoke", "token", "reload", "status"} <= set(verbs)
    assert completed(["st"], library=library) == ["status"]
    assert completed(["token", "r"], library=library) == ["remove", "rotate"]
    assert completed(["kick", "x", "--re"], library=library) == ["--reason"]
    assert completed(["users", "--re"], library=library) == []


@with_and_without
def test_bash_offers_users_and_tokens_of_the_running_daemon(admin, library):
    def offered(*words):
        return completed(["--socket", admin.path, *words], library=library)

    assert offered("kick", "") == ["alice", "@3", "@17", "bob", "@170"]
    assert offered("kick", "a") == ["alice"]
    assert offered("revoke", "") == ["alice"]
    assert offered("unrevoke", "") == ["bob"]
    assert offered("revoke", "--token", "") == ["0123456789ab", "01ffffffffff", "cccccccccccc"]
    assert offered("unrevoke", "--token", "") == ["ba9876543210"]
    assert offered("token", "rotate", "012") == ["0123456789ab"]
    assert offered("token", "remove", "b") == ["ba9876543210"]
    assert offered("kick", "alice", "") == []


@with_and_without
def test_bash_offers_sessions_broken_in_two_or_not(admin, library):
    assert completed(["--socket", admin.path, "kick", "@17"], library=library) == ["@17", "@170"]
    assert completed(["--socket", admin.path, "kick", "@"], library=library) == \
        ["@3", "@17", "@170"]
    assert completed([f"--socket={admin.path}", "kick", "@3"], library=library) == ["@3"]


@with_and_without
def test_bash_offers_files_for_the_socket(admin, library):
    folder = os.path.dirname(admin.path)
    assert completed(["--socket", f"{folder}/con"], library=library) == [admin.path]
    assert completed([f"--socket={folder}/con"], library=library) == [admin.path]


@with_and_without
def test_a_name_does_nothing_on_the_command_line(admin, directory, library):
    admin.set("ListUsers", users=[pb.User(name=EVIL)])
    offered = completed(["--socket", admin.path, "kick", ""], library=library, directory=directory)
    assert len(offered) == 1
    echoed = subprocess.run(["bash", "-c", f"printf %s {offered[0]}"], capture_output=True,
                            text=True, check=True, cwd=directory)
    assert echoed.stdout == EVIL
    assert os.listdir(directory) == ["control.sock"]


def test_a_name_with_controls_in_it_is_not_offered(admin):
    admin.set("ListUsers", users=[pb.User(name="a\x1b[2J"), pb.User(name="b\nc"),
                                  pb.User(name="d\te"), pb.User(name="fine")])
    done = chatctl("__complete", "--socket", admin.path, "kick", "")
    assert (done.status, done.out) == (0, "fine\tuser\n")


# On a terminal


@pytest.fixture
def shells(directory):
    opened = []

    reports = os.path.join(directory, "sanitizer")

    def start(argv, env):
        shell = Terminal([*harness.sanitizers.prefix(harness.BUILD), *argv],
                         env={"PATH": BUILT, "LANG": "C.UTF-8", "TERM": "dumb",
                              "HOME": directory, **harness.sanitizers.environment(reports), **env})
        opened.append(shell)
        return shell

    yield start
    for shell in opened:
        shell.close()
    assert not harness.sanitizers.reports(reports), harness.sanitizers.reports(reports)


def start_bash(shells, directory, library):
    rc = os.path.join(directory, "bashrc")
    with open(rc, "w", encoding="utf-8") as f:
        f.write(f"PS1='ready> '\n. {library}\nbind 'set bell-style none'\n"
                f". {SCRIPTS}/chatctl.bash\n. {SCRIPTS}/chat.bash\n")
    shell = shells(["bash", "--rcfile", rc, "-i"], {})
    shell.wait_for("ready> ")
    return shell


@pytest.fixture
def zsh(shells, directory):
    with open(os.path.join(directory, ".zshrc"), "w", encoding="utf-8") as f:
        f.write(f"PS1='ready> '\nfpath=({SCRIPTS} $fpath)\nunsetopt beep promptsp\n"
                f"autoload -Uz compinit && compinit -u -D\n")
    shell = shells(["zsh", "-i"], {"ZDOTDIR": directory})
    shell.wait_for("ready> ")
    return shell


def pressed(shell, typed, expected):
    """Types, and presses the tab key: what was typed grows to what is expected."""
    since = len(shell.shown)
    shell.type(typed + "\t")
    shell.wait_for(re.escape(typed) + expected, since)
    shell.type("\x15")  # takes the line back


@with_and_without
def test_the_tab_key_in_bash(shells, directory, admin, library):
    bash = start_bash(shells, directory, library)
    pressed(bash, "chatctl sta", "tus ")
    pressed(bash, "chatctl token rot", "ate ")
    pressed(bash, f"chatctl --socket {admin.path} kick al", "ice ")
    pressed(bash, f"chatctl --socket={admin.path} kick al", "ice ")
    bash.type(f"chatctl --socket {admin.path} kick @3\t; echo $((40 + 2))\r")
    bash.wait_for(r"Kicked @3: 0 sessions\s+42")


@needs_zsh
def test_the_tab_key_in_zsh(zsh, admin):
    pressed(zsh, "chatctl sta", "tus ")
    pressed(zsh, "chatctl token rot", "ate ")
    pressed(zsh, f"chatctl --socket {admin.path} kick al", "ice ")
    pressed(zsh, f"chatctl --socket={admin.path} kick @3", " ")
    since = len(zsh.shown)
    zsh.type(f"chatctl --socket {admin.path} token remove 0\t\t")
    zsh.wait_for(r"0123456789ab +-- alice her phone", since)


@needs_zsh
def test_a_name_does_nothing_on_the_command_line_of_zsh(zsh, admin, directory):
    admin.set("ListUsers", users=[pb.User(name=EVIL)])
    zsh.type(f"chatctl --socket {admin.path} kick \t\r")
    zsh.wait_for("Kicked .*: 0 sessions")
    assert admin.last("Kick").user == EVIL
    assert not os.path.exists(os.path.join(directory, "evil"))


# The daemon is left alone


def systemctl(directory, status):
    """A folder with a systemctl that only has that exit status, and notes what it was asked."""
    path = os.path.join(directory, "systemctl")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\necho "$@" >>{directory}/asked\nexit {status}\n')
    os.chmod(path, stat.S_IRWXU)
    return directory


def complete_under_systemd(admin, directory, status):
    """Completion where systemd is the one that runs, and the daemon has that status."""
    launcher = ["unshare", "--mount", "sh", "-c",
                "mount -t tmpfs none /run && mkdir -p /run/systemd/system /run/chatroom && "
                f'ln -s {admin.path} /run/chatroom/control.sock && exec "$@"', "sh"]
    return chatctl("__complete", "kick", "", launcher=launcher,
                   env={"PATH": path_with(systemctl(directory, status))})


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_completion_asks_a_daemon_that_runs_and_starts_none(admin, directory):
    done = complete_under_systemd(admin, directory, 3)  # inactive
    assert (done.status, done.out) == (0, "")
    assert not admin.requests
    done = complete_under_systemd(admin, directory, 0)
    assert done.status == 0 and "alice" in done.out
    with open(os.path.join(directory, "asked"), encoding="utf-8") as f:
        assert f.read() == 2 * "is-active --quiet chatroom.service\n"


def test_completion_does_not_wait_for_long(admin):
    admin.held.clear()
    done = chatctl("__complete", "--socket", admin.path, "kick", "")
    assert (done.status, done.out, done.err) == (0, "", "")


# chat

@needs_chat
def test_bash_offers_the_options_of_chat(directory):
    listed = subprocess.run([CHAT, "--help"], capture_output=True, text=True, check=True).stdout
    options = re.findall(r"^ .*?(--[a-z-]+)", listed, re.M)
    assert "--token-file" in options
    assert sorted(completed(["--"], command="chat")) == sorted(options)
    assert completed(["--token-f"], command="chat") == ["--token-file"]
    with open(os.path.join(directory, "token"), "w", encoding="utf-8"):
        assert completed(["--token-file", f"{directory}/to"], command="chat") == \
            [f"{directory}/token"]
    assert completed(["--linger", ""], command="chat") == []
    assert completed(["--since", ""], command="chat") == []
    assert set(completed([""], command="chat")) >= {"send", "tail", "who"}
    assert completed(["ta"], command="chat") == ["tail"]
    assert completed(["--json", "ta"], command="chat") == []


@needs_chat
@needs_zsh
def test_zsh_offers_the_options_of_chat(zsh, directory):
    pressed(zsh, "chat --token-f", "ile")
    pressed(zsh, "chat --js", "on ")
    pressed(zsh, "chat ta", "il ")
    pressed(zsh, "chat wh", "o ")
    pressed(zsh, "chat tail --foll", "ow ")
    since = len(zsh.shown)
    zsh.type("chat \t\t")
    zsh.wait_for("send.*tail.*who", since)
    zsh.type("\x15")
    with open(os.path.join(directory, "mytoken"), "w", encoding="utf-8"):
        pressed(zsh, f"chat --token-file {directory}/myt", "oken ")
