# Every target sets up what it needs: a virtual environment in .venv with the dependencies of pyproject.toml.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: demo test slow lint bench bench-nngen accuracy tutorials install clean help

help:
	@echo "make demo       the whole flow on MNIST, from training to resource counts"
	@echo "make test       test suite and linters"
	@echo "make slow       the tests that take minutes"
	@echo "make lint       linters alone"
	@echo "make bench      cycles over a grid of arrays; resources and clocks against their record: two hours"
	@echo "make bench-nngen  cycles, cells and clock beside those of NNgen, which it installs: ten minutes"
	@echo "make accuracy   trains and quantizes every shipped network with three seeds: two hours"
	@echo "make tutorials  runs docs/tutorials and renews what they show"
	@echo "make install    the environment alone"
	@echo "make clean      remove what the targets made"

install: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "amarray needs Python 3.11 or newer, not $$($(PYTHON) --version); set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/amarray demo

test: $(STAMP) lint
	$(BIN)/pytest -n 2

slow: $(STAMP)
	$(BIN)/pytest -n 2 -m slow

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(STAMP)
	$(BIN)/python bench/arrays.py
	$(BIN)/python bench/placements.py

bench-nngen: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[nngen]'
	$(BIN)/python bench/against_nngen.py
	$(BIN)/python bench/placed_against_nngen.py

accuracy: $(STAMP)
	$(BIN)/python bench/accuracy.py

tutorials: $(STAMP)
	$(BIN)/python tests/tutorials.py

clean:
	rm -rf .venv demo build runs *.egg-info .pytest_cache .ruff_cache .hypothesis
