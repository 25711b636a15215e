# make help lists what can be made. Everything is installed in .venv, beside this file.

export PYTHON ?= python3
PYTEST_ARGS ?=

# Relative, so that a path with spaces does no harm.
PY := .venv/bin/python
# JupyterLab wants to be told that it may be run by root, as in a container.
AS_ROOT = $(shell [ "$$(id -u)" != 0 ] || echo --allow-root)

.PHONY: help demo lab test faults lint types bench clean

help:
	@echo 'make demo    run a real sweep in a real notebook; says where the results are'
	@echo 'make lab     open that notebook in JupyterLab'
	@echo 'make test    run all tests (PYTEST_ARGS="-k store" for some of them)'
	@echo 'make faults  the fault suite with its full counts, the figures of docs/reliability.md'
	@echo 'make lint    ruff, codespell and the rules of imports'
	@echo 'make types   mypy --strict'
	@echo 'make bench   the figures of docs/benchmarks.md'
	@echo 'make clean   remove .venv, .demo and caches; logs and snapshots stay'
	@echo 'PYTHON=python3.12 chooses the Python that .venv is made of'

demo:
	@.ci/install demo
	@$(PY) notebooks/demo.py

lab:
	@.ci/install demo,lab
	$(PY) -m jupyter lab $(AS_ROOT) notebooks/quickstart.ipynb

test:
	@.ci/install test
	@.ci/chromium || test -z "$$CI"
	$(PY) -m pytest $(PYTEST_ARGS)

faults:
	@.ci/install test
	MLXP_NB_FAULTS=full $(PY) -m pytest tests/faults $(PYTEST_ARGS)

lint:
	@.ci/install test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m codespell_lib
	$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint()" --no-cache

types:
	@.ci/install test
	$(PY) -m mypy

bench:
	@.ci/install demo
	@for script in benchmarks/*.py; do $(PY) "$$script" || exit 1; done

clean:
	rm -rf .venv .demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find mlxp_nb tests notebooks benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
