# SPDX-License-Identifier: MIT
"""The .proto files keep buf's STANDARD rules; and buf is really looking."""
import os
import pathlib
import shutil
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import buf  # noqa: E402

# One way to break each kind of rule that STANDARD has for such files.
PLANTED = [
    ("chatroom/v1/planted.proto", 'syntax = "proto3";\npackage chatroom;\n', "package"),
    ("chatroom/v1/Planted.proto", 'syntax = "proto3";\npackage chatroom.v1;\n', "Filename"),
    ("chatroom/v1/planted.proto",
     'syntax = "proto3";\npackage chatroom.v1;\nmessage Planted { string NoCase = 1; }\n',
     "NoCase"),
    ("chatroom/v1/planted.proto",
     'syntax = "proto3";\npackage chatroom.v1;\nenum Planted { PLANTED_ONE = 0; }\n',
     "UNSPECIFIED"),
    ("chatroom/v1/planted.proto",
     'syntax = "proto3";\npackage chatroom.v1;\nmessage A {}\n'
     'service PlantedService { rpc Do(A) returns (A); }\n', "same type"),
]


@pytest.fixture(scope="module", autouse=True)
def installed():
    try:
        buf.find()
    except buf.Missing as e:
        pytest.skip(str(e))


def test_the_protocols_keep_the_standard_rules():
    status, output = buf.run("lint", "proto")
    assert status == 0, output
    assert output == ""


def test_the_new_protocols_are_looked_at():
    status, output = buf.run("ls-files", "proto")
    assert status == 0, output
    assert "proto/chatroom/v1/admin.proto" in output.splitlines()


@pytest.mark.parametrize("path, text, word", PLANTED, ids=[word for _, _, word in PLANTED])
def test_a_planted_violation_is_noticed(tmp_path, path, text, word):
    proto = pathlib.Path(shutil.copytree(os.path.join(ROOT, "proto"), tmp_path / "proto"))
    (proto / path).write_text(text)
    status, output = buf.run("lint", str(proto))
    assert status != 0
    assert word in output, output
