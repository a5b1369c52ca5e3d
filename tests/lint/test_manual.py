# SPDX-License-Identifier: MIT
"""The manual pages say what the programs do: no option, key, verb or exit status is missing in
them, and none is there that does not exist. The same for the journal's catalog."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
BUILD = pathlib.Path(os.environ.get("CHATROOM_BUILD", ROOT / "build"))
MAN = ROOT / "packaging" / "man"
PAGES = {"chat": "chat.1", "chatctl": "chatctl.1", "chatroomd": "chatroomd.8"}
PROGRAMS = {"chat": "client/chat", "chatctl": "ctl/chatctl", "chatroomd": "service/chatroomd"}


def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)


def helps(program, *verb):
    done = run(BUILD / PROGRAMS[program], *verb, "--help")
    assert done.returncode == 0, done.stdout
    return done.stdout


def source(name, section=None):
    """The lines of a page, or of one section of it."""
    lines = (MAN / name).read_text(encoding="utf-8").splitlines()
    if section:
        start = lines.index(f".Sh {section}") + 1
        end = next((i for i in range(start, len(lines)) if lines[i].startswith(".Sh ")), len(lines))
        lines = lines[start:end]
    return lines


def rendered(name):
    text = subprocess.run(["mandoc", "-Tutf8", "-O", "width=1000", MAN / name], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return re.sub(".\b", "", text)


def options(line):
    """Those in an mdoc line: "Fl -json", "Fl h , -help"."""
    return {"-" + name for names in re.findall(r"\bFl (-?[\w-]+(?: , -?[\w-]+)*)", line)
            for name in names.split(" , ")}


def listed_options(page):
    return set().union(*(options(line) for line in source(page, "OPTIONS")
                         if line.startswith(".It Fl")))


def helped_options(text):
    return set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*", text))


@pytest.mark.parametrize("page", sorted(path.name for path in MAN.iterdir()))
def test_pages_are_well_formed(page):
    # What is installed on this machine is no matter of the page's.
    output = run("mandoc", "-Tlint", "-Wstyle", MAN / page).stdout
    complaints = [line for line in output.splitlines()
                  if "referenced manual not found" not in line and "mandoc.db" not in line]
    done = subprocess.run(["man", "--warnings", "--encoding=UTF-8", "--local-file",
                           "--troff-device=utf8", "--ditroff", MAN / page], check=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert not complaints and not done.stderr, f"{complaints}\n{done.stderr}"


@pytest.mark.parametrize("program", PAGES)
def test_options_are_those_of_the_program(program):
    lines = [line.strip() for line in helps(program).splitlines() if re.match(r"\s+-", line)]
    helped = set().union(*(helped_options(re.split(r" {2,}", line)[0]) for line in lines))
    assert listed_options(PAGES[program]) == helped


def verbs():
    text = (ROOT / "ctl" / "verbs.c").read_text(encoding="utf-8")
    found = re.findall(r'\{\.name = "([^"]+)"', text)
    assert len(found) >= 10
    return found


def documented_verbs():
    """{verb: what stands behind it in its line}"""
    lines = [line.removeprefix(".It Ic ") for line in source("chatctl.1", "VERBS")
             if line.startswith(".It Ic ")]
    found = {}
    for line in lines:
        words = re.match(r"[a-z]+(?: [a-z]+)*", line)[0]
        found[words] = line[len(words):]
    return found


def test_verbs_are_those_of_the_program():
    assert set(documented_verbs()) == set(verbs())


@pytest.mark.parametrize("verb", verbs())
def test_a_verbs_options_are_those_of_the_program(verb):
    usage = helps("chatctl", *verb.split()).splitlines()[0]
    assert usage.startswith(f"Usage: chatctl {verb}")
    assert options(documented_verbs()[verb]) == helped_options(usage)


def keys_as_installed():
    section, found = None, {}
    for line in (ROOT / "etc/chatroom/chatroom.ini").read_text(encoding="utf-8").splitlines():
        heading = re.fullmatch(r"\[(\w+)\]", line)
        key = re.fullmatch(r"#(\w+) = (.*)", line)
        if heading:
            section = heading[1]
        elif key:
            found[section, key[1]] = key[2]
    assert len(found) >= 17
    return found


def test_keys_are_those_of_the_configuration():
    found = set()
    for section in ("server", "limits", "history"):
        found |= {(section, re.match(r"\.It Ic (\w+)", line)[1])
                  for line in source("chatroom.ini.5", f"KEYS OF {section.upper()}")
                  if line.startswith(".It Ic ")}
    assert found == set(keys_as_installed())


@pytest.mark.parametrize("section, key", keys_as_installed())
def test_defaults_are_those_of_the_configuration(section, key):
    text = rendered("chatroom.ini.5")
    item = re.search(rf"\n {{5}}{key}(?: = .*\n|\n|  +)((?: *\S.*\n)(?: {{13}}.*\n|\n)*)", text)
    assert item, f"{key} is not there"
    default = re.search(r"The default is (.*?)\.(?=  |\n)", item[1])
    assert default, item[1]
    said = default[1].split(", ")
    assert keys_as_installed()[section, key] in (said[0], said[-1]), default[0]


def statuses(text):
    return set(re.findall(r"(?m)^ {2,5}(\d+(?: \+ N)?)(?= {2}|\n)", text))


@pytest.mark.parametrize("program", ["chat", "chatctl"])
def test_exit_statuses_are_those_of_the_program(program):
    page = rendered(PAGES[program])
    page = page[page.index("\nEXIT STATUS\n"):page.index("\nEXAMPLES\n")]
    text = helps(program)
    assert statuses(page) == statuses(text[text.index("Exit status:"):])


def test_exit_statuses_of_the_daemon():
    main = (ROOT / "service/main.c").read_text(encoding="utf-8")
    own = set(re.findall(r"#define EX_\w+ (\d+)", main))
    page = rendered("chatroomd.8")
    page = page[page.index("\nEXIT STATUS\n"):page.index("\nEXAMPLES\n")]
    assert len(own) == 2 and statuses(page) == {"0", "1"} | own


def test_each_kind_of_event_is_explained_in_the_catalog():
    journal = (ROOT / "service/journal.c").read_text(encoding="utf-8")
    catalog = (ROOT / "packaging/systemd/chatroom.catalog").read_text(encoding="utf-8")
    ids = re.findall(r'\[JOURNAL_\w+\] = "([0-9a-f]{32})"', journal)
    assert len(ids) >= 9
    assert sorted(ids) == sorted(re.findall(r"(?m)^-- ([0-9a-f]{32})$", catalog))
    fields = set(re.findall(r'"(CHATROOM_\w+)', journal))
    assert set(re.findall(r"@(\w+)@", catalog)) <= fields
    assert set(re.findall(r"(CHATROOM_\w+)=", catalog)) <= fields


def test_the_catalog_compiles(tmp_path):
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    (folder / "chatroom.catalog").write_bytes(
        (ROOT / "packaging/systemd/chatroom.catalog").read_bytes())
    done = run("journalctl", f"--root={tmp_path}", "--update-catalog")
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_the_version_is_one():
    built = run(BUILD / PROGRAMS["chatroomd"], "--version").stdout.split()[1]
    changelog = (ROOT / "packaging/debian/changelog").read_text(encoding="utf-8")
    assert changelog.startswith(f"chatroom ({built}) ")


def test_the_limits_are_those_of_the_unit():
    unit = (ROOT / "packaging/systemd/chatroom.service").read_text(encoding="utf-8")
    limits = dict(re.findall(r"(?m)^(LimitNOFILE|TasksMax|MemoryMax)=(\w+)$", unit))
    said = re.search(r"(\d+) open files, (\d+) threads and (\d+) GiB", rendered("chatroomd.8"))
    assert limits == {"LimitNOFILE": said[1], "TasksMax": said[2], "MemoryMax": f"{said[3]}G"}
    assert f"the {keys_as_installed()['limits', 'max_connections']} clients" in \
        rendered("chatroomd.8")


def test_how_a_changed_listen_takes_effect_is_said_wherever_one_may_look():
    listener = (ROOT / "service/listener.h").read_text(encoding="utf-8")
    command = re.search(r'#define LISTENER_RESTART "(.*)"', listener)[1]
    for path in ("etc/chatroom/chatroom.ini", "packaging/systemd/chatroom.catalog",
                 "packaging/man/chatroom.ini.5", "packaging/man/chatroomd.8"):
        assert command in (ROOT / path).read_text(encoding="utf-8"), path
