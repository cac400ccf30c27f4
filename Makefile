# Everything is installed into .venv; only Python 3.11 or newer and make are needed beforehand.
# Settings are environment variables, or given behind the target: make worker WORKERS=4

VENV := .venv
BIN := $(VENV)/bin
# The first of these that is new enough; PYTHON=/path/to/python3 decides otherwise.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# What to hand to a command: make test ARGS='-k worker -x'
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP := $(BIN)/python -m pip --quiet
FOOTFALL := exec $(BIN)/python -m footfall
LOCK = $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade) pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help install run demo load ingestion worker reporting periodic valkey migrate
.PHONY: test check lint audit fuzz format bench bench-reporting chaos screenshots lock clean mariadb

help: ## List the targets
	@echo "Footfall. Start everything with: make run"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##: running

run: $(VENV)/run ## Start everything on this machine; Ctrl-C stops it
	@$(FOOTFALL) run

demo: $(VENV)/run ## The same with two made-up sites, in DATA_DIR/demo
	@$(FOOTFALL) demo

load: $(VENV)/run ## Post made-up traffic (ARGS='--rate 1000 --duration 60')
	@$(FOOTFALL) load $(ARGS)

ingestion: $(VENV)/run ## Start ingestion alone
	@$(FOOTFALL) ingestion

worker: $(VENV)/run ## Start event workers alone (WORKERS=4)
	@$(FOOTFALL) worker

periodic: $(VENV)/run ## Start the periodic process alone; one is enough
	@$(FOOTFALL) periodic

reporting: $(VENV)/run ## Start reporting alone
	@$(FOOTFALL) reporting

valkey: $(VENV)/run ## Start the embedded Valkey alone
	@$(FOOTFALL) valkey

migrate: $(VENV)/run ## Bring the database's tables to the newest version
	@$(FOOTFALL) migrate

install: $(VENV)/run ## Install into .venv

##: developing

test: $(VENV)/dev mariadb ## Run all tests (ARGS='-k worker')
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

lint: $(VENV)/dev ## Check style, types and who imports whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

audit: $(VENV)/dev ## Ask whether a pinned package has a known vulnerability
	@$(BIN)/python -m scripts.audit $(ARGS)

fuzz: $(VENV)/dev ## Ask both services whatever their APIs allow, and more (EXAMPLES=1000 SEED=7)
	@EXAMPLES=$${EXAMPLES:-300} SEED=$${SEED:-$$(date +%s)} \
		$(BIN)/python -m pytest --numprocesses 2 tests/openapi $(ARGS)

check: lint test ## Run every check and all tests
	@$(BIN)/python -m scripts.audit --if-online

format: $(VENV)/dev ## Format the code, and fix what can be fixed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/dev ## Measure the speed (against an earlier one: ARGS='--against COMMIT')
	@$(BIN)/python -m bench $(ARGS)

bench-reporting: $(VENV)/dev ## Measure what questions cost on a site of 5 M events (15 minutes)
	@$(BIN)/python -m bench.reporting $(ARGS)

chaos: $(VENV)/dev mariadb ## Let everything go wrong under load, and count what is left (ARGS='--seeds 10')
	@$(BIN)/python -m pytest --all-cases -m 'chaos or sampled'
	@$(BIN)/python -m bench.upgrade
	@$(BIN)/python -m bench.chaos $(ARGS)

screenshots: $(VENV)/dev ## Photograph the dashboard into docs/ and build/ (needs chromium)
	@$(BIN)/python -m scripts.screenshots

lock: $(VENV)/made ## Write the lock files anew (UPGRADE=1: newest versions)
	@$(PIP) install uv
	@$(LOCK) --group build --output-file requirements.lock
	@$(LOCK) --group build --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock

clean: ## Remove .venv and caches; data stays
	@rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache \
		.hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

mariadb:
	@scripts/ensure-mariadb

# What is installed, as files: make compares their age with the lock's.
$(VENV)/made:
ifeq ($(PYTHON),)
	@echo "Footfall needs Python 3.11 or newer; python3 here is:" \
		"$$(python3 --version 2>&1 || true)" >&2; exit 1
else
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@touch $@
endif

$(VENV)/run: $(VENV)/made requirements.lock pyproject.toml
	@echo "Installing Footfall into $(VENV); this takes a moment"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.lock
	@echo "Installing the tools for development into $(VENV)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
