# make demo   plays the whole story on real flights; leaves demo-report.html
# make test   everything that CI runs
# Both set up all they need in .venv, and either can be typed first.

PYTHON ?= $(firstword $(foreach v,python3.13 python3.12 python3.11 python3,$(shell command -v $(v) >/dev/null 2>&1 && $(v) -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo $(v))))
BIN := .venv/bin
UV := $(BIN)/uv

.PHONY: demo test setup browser postgres lint types unit notebooks bench lock wheel clean

demo: setup
	$(BIN)/mlops-nb demo

test: setup browser postgres lint types unit notebooks

setup: .venv/.ready

.venv/.ready: pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 to 3.13 with venv was found"; echo "  fix: install one, or name it: make PYTHON=/path/to/python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[^ ;]+' requirements.lock)"
	VIRTUAL_ENV=.venv $(UV) pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --editable .
	$(BIN)/python -m compileall -q mlops_nb
	$(BIN)/python notebooks/flights_data.py notebooks/data --months 1-6 >/dev/null
	touch $@

# The panel is driven in a real browser. Chromium: the machine's own, Debian's package, Playwright's.
browser: setup
	@$(BIN)/python tests/browser/chromium.py

# The journal is tested on a real PostgreSQL server: the machine's own, or Debian's package.
postgres: setup
	@$(BIN)/python tests/storage/postgres_server.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: setup
	$(BIN)/mypy

unit: setup
	$(BIN)/pytest -n 2 --dist loadfile

notebooks: setup
	$(BIN)/pytest --nbval-lax -p no:cacheprovider notebooks

bench: setup
	for b in tests/benchmarks/*.py; do $(BIN)/python $$b; done

lock:
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --generate-hashes --no-header --annotation-style line -o requirements.lock

wheel: setup
	$(UV) build --wheel --out-dir dist

clean:
	rm -rf .venv dist build mlops_nb/labextension labextension/lib labextension/node_modules
