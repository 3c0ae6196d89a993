# Everything works on a fresh Debian with python3 (3.11 or newer): the first target that needs it sets up .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PATHS  := core grammar plugins tests bench specs

.PHONY: demo test lint format bench bench-full torture clean
.DEFAULT_GOAL := test

$(READY): pyproject.toml $(wildcard plugins/*/pyproject.toml) grammar/campaign_grammar/campaign.lark
	PYTHON="$(PYTHON)" .ci/setup "$(VENV)"
	touch $@

demo: $(READY)          ## find a real defect: which SQLite settings survive kill -9
	$(BIN)/python specs/demo.py

test: $(READY)          ## all tests, real processes and all
	$(BIN)/python -m pytest -n 4 || { test $$? -eq 1 && echo "== once more, alone: what failed above" && \
	    $(BIN)/python -m pytest --last-failed --last-failed-no-failures none; }

lint: $(READY)          ## layout, mistakes, types, floors
	$(BIN)/ruff format --check $(PATHS)
	$(BIN)/ruff check $(PATHS)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)        ## write the canonical layout
	$(BIN)/ruff format $(PATHS)
	$(BIN)/ruff check --fix $(PATHS)

bench: $(READY)         ## against the peers, the short form
	$(BIN)/python -m bench --short

bench-full: $(READY)    ## with 5 GiB of output and all sizes; writes bench/RESULTS.md and its data
	$(BIN)/python -m bench --write bench

torture: $(READY)       ## fuzzer, the gauntlet again and again, 100,000 simulated queues, every torture at its whole size
	$(BIN)/python tests/language/fuzz.py --seconds 600
	for round in 1 2 3 4 5; do $(BIN)/python -m pytest -n 2 -m gauntlet || exit 1; done
	$(BIN)/python -m tests.simulation --seeds 100000
	$(BIN)/python -m tests.torture

clean:                  ## everything that can be made again
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
