# SPDX-License-Identifier: MIT
#
# The usual names for what meson, tests/run and tests/demo do.

BUILD := build
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

.DEFAULT_GOAL := build
.PHONY: build run deb check check-all release-check torture bench bench-quick clean

build:
	@packaging/build-dependencies build
	@test -e $(BUILD)/build.ninja || meson setup $(BUILD) >/dev/null || \
		{ cat $(BUILD)/meson-logs/meson-log.txt; exit 1; }
	@ninja -C $(BUILD) --quiet | sed '/^ninja: no work to do/d'

# A room to try: a daemon on loopback with a configuration of its own, somebody in it who answers,
# and you. Lines that come through a pipe are sent and their answers printed.
run: build
	@tests/demo $(BUILD)

# The Debian package, in build/deb.
deb:
	@packaging/build-dependencies build
	@packaging/deb

check:
	@packaging/build-dependencies check
	@tests/run check

check-all: check
	@packaging/build-dependencies check-all
	@tests/run beyond

# What takes long or fetches much, before a version goes out.
release-check:
	@packaging/build-dependencies release-check
	@tests/run release

# The crash test of check-all, ten times as long.
torture: build
	@tests/crash/crash.py --build $(BUILD) --restarts 200

# What it costs, next to what others cost: in twenty minutes, or in one.
bench: build
	@tests/bench/install-peers
	@ninja -C $(BUILD) --quiet bench-programs
	@tests/bench/bench.py --build $(BUILD) --record

bench-quick: build
	@ninja -C $(BUILD) --quiet bench-programs
	@tests/bench/bench.py --plan quick --build $(BUILD)

clean:
	rm -rf $(BUILD)
