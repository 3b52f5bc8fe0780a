# The front door: make demo, serve, train, test, bench, bench ops, bench models, bench products, bench serve, bench-train, check, install,
# install-mlxc, wheel, docs, deb, clean. Builds come to lie in build/.
# What is missing on the machine, tools/setup installs (Debian and Ubuntu) or names.

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
RELEASE := build/release
LIBRARIES := build/libraries

.PHONY: all demo serve train test bench bench-train ops models products check install install-mlxc wheel docs deb deb-check clean configure serve-program

all: configure
	@cmake --build $(RELEASE) --parallel $(JOBS)

configure:
	@tools/setup build
	@cmake --preset release

# The server of examples/serve: what it is to do, against itself, within a minute.
demo: serve-program
	@$(RELEASE)/examples/serve --demo

# The same, for who comes: make serve PORT=8080, and with ADMIN=9080 a port for whoever runs it.
PORT ?= 8080
ifeq ($(filter bench,$(MAKECMDGOALS)),)
serve: serve-program
	@$(RELEASE)/examples/serve --port=$(PORT) $(if $(ADMIN),--admin=$(ADMIN))
else
serve: bench # make bench serve
endif

# The model of examples/train, on the GPU where there is one: make train STEPS=1000.
STEPS ?= 300
train:
	@tools/setup build
	@cmake --preset release
	@cmake --build $(RELEASE) --parallel $(JOBS) --target train
	@$(RELEASE)/examples/train --steps=$(STEPS) --curve=build/train.svg

serve-program:
	@tools/setup demo
	@cmake --preset release
	@cmake --build $(RELEASE) --parallel $(JOBS) --target serve

test:
	@tools/setup test
	@cmake --preset release
	@cmake --build $(RELEASE) --parallel $(JOBS)
	@ctest --preset release

bench:
	@tools/setup bench
	@cmake --preset release
	@cmake --build $(RELEASE) --parallel $(JOBS)
	@bench/$(or $(filter ops models products serve,$(MAKECMDGOALS)),run)

# make bench ops: every operation beside its peers, in the place of the tables.
# make bench models: what models are made of.
# make bench products: products of matrices on the CPU, beside NumPy, PyTorch and ONNX Runtime.
# make bench serve: what examples/serve embeds with, beside ONNX Runtime and PyTorch.
# make bench-train: steps per second of examples/train.
ops models products: bench

bench-train:
	@tools/setup bench
	@cmake --preset release
	@cmake --build $(RELEASE) --parallel $(JOBS) --target train
	@bench/train

# Rules that need no build, those of the tools that read code, then the models in tests/model.
check:
	@tools/setup check
	@cmake --preset debug
	@tools/check/all build/debug

# The libraries alone are built, where a warning is none of the user's business, and no package of
# the system's is installed.
.PHONY: libraries
libraries:
	@tools/setup install
	@cmake -S . -B $(LIBRARIES) -DCMAKE_BUILD_TYPE=Release -DWEIR_BUILD_TESTS=OFF \
	  -DWEIR_BUILD_EXAMPLES=OFF -DWEIR_BUILD_BENCH=OFF
	@cmake --build $(LIBRARIES) --parallel $(JOBS)

install: libraries
	@cmake --install $(LIBRARIES) --prefix $(PREFIX)

# Beside that, what programs written for mlx-c look for: libmlxc and the like.
install-mlxc: install
	@cmake --install $(LIBRARIES) --prefix $(PREFIX) --component mlxc

# A Python wheel of the library: pip install build/wheel/*.whl, which brings OpenBLAS with it.
wheel: libraries
	@tools/setup wheel
	@rm -f build/wheel/*.whl
	@tools/wheel $(LIBRARIES)/libweir.so build/wheel

# HTML and man pages of every public function, made from the headers, with the guides: build/docs.
docs:
	@tools/setup docs
	@tools/docs build/docs

# Debian's packages of the committed files, in build/deb.
deb:
	@tools/setup deb
	@tools/deb

# The same, and what a user does with them: for a machine that may be changed, as tools/fresh-check
# makes one.
deb-check: deb
	@tests/deb/run build/deb

clean:
	@rm -rf build
