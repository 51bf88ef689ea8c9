# Everything a person or a pipeline does here. Needs python3 (3.11 or later), make and a way to PyPI; nothing else.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
ARGS ?=
BIN := .venv/bin
UV := $(BIN)/uv
SOURCES := $(wildcard app migrations tests benchmarks)
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--exclude-newer '7 days'
EXTRAS := --extra postgres --extra s3 --extra redis --extra otel

.DEFAULT_GOAL := help
.PHONY: help demo run probe test matrix check format bench campaign audit sbom lock clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.run ## the tour: simulated vendors, a gateway, real requests over every surface
	$(BIN)/oneshape demo $(ARGS)

run: .venv/.run ## a gateway with simulated vendors on http://127.0.0.1:8080, until Ctrl-C
	$(BIN)/oneshape serve --sandbox $(ARGS)

probe: .venv/.run ## ask configured vendors once per model, which costs money, and compare (ARGS="VENDOR --cheapest")
	$(BIN)/oneshape probe $(ARGS)

test: .venv/.dev ## every test (ARGS="tests/wire -k sse" for some)
	$(BIN)/python -m pytest -n 2 $(ARGS)

matrix: .venv/.dev ## every surface asked for pictures of every kind of vendor, as a table
	$(BIN)/python -m tests.gateway.matrix

check: .venv/.dev ## format, lint, types and who may import whom
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports

format: .venv/.dev ## rewrite the code in the house style
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

bench: .venv/.dev ## throughput, latency and memory, printed beside the peers'
	$(BIN)/python -m benchmarks $(ARGS)

bench-peers: .venv/.dev ## install LiteLLM and Portkey into a cache folder, for bench to measure beside
	$(BIN)/python -m benchmarks.peers

campaign: .venv/.dev ## break things on purpose for a while: kills, cuts, full disks
	$(BIN)/python -m benchmarks.campaign $(ARGS)

audit: .venv/.dev ## known holes in what we depend on
	$(BIN)/pip-audit --disable-pip --require-hashes --requirement requirements.lock

sbom: $(UV) ## what a release consists of, as CycloneDX (ARGS="--output sbom.json")
	@$(BIN)/python -m benchmarks.sbom $(ARGS)

lock: $(UV) ## choose versions anew, none younger than seven days
	echo uv | $(COMPILE) --upgrade --output-file requirements-uv.lock -
	$(COMPILE) --upgrade $(EXTRAS) --group dev --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) --upgrade $(EXTRAS) --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml

clean: ## remove what tools left behind (not .venv, not data)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +

# uv is the one thing that pip installs, by hash as well; its presence means that .venv is usable.
$(UV): requirements-uv.lock
	@test -n "$(PYTHON)" || { echo "Oneshape needs Python 3.11 or later: install it, or say make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "This Python cannot make virtual environments (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-uv.lock
	@touch $@

# Stamps, so that a second make starts at once. What is installed for development also runs the demo: it is never taken away.
.venv/.dev: $(UV) requirements-dev.lock pyproject.toml
	@$(call install,requirements-dev.lock)
	@touch .venv/.dev .venv/.run

.venv/.run: $(UV) requirements.lock pyproject.toml
	@if [ -e .venv/.dev ]; then $(MAKE) --no-print-directory .venv/.dev; else $(call install,requirements.lock); fi
	@touch $@

# Last, it is loaded once: the bytecode of that is written now, and not while somebody waits for the first start, nor anew
# at every start where writing it is forbidden.
install = $(UV) pip sync --quiet --python $(BIN)/python --require-hashes $(1) && \
	$(UV) pip install --quiet --python $(BIN)/python --offline --no-deps --editable . && \
	PYTHONDONTWRITEBYTECODE= $(BIN)/oneshape --version >/dev/null
