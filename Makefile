# Every command of the project. `make` alone lists them.
# `make run` and `make test` each work as the first command in a fresh clone: they need Python 3.11 or newer, make and git.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# What mypy reads; the last two are optional folders.
TYPED := src tests docs $(wildcard bench examples)

# Two files of tests at a time: many of them wait for servers and processes of their own. `-n 0`: one after the other.
PARALLEL := -n 2 --dist loadfile

# Extra arguments for pytest, e.g. `make test ARGS="-x tests/unit"`.
ARGS ?=

# Checks the types of the JavaScript client. It comes from npm, which not every machine has.
TYPESCRIPT := clients/javascript/node_modules/.bin/tsc

# Keeps what is locked unless asked otherwise: `make lock ARGS=--upgrade`. Without the header, the index and the links, the
# files hold no address and no path.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(ARGS)

# Prints the first Python that is new enough and can make a virtual environment; says what is missing otherwise.
# Each candidate is asked for its version, because a name on PATH may be a shim without an interpreter behind it.
define FIND_PYTHON
found=; bare=; \
for python in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	if "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then found=$$python; break; fi; \
	bare=$${bare:-$$python}; \
done; \
if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	echo "make: $$bare lacks the venv module or pip. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
elif [ -z "$$found" ]; then \
	echo "make: Python 3.11 or newer was not found. Install it, or name it: make PYTHON=/path/to/python3.13 $(MAKECMDGOALS)" >&2; \
	exit 1; \
fi
endef

.PHONY: help
help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | \
		while IFS="$$(printf '\t')" read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

.PHONY: run
run: $(INSTALLED) ## Start the service for development, with the demo page
	@$(BIN)/sanctum serve --dev

.PHONY: test
test: $(INSTALLED) ## Run the tests (all but those marked soak or chaos)
	@$(BIN)/pytest $(PARALLEL) $(ARGS)

.PHONY: test-servers
test-servers: $(INSTALLED) ## Run the adapters' tests on the servers of this machine
	@$(BIN)/python -m tests.servers $(ARGS)

.PHONY: check
check: $(INSTALLED) ## Run exactly what CI runs: lint, format, types, layers, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/lint-imports --no-logo
	@if $(MAKE) $(TYPESCRIPT); then $(MAKE) check-javascript; else \
		echo 'make: NO TYPESCRIPT: THE TYPES OF THE JAVASCRIPT CLIENT ARE NOT CHECKED. It takes npm.' >&2; fi
	@$(MAKE) test-servers
	@$(MAKE) test

.PHONY: check-javascript
check-javascript: $(TYPESCRIPT) ## Check the types of the JavaScript client, and what it declares; needs npm
	$(TYPESCRIPT) --project clients/javascript --outDir clients/javascript/node_modules/declared
	@diff -u clients/javascript/sanctum.d.ts clients/javascript/node_modules/declared/sanctum.d.ts || \
		{ echo 'make: `make declarations` writes sanctum.d.ts again' >&2; exit 1; }

.PHONY: declarations
declarations: $(TYPESCRIPT) ## Write what the JavaScript client declares to TypeScript again; needs npm
	$(TYPESCRIPT) --project clients/javascript

.PHONY: fmt
fmt: $(INSTALLED) ## Format the code and apply the safe fixes of the linter
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(INSTALLED) ## Run the benchmarks
	$(BIN)/python -m bench

.PHONY: chaos
chaos: $(INSTALLED) ## Run the fault tests, which break things on purpose
	$(BIN)/pytest -m chaos $(ARGS)

# For how long, and on what: `make soak MINUTES=60 ON=postgres`, which is three instances with Valkey. Memory is judged
# once every ring holds only what the soak has said, which takes 3 minutes or more, and at the latest by half-time.
MINUTES ?= 20
ON ?= sqlite

.PHONY: soak
soak: $(INSTALLED) ## Serve 500 connections for 20 minutes, and see that memory stays flat
	@SANCTUM_SOAK_MINUTES=$(MINUTES) $(BIN)/pytest -m soak -s tests/soak -k on_$(ON) $(ARGS)

# How long each target is fuzzed: `make fuzz SECONDS=600`.
SECONDS ?= 60

.PHONY: fuzz
fuzz: $(INSTALLED) ## Feed the parsers with what coverage finds to be new
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(ARGS)

.PHONY: fuzz-api
fuzz-api: $(INSTALLED) ## Call the API in ways nobody thought of, by new seeds each time
	$(BIN)/pytest -m chaos tests/integration/test_schemathesis.py $(ARGS)

.PHONY: docs
docs: $(INSTALLED) ## Write the pages that are tables of the code again
	$(BIN)/python -m docs.generate

# What runs the service, in an image for example, may be told to use either database and bus, so it has the drivers of all.
# What builds it there is locked by itself, because pip can't take a few packages out of a file with hashes.
.PHONY: lock
lock: $(INSTALLED) ## Write the locked requirements again after a change of dependencies
	$(LOCK) pyproject.toml --extra dev --output-file requirements.txt
	$(LOCK) pyproject.toml --extra otel --extra postgres --extra redis --constraints requirements.txt \
		--output-file requirements-runtime.txt
	echo hatchling | $(LOCK) - --constraints requirements.txt --output-file requirements-build.txt
	@if grep -n '://' requirements*.txt; then echo 'make: an address got into a lock file' >&2; exit 1; fi

.PHONY: clean
clean: ## Remove the virtual environment, caches and what tests and builds leave behind
	rm -rf $(VENV) build dist .coverage .coverage.* htmlcov test-results
	rm -rf clients/javascript/node_modules .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests $(wildcard bench examples) -name __pycache__ -type d -prune -exec rm -rf {} +

# The project itself has no hash, so it goes in after the locked packages and brings none of its own.
# `-qq` leaves errors only: pip warns about every package whose index names a location it ignores.
$(INSTALLED): requirements.txt pyproject.toml
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		$(FIND_PYTHON); \
		echo "Setting up $(VENV) with $$($$found --version); this takes about half a minute."; \
		"$$found" -m venv --clear $(VENV) || { echo "make: $$found could not make a virtual environment in $(VENV)" >&2; exit 1; }; \
	fi
	@$(BIN)/python -m pip install -qq --no-input --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install -qq --no-input --no-deps --no-build-isolation -e .
	@touch $@

$(TYPESCRIPT): clients/javascript/package-lock.json
	@cd clients/javascript && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error \
		--fetch-retries=1 --fetch-timeout=60000
	@touch $@
