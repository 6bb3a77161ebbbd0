# make quickstart   train on the embedded data set
# make test         the checks of `make lint`, then every test, in two processes
#                   (a part of them: .venv/bin/python -m pytest tests/models)
# make lint         format, lint, layers, types
# make reliability  kills, damaged files, bad input, bombs, full disks: some 15 minutes on two cores; writes
#                   benchmarks/RELIABILITY.md and fails if something did not survive
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin

.PHONY: quickstart test lint reliability clean

quickstart: .venv/core.installed
	$(BIN)/python tools/train_net.py --cfg configs/quickstart/digits.yaml

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/dev.installed
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports && $(BIN)/mypy

reliability: .venv/dev.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.reliability

.venv/core.installed: setup.py constraints.txt $(wildcard csrc/* csrc/*/*.c csrc/*/*.h)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		(echo "pycls needs Python 3.11 or newer; found $$($(PYTHON) --version). Try: make PYTHON=/path/to/python3.11"; exit 1)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[photos]"
	touch $@

.venv/dev.installed: .venv/core.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dali,dev]"
	touch $@

clean:
	rm -rf .venv build *.egg-info
