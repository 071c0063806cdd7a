# Every command of the project. Paths are relative, so the project may lie in any folder.
PYTHON ?= python3
VENV := .venv/bin/python
PIP := $(VENV) -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: help up test test-adopted crashes test-browser demo simulate bench bench-full lint format lock smoke
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1 — \2/p' Makefile

# A recipe that starts servers ends in exec: only then does SIGTERM to make reach them.
up: .venv/runtime.stamp ## run everything here: PORT=8000 HOST=127.0.0.1 DATA_DIR=.data DATABASE_URL= CELERY_BROKER_URL=
	@exec $(VENV) -m config.supervisor up

test: .venv/dev.stamp ## run the tests: ARGS="…" for pytest; PG=16 or PG=15 runs laws, races and adoptions on that PostgreSQL
	@exec $(VENV) -m pytest $(if $(PG),tests/laws tests/races tests/adoption) $(ARGS)

# Stories are told beside what others wrote before; the rest counts rows, so none are there.
test-adopted: .venv/dev.stamp ## tell the stories on tables taken over from others: ALL=1 for laws, races and the apps' tests
	@for world in minimal half broad; do LEGACY=$$world $(VENV) -m pytest tests/stories $(ARGS) || exit 1; done
	@$(if $(ALL),LEGACY=emptied exec $(VENV) -m pytest tests/laws tests/races tests/economics tests/auction tests/governance $(ARGS),:)

crashes: .venv/dev.stamp ## strike deeds down before and after each of their statements (about 5 minutes)
	@exec $(VENV) -m pytest tests/crashes $(ARGS)

test-browser: .venv/dev.stamp ## do people's work in Debian's chromium: SHOTS=.shots takes the pictures, ARGS="…" for pytest
	@command -v chromium >/dev/null || { echo "chromium not found: apt-get install chromium" >&2; exit 1; }
	@exec $(VENV) -m pytest tests/browser --dist worksteal $(ARGS)

demo: .venv/dev.stamp ## watch a market of agents trade for a minute: ARGS="--data FILE" for calls of your own
	@exec $(VENV) manage.py demo $(ARGS)

simulate: .venv/runtime.stamp ## compare the market with fair share and FIFO (half an hour): ARGS="--seeds 1 --load 1.5" for less
	@exec $(VENV) manage.py simulate --preset source,scaled $(ARGS)

bench: .venv/dev.stamp ## measure against plain SQL, at reduced size (under 8 minutes)
	@exec $(VENV) -m tests.benchmarks $(ARGS)

bench-full: .venv/dev.stamp ## the same at full size: ONLY=name for one of them
	@exec $(VENV) -m tests.benchmarks --full $(if $(ONLY),--only $(ONLY)) $(ARGS)

lint: .venv/dev.stamp ## style, types, layers, missing migrations
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy
	.venv/bin/lint-imports
	$(VENV) manage.py makemigrations --check --dry-run

format: .venv/dev.stamp ## put the code in order
	$(VENV) -m ruff check --fix .
	$(VENV) -m ruff format .

lock: .venv/dev.stamp ## resolve the dependencies of pyproject.toml anew
	$(VENV) -m uv pip compile $(LOCK) --output-file requirements.txt pyproject.toml
	$(VENV) -m uv pip compile $(LOCK) --output-file requirements-dev.txt --extra dev pyproject.toml

smoke: .venv/dev.stamp ## start, stop, kill and start again a copy in an awkward folder
	@exec $(VENV) -m tests.smoke

# Stamps are written last: a half-made environment is made again.
.venv/made.stamp:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) not found; name a Python: make PYTHON=…" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, $(PYTHON) is older; name another: make PYTHON=python3.12 …" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make environments: apt-get install python3-venv (or your system's package of it)" >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear .venv
	@touch $@

.venv/runtime.stamp: requirements.txt .venv/made.stamp
	@echo "Installing packages, once …"
	@$(PIP) requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/made.stamp
	@echo "Installing packages for development, once …"
	@$(PIP) requirements-dev.txt
	@touch $@ .venv/runtime.stamp
