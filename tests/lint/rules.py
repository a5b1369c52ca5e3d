#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rules of the house that a program can check. Each is a function of the tree's root that
returns what breaks it, one line each: "service/room.c:12: what is wrong".

Run as a program, it prints what is only worth a note: what is past a soft limit.
"""
import os
import re
import sys

# Who may include whom in service/: files of a floor include that floor or lower ones, and no two
# modules of the model or the edges include each other, directly or not.
FLOORS = {
    "model": ["address", "limits", "name", "presence", "rates", "ring", "room", "session", "text",
              "token"],
    "edges": ["activation", "config", "config-file", "config-keys", "connection", "database",
              "descriptors", "intake", "journal", "log", "log-append", "log-file", "log-internal",
              "log-read", "log-rows", "mailbox", "memory", "message", "notify", "peer", "reader",
              "rpc", "rpc-call", "rpc-details", "rpc-door", "rpc-internal", "rpc-payload", "state",
              "state-internal", "state-rows", "store", "worker", "worker-internal"],
    "main": ["access", "admin", "admin-commit", "admin-request", "admin-revoke", "admin-sessions",
             "admin-status", "admin-tokens", "connect", "control", "drain", "generator",
             "generator-main", "guard", "guest", "health", "history", "history-internal",
             "history-read", "join", "listener", "main", "options", "parts", "reflection",
             "routes", "service", "settings", "stream", "stream-login", "unary"],
}
HEIGHT = {floor: height for height, floor in enumerate(FLOORS)}

# What a library's headers start with, and the one place of each program that may include them.
LIBRARIES = [
    (r"grpc/", r"service/rpc(-\w+)?\.[ch]|proto/rpc_client\w*\.[ch]"),
    (r"ini\.h", r"service/config-file\.c"),
    (r"jansson\.h", r"ctl/json\.[ch]|client/format\.c"),
    (r"openssl/", r"service/(token|log-append)\.c"),
    (r"sqlite3\.h", r"service/(database|(log|state)(-\w+)?)\.[ch]"),
    (r"protobuf-c/", r"proto/.*"),
    (r"systemd/sd-bus\.h", r"ctl/unit\.c"),
    (r"systemd/sd-journal\.h", r"service/journal\.c"),
    (r"systemd/sd-daemon\.h", r"service/(activation|notify)\.c"),
    (r"systemd/sd-event\.h", r"service/(%s)\.[ch]" % "|".join(FLOORS["main"])),
    (r"uni(case|conv|ctype|gbrk|name|norm|str|types|wbrk|width)\.h",
     r"service/(name|text)\.c|proto/printable\.c|client/.*|ctl/output\.c"),
]

# Who may include what, by folder. Tests may include anything.
FOLDERS = {"proto": ["proto"], "ctl": ["ctl", "proto"], "client": ["client", "proto"],
           "service": ["service", "proto"]}

SOFT = {".c": 400, ".h": 100, "function": 40}
HARD = {".c": 600, ".h": 150, "function": 70, "main.c": 120}
COLUMNS = 100
PARAMETERS = 5

CODE = (".c", ".h", ".py", ".sh", ".proto")
BUILD_FILES = ("Makefile", "meson.build", "meson_options.txt")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")


def files(root):
    """Every file of the tree, build output and hidden folders left out."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".")
                            and f not in ("build", "__pycache__"))
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), root)


def lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.read().splitlines()


def c_files(root):
    return [path for path in files(root) if path.endswith((".c", ".h"))]


def is_code(root, path):
    if path.endswith(CODE) or os.path.basename(path) in BUILD_FILES:
        return True
    with open(os.path.join(root, path), "rb") as f:
        return f.read(2) == b"#!"


def includes(root, path):
    """(line number, what is included, whether it stands in quotes)."""
    for number, line in enumerate(lines(root, path), 1):
        m = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
        if m:
            yield number, m[1] or m[2], bool(m[1])


def floor_of(path):
    stem = os.path.splitext(os.path.basename(path))[0]
    for floor, modules in FLOORS.items():
        if stem in modules:
            return floor
    return None


