# SPDX-License-Identifier: MIT
"""What a build was instrumented with, how to run it so that nothing escapes, what it reported."""
import glob
import json
import os

SUPPRESSIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lsan.supp")


def of(build):
    """The sanitizers of a meson build directory: 'address,undefined', 'thread' or 'none'."""
    with open(os.path.join(build, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as f:
        options = {option["name"]: option["value"] for option in json.load(f)}
    return options.get("b_sanitize", "none")


def environment(log_prefix):
    """Variables that make every report end the process with status 66, and go to log_prefix.PID."""
    common = f"log_path={log_prefix}:exitcode=66"
    return {
        # The link order is for programs that do not know better: tests preload a broken disk.
        "ASAN_OPTIONS": f"{common}:detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0"
                        ":verify_asan_link_order=0",
        "LSAN_OPTIONS": f"suppressions={SUPPRESSIONS}:print_suppressions=0",
        "UBSAN_OPTIONS": f"{common}:print_stacktrace=1:halt_on_error=1",
        # Debian's libraries are not instrumented: what happens inside them cannot be judged.
        # gRPC's own threads may outlive main().
        "TSAN_OPTIONS": f"{common}:report_thread_leaks=0"
                        ":ignore_noninstrumented_modules=1:halt_on_error=0"
                        ":second_deadlock_stack=1:history_size=4",
    }


def prefix(build):
    """What to put before a program: ThreadSanitizer's shadow memory does not fit every layout that
    the kernel may pick."""
    return ["setarch", "--addr-no-randomize"] if "thread" in of(build) else []


def reports(log_prefix):
    """What sanitizers wrote, all in one string: empty when there was nothing to say."""
    texts = []
    for path in sorted(glob.glob(f"{log_prefix}.*")):
        with open(path, encoding="utf-8", errors="replace") as f:
            texts.append(f.read())
    return "\n".join(texts)
