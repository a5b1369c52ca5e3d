# SPDX-License-Identifier: MIT
"""The tree keeps the rules; and each rule, broken on purpose in a copy, is noticed."""
import contextlib
import os
import pathlib
import shutil
import tempfile

import pytest

import rules

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule):
    violations = "\n".join(rule(ROOT))
    assert not violations, violations


@pytest.fixture(scope="module")
def tree():
    """A copy to plant violations in."""
    with tempfile.TemporaryDirectory(prefix="chatroom-lint-") as directory:
        for path in rules.files(ROOT):
            target = pathlib.Path(directory, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.join(ROOT, path), target)
        yield pathlib.Path(directory)


@contextlib.contextmanager
def planted(path, text):
    """Appends text to a file; text None: nothing but a line without a licence is in it."""
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(b"# nothing\n" if text is None else (before or b"") + text.encode())
        yield
    finally:
        path.unlink()
        if before is not None:
            path.write_bytes(before)


SPDX = "/* SPDX-License-Identifier: MIT */\n"
LONG_FUNCTION = "static int f(void) {\n" + 69 * "        work();\n" + "}\n"

PLANTED = [
    (rules.each_file_has_a_floor, "service/stranger.c", SPDX),
    (rules.each_file_has_a_floor, "service/stranger.h", SPDX),
    (rules.no_include_goes_upward, "service/name.c", '#include "service/journal.h"\n'),
    (rules.no_include_goes_upward, "service/room.h", '#include "service/service.h"\n'),
    (rules.no_include_goes_upward, "service/rpc.c", '  #  include "service/join.h"\n'),
    (rules.no_modules_include_each_other, "service/name.h", '#include "service/token.h"\n'),
    (rules.no_modules_include_each_other, "service/name.h", '#include "service/session.h"\n'),
    (rules.folders_include_their_own_and_proto, "client/main.c", '#include "service/name.h"\n'),
    (rules.folders_include_their_own_and_proto, "client/main.c", '#include "ctl/verbs.h"\n'),
    (rules.folders_include_their_own_and_proto, "ctl/main.c", '#include "client/screen.h"\n'),
    (rules.folders_include_their_own_and_proto, "ctl/main.c", '#include "../service/name.h"\n'),
    (rules.folders_include_their_own_and_proto, "proto/base.h", '#include "service/name.h"\n'),
    (rules.each_library_has_one_place, "service/room.c", "#include <grpc/grpc.h>\n"),
    (rules.each_library_has_one_place, "service/worker.c", "#include <grpc/slice.h>\n"),
    (rules.each_library_has_one_place, "service/main.c", '#include "grpc/grpc.h"\n'),
    (rules.each_library_has_one_place, "client/main.c", "#include <grpc/support/log.h>\n"),
    (rules.each_library_has_one_place, "proto/other.c", "#include <grpc/grpc.h>\n"),
    (rules.each_library_has_one_place, "service/room.c", "#include <systemd/sd-event.h>\n"),
    (rules.each_library_has_one_place, "service/rpc.c", "#include <systemd/sd-daemon.h>\n"),
    (rules.each_library_has_one_place, "service/config.c", "#include <ini.h>\n"),
    (rules.each_library_has_one_place, "ctl/verbs.c", "#include <jansson.h>\n"),
    (rules.each_library_has_one_place, "ctl/findings.c", "#include <systemd/sd-bus.h>\n"),
    (rules.each_library_has_one_place, "service/notify.c", "#include <systemd/sd-bus.h>\n"),
    (rules.files_and_functions_are_small, "service/room.c", 601 * "\n"),
    (rules.files_and_functions_are_small, "service/room.h", 151 * "\n"),
    (rules.files_and_functions_are_small, "service/main.c", 121 * "\n"),
    (rules.files_and_functions_are_small, "client/main.c", 121 * "\n"),
    (rules.files_and_functions_are_small, "tests/unit/test_planted.c", 601 * "\n"),
    (rules.files_and_functions_are_small, "service/text.c", LONG_FUNCTION),
    (rules.files_and_functions_are_small, "service/text.c",
     LONG_FUNCTION.replace("static int f(void)", "int f(int a,\n      int b)")),
    (rules.functions_take_few_parameters, "service/text.c",
     "static int f(int a, int b, int c, int d, int e, int g) {\n}\n"),
    (rules.functions_take_few_parameters, "service/text.c",
     "int f(int a, int b, int c,\n      int d, void (*e)(int a), int g) {\n}\n"),
    (rules.lines_are_short, "service/text.c", f"/* {95 * 'x'} */\n"),
    (rules.lines_are_short, "tests/run", f"# {99 * 'x'}\n"),
    (rules.licence_comes_first, "service/planted.c", "int x;\n"),
    (rules.licence_comes_first, "tests/planted.py", '"""No licence."""\n'),
    (rules.licence_comes_first, "tests/planted", "#!/bin/sh\n\n# SPDX-License-Identifier: MIT\n"),
    (rules.licence_comes_first, "tests/meson.build", None),
    (rules.nothing_is_unfinished, "service/text.c", "/* TO" "DO: more */\n"),
    (rules.nothing_is_unfinished, "README.md", "FIX" "ME\n"),
    (rules.nothing_is_unfinished, "tests/planted.py", "# XX" "X\n"),
    (rules.each_key_is_documented, "service/config-keys.c",
     'LIMIT(max_planted, "7", 1, 1000000, "plants"),\n'),
    (rules.each_key_is_documented, "service/config-keys.c",
     'STRING("server", "planted", "/x", control, parse_path),\n'),
    (rules.each_key_is_documented, "etc/chatroom/chatroom.ini", "[limits]\n#no_such_key = 1\n"),
    (rules.each_key_is_documented, "etc/chatroom/chatroom.ini", "[limits]\n#max_text = 1\n"),
    (rules.each_verb_is_documented, "ctl/verbs.c", '{.name = "plant tree",\n .usage = ""},\n'),
    (rules.each_verb_is_documented, "ctl/arguments.c", '[OPTION_PLANT] = {"plant", NULL, ""},\n'),
    (rules.each_verb_is_documented, "packaging/man/chatctl.1", ".It Ic plant Ar TREE\n"),
    (rules.each_verb_is_documented, "packaging/man/chatctl.1", ".It Fl -plant Ar TREE\n"),
]


@pytest.mark.parametrize("rule, path, text", PLANTED,
                         ids=[f"{rule.__name__}-{n}" for n, (rule, _, _) in enumerate(PLANTED)])
def test_a_planted_violation_is_noticed(tree, rule, path, text):
    """And nothing else is."""
    before = rule(tree)
    with planted(tree / path, text):
        new = [violation for violation in rule(tree) if violation not in before]
    assert new
    stem = os.path.splitext(path)[0]
    assert all(stem in violation or "etc/chatroom/chatroom.ini" in violation for violation in new)