def each_file_has_a_floor(root):
    return [f"{path}: on no floor: tests/lint/rules.py does not know it" for path in c_files(root)
            if path.startswith("service/") and not floor_of(path)]


def no_include_goes_upward(root):
    found = []
    for path in c_files(root):
        for number, target, quoted in includes(root, path):
            if not (quoted and path.startswith("service/") and target.startswith("service/")):
                continue
            here, there = floor_of(path), floor_of(target)
            if here and there and HEIGHT[there] > HEIGHT[here]:
                found.append(f"{path}:{number}: {here} includes {target}, which is {there}")
    return found


def no_modules_include_each_other(root):
    """In the model and the edges. (main's files share the service that they are all parts of.)
    A family, as config.c, config-file.c and config-keys.c, counts as one module."""
    def module(path):
        return os.path.splitext(path)[0].split("-", 1)[0]

    graph = {}
    for path in c_files(root):
        floor = floor_of(path)
        if path.startswith("service/") and floor in ("model", "edges"):
            graph.setdefault(module(path), set()).update(
                module(target) for _, target, quoted in includes(root, path)
                if quoted and target.startswith("service/"))
    found = []
    done = set()

    def visit(name, trail):
        if name in trail:
            found.append(f"{name}.c: {' -> '.join(trail[trail.index(name):] + [name])}")
        elif name not in done:
            for other in sorted(graph.get(name, set()) - {name}):
                visit(other, trail + [name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return found


def folders_include_their_own_and_proto(root):
    found = []
    for path in c_files(root):
        folder = path.split(os.sep, 1)[0]
        for number, target, quoted in includes(root, path):
            # What protoc-c generates has no folder.
            if folder not in FOLDERS or not quoted or re.fullmatch(r"[\w.-]+\.pb-c\.h", target):
                continue
            if target.split("/", 1)[0] not in FOLDERS[folder]:
                found.append(f"{path}:{number}: {folder}/ includes {target}")
    return found


def each_library_has_one_place(root):
    found = []
    for path in c_files(root):
        if path.split(os.sep, 1)[0] not in FOLDERS:
            continue
        for number, target, _ in includes(root, path):
            for header, place in LIBRARIES:
                if re.match(header, target) and not re.fullmatch(place, path):
                    found.append(f"{path}:{number}: includes <{target}>, which only "
                                 f"{place} may")
    return found


def functions(root, path):
    """(first line, name, number of lines, number of parameters) of what is defined in a C file.
    Relies on the layout that clang-format gives: a definition starts in column 1, and so does its
    closing brace."""
    text = lines(root, path)
    start = body = None
    for number, line in enumerate(text, 1):
        if start is None and re.match(r"[A-Za-z_]", line):
            start = number
        if start is None:
            continue
        if body is None and line.endswith("{"):
            body = number
        if body is None and line.endswith(";"):
            start = None  # a declaration
        elif body is not None and line.startswith("}"):
            head = " ".join(text[start - 1:body])
            m = re.search(r"(\w+)\(((?:[^()]|\([^()]*\))*)\) \{$", head)
            if m and "=" not in head:
                # A pointer to a function is one parameter, commas or not.
                parameters = re.sub(r"\([^()]*\)", "", m[2])
                count = 0 if parameters.strip() in ("", "void") else parameters.count(",") + 1
                yield start, m[1], number - start + 1, count
            start = body = None


def sizes(root, limits):
    found = []
    for path in c_files(root):
        name, extension = os.path.basename(path), os.path.splitext(path)[1]
        n, limit = len(lines(root, path)), limits[extension]
        if name in limits and not path.startswith("tests"):
            limit = limits[name]
        if n > limit:
            found.append(f"{path}: {n} lines, more than {limit}")
        if extension == ".c":
            found += [f"{path}:{line}: {function}() has {n} lines, more than {limits['function']}"
                      for line, function, n, _ in functions(root, path) if n > limits["function"]]
    return found


def files_and_functions_are_small(root):
    return sizes(root, HARD)


def functions_take_few_parameters(root):
    return [f"{path}:{line}: {function}() takes {n} parameters, more than {PARAMETERS}"
            for path in c_files(root) if path.endswith(".c")
            for line, function, _, n in functions(root, path) if n > PARAMETERS]


def lines_are_short(root):
    return [f"{path}:{number}: {len(line)} columns, more than {COLUMNS}"
            for path in files(root) if is_code(root, path)
            for number, line in enumerate(lines(root, path), 1) if len(line) > COLUMNS]


def licence_comes_first(root):
    found = []
    for path in files(root):
        if is_code(root, path):
            top = [line for line in lines(root, path)[:2] if not line.startswith("#!")][:1]
            if not top or "SPDX-License-Identifier: MIT" not in top[0]:
                found.append(f"{path}:1: no SPDX line first")
    return found


def nothing_is_unfinished(root):
    found = []
    for path in files(root):
        try:
            text = lines(root, path)
        except UnicodeDecodeError:
            continue
        found += [f"{path}:{number}: {line.strip()}" for number, line in enumerate(text, 1)
                  if UNFINISHED.search(line)]
    return found


def each_key_is_documented(root):
    """Every key that the daemon knows stands in etc/chatroom/chatroom.ini, commented out, at its
    default; and no other."""
    table = "\n".join(lines(root, "service/config-keys.c"))
    keys = {(section, key): default for section, key, default in re.findall(
        r'(?:LIST|STRING|NUMBER|SWITCH|CHOICE)\("(\w+)", "(\w+)",\s*"([^"]*)"', table)}
    keys.update({("limits", key): default for key, default in
                 re.findall(r'LIMIT\((\w+), "([^"]*)"', table) if key != "name"})
    documented = {}
    section = None
    for line in lines(root, "etc/chatroom/chatroom.ini"):
        m = re.match(r"\[(\w+)\]", line)
        section = m[1] if m else section
        m = re.match(r"#?(\w+) = (.*)$", line)
        if m and section != "tokens":
            documented[section, m[1]] = m[2]
    found = [f"etc/chatroom/chatroom.ini: [{s}] {k} is not there"
             for s, k in sorted(keys.keys() - documented.keys())]
    found += [f"etc/chatroom/chatroom.ini: [{s}] {k} is no key"
              for s, k in sorted(documented.keys() - keys.keys())]
    found += [f"etc/chatroom/chatroom.ini: [{s}] {k} = {documented[s, k]}, but the default is "
              f"{keys[s, k]}" for s, k in sorted(keys.keys() & documented.keys())
              if documented[s, k] != keys[s, k]]
    if not keys:
        found.append("service/config-keys.c: its table is not to be read any more")
    return found


def each_verb_is_documented(root):
    """Every verb and option that chatctl has stands in chatctl(1); and no other."""
    page = "packaging/man/chatctl.1"
    macros = re.compile(r" (?:Ar|Fl|Ns|Oc|Oo|Op)\b")
    described = {macros.split(line, maxsplit=1)[0] for line in lines(root, page)
                 if line.startswith(".It Ic ")}
    described |= {f".It Fl -{name}" for name in re.findall(
        r"^\.It Fl (?:\w , )?-(\w+)", "\n".join(lines(root, page)), re.M)}
    known = {}
    for path, macro, row in (
            ("ctl/verbs.c", ".It Ic ", r'\.name = "([\w ]+)"'),
            ("ctl/arguments.c", ".It Fl -", r'\[OPTION_\w+\] = \{"([\w-]+)"')):
        names = re.findall(row, "\n".join(lines(root, path)))
        known.update({macro + name: path for name in names})
        if not names:
            return [f"{path}: its table is not to be read any more"]
    return ([f"{known[item]}: {page} has no {item}" for item in sorted(known.keys() - described)]
            + [f"{page}: chatctl has no {item}" for item in sorted(described - known.keys())])


RULES = [each_file_has_a_floor, no_include_goes_upward, no_modules_include_each_other,
         folders_include_their_own_and_proto, each_library_has_one_place,
         files_and_functions_are_small, functions_take_few_parameters, lines_are_short,
         licence_comes_first, nothing_is_unfinished, each_key_is_documented,
         each_verb_is_documented]

if __name__ == "__main__":
    tree = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for note in sizes(tree, SOFT | {"main.c": HARD["main.c"]}):
        print(f"note: {note}")
    sys.exit(0)
