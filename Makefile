# Each target stands alone: on a fresh machine it first installs what the lock names.
.DEFAULT_GOAL := help
PYTHON ?= python3
PROFILE ?= embedded
BIN := .venv/bin
READY := .venv/.ready
# Interpreters of other teams' suites that the tests start; the group of the same name in pyproject.toml says what is in them.
WORLDS := strangers oldest reruns-flaky reruns-retry
WORLDS_READY := .venvs/.ready

.PHONY: help install worlds run test lint prove up down

help: ## Show this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

install: $(READY) ## Install exactly what uv.lock names into .venv

run: $(READY) ## Run one whole night (PROFILE=embedded) and print colour, cause, counts and report
	@$(BIN)/nightproof run --profile $(PROFILE)

worlds: $(WORLDS_READY) ## Install what other teams' suites need into .venvs, for the tests

test: $(READY) $(WORLDS_READY) ## Run the project's own tests with coverage
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term:skip-covered

lint: $(READY) ## Check format, rules, types, spelling and the lock
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@$(BIN)/codespell --toml pyproject.toml $$(git ls-files)

prove: $(READY) ## Prove that every declared defect turns its tests red (JOBS=1 SAMPLE=0 SEED=0)
	@$(BIN)/nightproof prove --profile $(PROFILE) --jobs $(or $(JOBS),1) --sample $(or $(SAMPLE),0) --seed $(or $(SEED),0)

up: $(READY) ## Start server, worker and deployments; print the UI's address
	@$(BIN)/nightproof up --profile $(PROFILE)

down: $(READY) ## Cancel runs, stop the worker, then the server
	@$(BIN)/nightproof down

$(READY): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "nightproof needs Python 3.11 or newer; set PYTHON=… to one, for example: make PYTHON=python3.12 run"; exit 3; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { echo "Python's venv module is missing; install it (Debian: apt-get install python3-venv) and repeat."; exit 3; }
	@test -x $(BIN)/uv || { echo "Installing uv into .venv …"; $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'; }
	@echo "Installing the locked environment …"
	@$(BIN)/uv sync --frozen --quiet
	@touch $@

$(WORLDS_READY): $(READY)
	@for world in $(WORLDS); do \
	  echo "Installing the locked group $$world into .venvs/$$world …"; \
	  UV_PROJECT_ENVIRONMENT=.venvs/$$world $(BIN)/uv sync --frozen --quiet --python $(BIN)/python --only-group $$world || exit 1; \
	done
	@touch $@
