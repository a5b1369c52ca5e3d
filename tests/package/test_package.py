# SPDX-License-Identifier: MIT
"""The Debian package as `make deb` leaves it in build/deb, before anybody installs it."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
DEB = ROOT / "build" / "deb"


def run(*argv, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    return done.returncode, done.stdout


def package():
    found = list(DEB.glob("chatroom_*.deb"))
    assert len(found) == 1, "packaging/deb has not been run"
    return found[0]


def test_lintian_has_nothing_to_say(record_property):
    status, output = run("lintian", "--pedantic", "--display-info", "--fail-on", "error,warning",
                         *DEB.glob("*.changes"))
    said = [line for line in output.splitlines() if re.match(r"[EWIPX]: ", line)]
    record_property("note", f"lintian --pedantic: {len(said)} remarks" +
                    "".join(f"\n{line}" for line in said))
    assert status == 0 and not said, output


def test_the_compiler_was_told_to_harden():
    status, output = run("blhc", "--all", str(DEB / "build.log"))
    assert status == 0, output


def test_it_compiles_without_a_warning():
    text = (DEB / "build.log").read_text(encoding="utf-8", errors="replace")
    assert "warning:" not in text, re.findall(".*warning:.*", text)


def test_it_has_what_it_should():
    listing = run("dpkg-deb", "--contents", str(package()))[1]
    paths = {line.split()[5].lstrip(".") for line in listing.splitlines()}
    assert paths >= {
        "/etc/chatroom/chatroom.ini", "/etc/chatroom/chatroom.ini.d/",
        "/lib/systemd/system/chatroom.service", "/lib/systemd/system/chatroom.socket",
        "/lib/systemd/system/chatroom-control.socket",
        "/lib/systemd/system-generators/chatroom-generator",
        "/usr/bin/chat", "/usr/bin/chatctl", "/usr/sbin/chatroomd",
        "/usr/lib/sysusers.d/chatroom.conf", "/usr/lib/systemd/catalog/chatroom.catalog",
        "/usr/share/bash-completion/completions/chat",
        "/usr/share/bash-completion/completions/chatctl", "/usr/share/doc/chatroom/README.md.gz",
        "/usr/share/zsh/vendor-completions/_chat", "/usr/share/zsh/vendor-completions/_chatctl",
        "/usr/share/man/man1/chat.1.gz", "/usr/share/man/man1/chatctl.1.gz",
        "/usr/share/man/man5/chatroom.ini.5.gz", "/usr/share/man/man8/chatroomd.8.gz"}
    protos = {f"/usr/share/chatroom/{path.relative_to(ROOT)}"
              for path in [ROOT / "proto/chat.proto", *(ROOT / "proto/chatroom").rglob("*.proto")]}
    assert {path for path in paths if path.endswith(".proto")} == protos


def copy_tree(to):
    """The tree as a clone would have it, with what is not committed yet."""
    files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for name in filter(None, files.decode().split("\0")):
        if (ROOT / name).exists():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    return to


def test_a_build_elsewhere_is_the_same_to_the_byte(tmp_path):
    """Another directory, another time zone, another language, another umask."""
    copy = copy_tree(tmp_path / "somewhere-else" / "of-a-different-length")
    status, output = run(
        "sh", "-c", "umask 077; exec packaging/deb out", cwd=copy,
        env={**os.environ, "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANGUAGE": "de"})
    assert status == 0, output
    for deb in DEB.glob("*.deb"):
        other = copy / "out" / deb.name
        assert other.read_bytes() == deb.read_bytes(), f"{deb.name} differs"


def test_a_build_touches_nothing_but_its_directory(tmp_path):
    """In a clone whose surroundings nobody else writes to."""
    def everything():
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")
                if not path.is_relative_to(clone / "build/deb")
                and path not in (clone, clone / "build")}

    clone = copy_tree(tmp_path / "clone")
    for argv in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *argv], cwd=clone, check=True)
    before = everything()
    status, output = run(str(clone / "packaging/deb"))
    assert status == 0, output
    assert list((clone / "build/deb").glob("chatroom_*.deb"))
    assert everything() == before


def test_another_version_in_the_changelog_is_refused(tmp_path):
    shutil.copytree(ROOT / "packaging", tmp_path / "packaging")
    (tmp_path / "meson.build").write_text("project('chatroom', 'c',\n        version : '1.2.3',\n")
    status, output = run(str(tmp_path / "packaging/deb"), str(tmp_path / "out"))
    assert status == 1 and "1.2.3" in output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["postinst", "postrm"])
def test_maintainer_scripts_are_plain_sh(name):
    status, output = run("sh", "-n", str(ROOT / f"packaging/debian/chatroom.{name}"))
    assert status == 0, output
