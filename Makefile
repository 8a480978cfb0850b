# sotto: `make run` sets everything up and starts it. `make help` lists the rest.
#
# Everything is installed into .venv from the lock files in .ci/locks, by hash. What is there already is not looked at
# again: a stamp in .venv says which lock it came from.

VENV := .venv
BIN := $(VENV)/bin
LOCKS := .ci/locks
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --require-hashes
# Wheels only: nothing is compiled to run sotto.
WHEELS := $(PIP) --only-binary :all:
# A .venv whose Python was upgraded away is of no use: everything is made anew.
GONE := $(shell [ ! -d $(VENV) ] || [ -x $(BIN)/python ] || rm -rf $(VENV))
TEST_ARGS ?=
BENCH_ARGS ?=
SOAK_ARGS ?=
LOCK_ARGS ?=

.NOTPARALLEL:
.PHONY: help run llama test check bench soak sample lock clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.sotto ## set up what is missing and start sotto; without a terminal, play the sample meeting through it
	@.ci/system-packages run
	@if [ -t 1 ]; then exec $(BIN)/sotto; else exec $(BIN)/sotto demo; fi

llama: $(VENV)/.llama ## add llama-cpp-python, for summaries by a language model (compiles about five minutes, once)

test: $(VENV)/.dev $(VENV)/.llama ## set up what is missing and run every test; TEST_ARGS="-k name" chooses
	@.ci/system-packages test
	$(BIN)/python -m pytest -n logical --dist loadfile $(TEST_ARGS)

check: $(VENV)/.dev ## format, lint, types, layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev $(VENV)/.llama ## measure what the README claims; BENCH_ARGS="capture --minutes 60" chooses
	$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

soak: $(VENV)/.dev ## record with captions in lightweight mode for half an hour and watch the memory; SOAK_ARGS="--hours 24"
	$(BIN)/python -m tests.benchmarks.soak $(SOAK_ARGS)

sample: $(VENV)/.dev ## speak the sample meeting anew from services/sample/script.toml (needs flite)
	$(BIN)/python -m services.sample.make

lock: $(VENV)/.dev ## take the newest versions that pyproject.toml allows; LOCK_ARGS=--keep only what it forces
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python .ci/lock.py $(LOCK_ARGS)

clean: ## remove .venv and everything that was generated
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache snapshot_report.html
	find services tui themes tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@.ci/venv $(VENV)
	@touch $@

$(VENV)/.build: $(LOCKS)/build.lock | $(VENV)/.made
	@echo "Setting up $(VENV): about a minute, once." >&2
	@$(WHEELS) -r $(LOCKS)/build.lock
	@touch $@

# srt, a module of plain Python that vosk needs, is published as source only.
$(VENV)/.run: $(LOCKS)/run.lock $(VENV)/.build
	@$(WHEELS) --no-binary srt --no-build-isolation -r $(LOCKS)/run.lock
	@touch $@

$(VENV)/.sotto: pyproject.toml $(VENV)/.run
	@$(BIN)/python -m pip --disable-pip-version-check install -qq --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: $(LOCKS)/dev.lock $(VENV)/.sotto
	@echo "Adding the tools for checks and tests." >&2
	@$(WHEELS) -r $(LOCKS)/dev.lock
	@touch $@

$(VENV)/.llama: $(LOCKS)/llama-build.lock $(LOCKS)/llama.lock $(VENV)/.sotto
	@.ci/system-packages compile
	@echo "Adding llama-cpp-python: compiles about five minutes the first time." >&2
	@$(WHEELS) -r $(LOCKS)/llama-build.lock
	@$(PIP) --no-build-isolation -r $(LOCKS)/llama.lock
	@touch $@
