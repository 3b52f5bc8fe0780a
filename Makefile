# The front door: make demo, test, bench, bench ops, bench models, check, install, install-mlxc,
# clean. Builds come to lie in build/.
# What is missing on the machine, tools/setup installs (Debian and Ubuntu) or names.

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
RELEASE := build/release

.PHONY: all demo test bench ops models check install install-mlxc clean configure

all: configure
	@cmake --build $(RELEASE) --parallel $(JOBS)

configure:
	@tools/setup build
	@cmake --preset release

# The search example, with its default folders: answers, then 10,000 threads.
demo: configure
	@cmake --build $(RELEASE) --parallel $(JOBS) --target search
	@$(RELEASE)/examples/search

test:
	@tools/setup test
	@cmake --preset release
	@cmake --build $(RELEASE) --parallel $(JOBS)
	@ctest --preset release

bench:
	@tools/setup bench
	@cmake --preset release
	@cmake --build $(RELEASE) --parallel $(JOBS)
	@bench/$(or $(filter ops models,$(MAKECMDGOALS)),run)

# make bench ops: every operation beside its peers, in the place of the tables.
# make bench models: what models are made of.
ops models: bench

# Rules that need no build, those of the tools that read code, then the models in tests/model.
check:
	@tools/setup check
	@cmake --preset debug
	@tools/check/all build/debug

# The libraries alone are built.
install: configure
	@cmake --build $(RELEASE) --parallel $(JOBS) --target weir_libraries
	@cmake --install $(RELEASE) --prefix $(PREFIX)

# Beside that, what programs written for mlx-c look for: libmlxc and the like.
install-mlxc: install
	@cmake --install $(RELEASE) --prefix $(PREFIX) --component mlxc

clean:
	@rm -rf build
