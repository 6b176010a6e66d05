# `make demo` and `make test` do all their own set-up: they need Python >= 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
JOBS ?= logical
BIN = $(VENV)/bin
# Python compiles what it imports; to compile all that is installed takes half of the time of an installation.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# What `make demo` needs, and what everything else needs besides.
LIBRARY = $(VENV)/.library
INSTALLED = $(VENV)/.installed

.PHONY: demo test quick evidence lowest lint docs package clean

demo: $(LIBRARY)
	$(BIN)/polytask demo

# Temporary files of tests are held in memory where there is room: runs write through to the disk at every checkpoint.
ROOM = $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 {print "TMPDIR=/dev/shm"}')

# A file of tests goes to one process, with what its tests share; each process computes with one thread.
PYTEST = $(ROOM) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test: $(INSTALLED)
	$(PYTEST)

# Without the tests that take more than five seconds each.
quick: $(INSTALLED)
	$(PYTEST) -m 'not slow and not evidence'

# How good whole trainings on real tables are; where POLYTASK_DATA or shared/data has them.
evidence: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m evidence

# The oldest releases that pyproject.toml allows; this PyTorch brings gigabytes of GPU libraries.
lowest:
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	build/lowest/bin/uv pip install --python build/lowest/bin/python --resolution lowest-direct --editable '.[dev]'
	build/lowest/bin/python -m pytest -m 'not slow'

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

package: $(INSTALLED)
	$(BIN)/python -m build --outdir build/dist .

clean:
	rm -rf $(VENV) polytask-demo build

# torch first and by its exact version: a range would bring gigabytes of GPU libraries that CPU users do not need.
$(LIBRARY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: Python 3.11 or newer is needed, found $$($(PYTHON) --version); say PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch==2.13.0
	$(INSTALL) --editable .
	touch $@

$(INSTALLED): $(LIBRARY)
	$(INSTALL) --editable '.[dev]'
	touch $@
