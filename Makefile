# Two commands to begin with: `make demo` shows the main job running, `make test` passes the tests. Both make the same .venv.
SHELL := /bin/sh
VENV := .venv
READY := $(VENV)/.ready
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do command -v $$name >/dev/null 2>&1 \
	&& $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' && { echo $$name; break; }; done)

.PHONY: help setup demo test quick check servers catalogue commands clean

help:  ## Say what can be made.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## Make .venv with everything the demo and the tests need.

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or run make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Setting up $(VENV) (a minute the first time) …"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $(READY)

demo: $(READY)  ## Show the main job: stories become a sent issue and short posts.
	@$(VENV)/bin/publisher demo

test: $(READY)  ## Pass the tests, on SQLite and on a real PostgreSQL from PyPI.
	@$(VENV)/bin/python -m pytest -n 2 --dist worksteal $(PYTEST)

quick: $(READY)  ## The tests without whole commands, crashes and browsers.
	@$(VENV)/bin/python -m pytest -n 2 --dist worksteal tests/unit tests/integration $(PYTEST)

check: $(READY)  ## Look for what needs no running: style, types, which room imports which.
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

servers:  ## Install the servers and the browser that some tests need (Debian).
	@tools/servers

catalogue: $(READY)  ## Bring the Japanese catalogue up to date with the code.
	@$(VENV)/bin/python tools/catalogue.py

commands: $(READY)  ## Write docs/commands.md anew from the commands.
	@$(VENV)/bin/python -m tools.commands_page

clean:  ## Remove what the targets above made.
	rm -rf $(VENV) demo .pytest_cache .hypothesis .ruff_cache .mypy_cache .import_linter_cache
