# Two commands matter: `make demo` shows the product, `make test` proves it.
# Both set up what they need; ARGS is handed on, as in `make demo ARGS=--exit`.

VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# Test processes side by side, each with a NetBox of its own.
PROCESSES ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo lint test tools prometheus image unit interop bench chaos picture format lock build clean

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | column -t -s '|'

setup: $(VENV)/.ready  ## Install everything into .venv

# The interpreter is found by running candidates: a shim on PATH may exist and yet not work.
$(VENV)/.ready: pyproject.toml requirements.lock
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11 or later is needed and none was found on PATH; set PYTHON=/path/to/python." >&2; exit 1; fi; \
	if ! $$found -c 'import venv, ensurepip' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; \
	  else echo "Python's venv module is missing; install it with: apt install python3-venv" >&2; exit 1; fi; \
	fi; \
	echo "Setting up $(VENV) with $$($$found --version); installing packages takes about a minute"; \
	$$found -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: setup  ## NetBox, queue, worker and server from nothing; a document applied before your eyes
	@$(BIN)/netbox-mcp demo $(ARGS)

lint: setup  ## ruff, mypy --strict and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What tests need of Debian: programs, and the packages that have them. No browser comes from the package index.
TOOLS := chromium:chromium chromedriver:chromium-driver buildah:buildah mmdebstrap:mmdebstrap redis-cli:redis-tools

tools:  ## Chromium, and what builds the image and a fresh Debian, where they are missing
	@for tool in $(TOOLS); do command -v $${tool%:*} >/dev/null || missing="$$missing $${tool#*:}"; done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing$$missing"; \
	  apt-get update -qq && apt-get install -y -qq $$missing >/dev/null; \
	else echo "Missing; install with: apt install$$missing" >&2; exit 1; fi

# For the tests of alerts. Only its two programs are taken from Debian's package: installed, it would start a server.
prometheus: setup  ## Prometheus and promtool, where they are missing
	@for program in prometheus promtool; do \
	  [ -x $(BIN)/$$program ] || command -v $$program >/dev/null || missing=1; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then \
	  echo "Prometheus is missing; put its programs prometheus and promtool on PATH." >&2; exit 1; fi; \
	echo "Fetching Prometheus"; \
	if [ "$$(id -u)" = 0 ]; then apt-get update -qq; fi; \
	folder=$$(mktemp -d) && (cd $$folder && apt-get download -qq prometheus 2>/dev/null && dpkg-deb -x prometheus_*.deb .) \
	  && cp $$folder/usr/bin/prometheus $$folder/usr/bin/promtool $(BIN)/; \
	done=$$?; rm -rf $$folder; \
	if [ $$done != 0 ]; then echo "Prometheus could not be fetched; put its programs prometheus and promtool on PATH." >&2; fi; \
	exit $$done

test: lint tools prometheus  ## Lint, then every test, on a real NetBox, Redis and worker processes
	$(BIN)/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --hypothesis-profile thorough $(ARGS)

unit: setup  ## Only the tests that need no service (seconds)
	$(BIN)/pytest tests/unit $(ARGS)

# What npm installs stays in tests/interop/node_modules, the Node that these programs need among it.
interop: setup tests/interop/node_modules/.package-lock.json  ## The official Inspector and conformance suite against our server (a minute; needs npm)
	$(BIN)/pytest tests/interop $(ARGS)

tests/interop/node_modules/.package-lock.json: tests/interop/package.json tests/interop/package-lock.json
	@npm ci --prefix tests/interop --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

bench: setup  ## Measure our speed against bare requests (about an hour); writes bench/RESULTS.md
	$(BIN)/python -m bench.run $(ARGS)

chaos: setup  ## Kill, cut off and confuse batches (about two hours); writes docs/reliability.md
	$(BIN)/python -m tests.chaos.run $(ARGS)

picture: setup  ## Record the terminal that the README shows; writes docs/images/run.svg
	$(BIN)/python -m tests.picture.take

format: setup  ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup  ## Renew requirements.lock from pyproject.toml
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra embedded --extra dev --upgrade \
	  --no-header --no-emit-index-url --no-annotate pyproject.toml -o requirements.lock

image:  ## The container image: with Docker or Podman, else with Buildah on a base made from Debian's packages
	@docker info >/dev/null 2>&1 || podman info >/dev/null 2>&1 || $(MAKE) --no-print-directory tools
	@PYTHON=$(or $(wildcard $(BIN)/python),python3) deploy/build-image.sh $(ARGS)

build: setup  ## Wheel and source archive in dist/
	$(BIN)/python -m build

clean:  ## Remove what was built here (the sandbox's cache stays: `netbox-mcp sandbox down` first)
	rm -rf $(VENV) tests/interop/node_modules dist build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
