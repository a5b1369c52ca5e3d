# SPDX-License-Identifier: MIT
"""Every file of the machine, to compare before and after. `before` is set when the package is
installed first."""
import hashlib
import os
import stat

before = None

# What changes by itself, or is the record of what was done.
LEFT_OUT = ("/dev", "/proc", "/run", "/srv", "/sys", "/tmp", "/var/cache", "/var/lib/apt",
            "/var/lib/dpkg", "/var/lib/systemd", "/var/log", "/var/tmp")
# The users stay when the package goes.
USERS = tuple(f"/etc/{name}{suffix}" for name in ("group", "gshadow", "passwd", "shadow")
              for suffix in ("", "-"))


def snapshot(machine):
    """{path: what it is}."""
    found = {}
    for folder, folders, names in os.walk(machine.root):
        inside = "/" + os.path.relpath(folder, machine.root).lstrip(".")
        folders[:] = [name for name in folders if os.path.join(inside, name) not in LEFT_OUT]
        for name in folders + names:
            path = os.path.join(inside, name)
            if path not in USERS:
                found[path] = describe(os.path.join(folder, name))
    return found


def describe(path):
    info = os.lstat(path)
    what = [stat.filemode(info.st_mode), info.st_uid, info.st_gid]
    if stat.S_ISLNK(info.st_mode):
        what.append(os.readlink(path))
    elif stat.S_ISREG(info.st_mode):
        with open(path, "rb") as f:
            what.append(hashlib.sha256(f.read()).hexdigest())
    return what


def difference(old, new):
    return {path: (old.get(path), new.get(path)) for path in old.keys() | new.keys()
            if old.get(path) != new.get(path)}
