# SPDX-License-Identifier: MIT
"""Where buf is: on the machine, or brought by npm into the build directory, once."""
import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, "build", "buf")
PACKAGE = "@bufbuild/buf@1.75.0"
SECONDS = 180


class Missing(Exception):
    """Neither there nor to be had; says why."""


def find():
    """The path of the program."""
    if shutil.which("buf"):
        return shutil.which("buf")
    path = os.path.join(FOLDER, "node_modules", ".bin", "buf")
    if not os.path.exists(path):
        _install()
    return path


def _install():
    if not shutil.which("npm"):
        raise Missing("neither buf nor npm is installed")
    os.makedirs(FOLDER, exist_ok=True)
    try:
        done = subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", FOLDER,
             PACKAGE], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"npm does not bring {PACKAGE} within {SECONDS} s") from None
    if done.returncode != 0:
        lines = done.stdout.strip().splitlines() or ["no word why"]
        raise Missing(f"npm cannot bring {PACKAGE}: {lines[0]}")


def run(*arguments, seconds=SECONDS):
    """(exit status, output) of buf in the tree's root. Its cache is in the build directory."""
    done = subprocess.run(
        [find(), *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False,
        env={"PATH": os.environ["PATH"], "BUF_CACHE_DIR": os.path.join(FOLDER, "cache")})
    return done.returncode, done.stdout
