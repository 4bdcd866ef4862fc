# Needs Python 3.11 to 3.13, git and make; everything else is set up by the targets.
#
#   make audit REPO=<path or URL>   audit a repository and print the report (installs the light base only)
#   make up [REPO=<path or URL>]    pages, Dagster UI and daemon on this machine; audits the repository first when named
#   make demo [REPOS="<path> ..."]  fill the pages with a year of real audits of a few repositories; then make up
#   make platform                   install what the platform and reports in HTML and Parquet need, and start nothing
#   make test                       all tests but faults and the cluster's, with a PostgreSQL that they start themselves
#   make pg-test                    the tests of PostgreSQL alone: store, COPY, rolling update, moves, backups
#   make browser-test               the pages in Debian's Chromium: main tasks, hostile names, barriers
#   make fault-test                 kills, restarts, cuts and fills up; nothing may be lost or doubled
#   make check                      format, lint, types, import contracts, and Elder's audit of itself
#   make bench REPO=<path>          what an audit, a push and a year cost; JSON=1 for one object
#   make label CORPUS=<folder>      draw findings from a corpus for a person to judge (docs/calibration.md)
#   make chart-test                 judge the chart: helm 3 and 4, Kubernetes 1.28 and 1.37, policies (docs/kubernetes.md)
#   make image-test                 carry out the Dockerfile's steps without an engine and use what comes out (root, Debian)
#   make k8s-test                   install the chart in a cluster of processes and break it (docs/kubernetes.md)
#   make security                   vulnerable packages, secrets, API fuzz, hostile repositories, chart and image (docs/security.md)
#   make docs                       write the pages that are derived from the rules again
#   make lock                       resolve the ranges in pyproject.toml into requirements/*.txt again
#   make help                       print this
#
# ARGS adds options: make audit REPO=. ARGS="--format json"

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
REPO ?= .
ARGS ?=
REPOS ?=
PARTS ?=

.PHONY: audit platform up demo test browser-test pg-test fault-test check bench label chart-tools chart-test image-test k8s-test security docs lock help clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed -n '1,/^ARGS/p'

audit: $(VENV)/base.done
	@$(BIN)/elder audit "$(REPO)" $(ARGS)

platform: $(VENV)/platform.done
	@echo "the platform is installed: $(BIN)/elder --help"

up: $(VENV)/platform.done
	@$(BIN)/elder up $(if $(filter command line,$(origin REPO)),"$(REPO)",) $(ARGS)

demo: $(VENV)/platform.done
	@$(BIN)/python tools/demo.py --team platform --team product $(REPOS)

browser-test: $(VENV)/dev.done
	$(BIN)/python -m pytest tests/dash_app/browser $(ARGS)

test: $(VENV)/dev.done
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not fault and not image and not cluster" $(ARGS)

fault-test: $(VENV)/dev.done
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/faults $(ARGS)

pg-test: $(VENV)/dev.done
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "postgres and not fault and not cluster" $(ARGS)

check: $(VENV)/dev.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/elder audit . --quiet --fail-under 80

bench: $(VENV)/base.done
	@$(BIN)/python benchmarks/audit.py "$(REPO)" $(if $(JSON),--json) $(if $(RUNS),--runs $(RUNS)) $(ARGS)

label: $(VENV)/base.done
	@$(BIN)/python tools/label/label.py $(ARGS)

chart-tools: $(VENV)/dev.done
	@$(BIN)/python tools/chart_tools.py build/chart-tools

chart-test: chart-tools
	$(BIN)/python -m pytest -n 2 --dist worksteal -rs tests/chart $(ARGS)

image-test: $(VENV)/dev.done
	$(BIN)/python tools/image.py build/image
	$(BIN)/python -m pytest -rs tests/image $(ARGS)

k8s-test: chart-tools
	$(BIN)/python -m pytest -rs tests/k8s $(ARGS)

security: $(VENV)/dev.done
	@$(BIN)/python tools/chart_tools.py build/chart-tools || echo "the chart's tools could not be fetched" >&2
	@$(BIN)/python tools/security.py $(PARTS)

docs: $(VENV)/base.done
	@$(BIN)/python tools/docs.py
	@$(BIN)/python tools/chart.py
	@$(BIN)/python ops/dashboards.py

# One virtual environment; each level adds to the one below and leaves a mark that is newer than its lock file.
# Byte-code is compiled at install: without it every process costs twice the CPU.
$(VENV)/base.done $(VENV)/platform.done $(VENV)/dev.done: $(VENV)/%.done: requirements/%.txt pyproject.toml | $(VENV)/bin/pip
	@echo "setting up $(VENV) ($*), once ..." >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(if $(filter dev,$*),$(VENV)/platform.done,) $(if $(filter dev platform,$*),$(VENV)/base.done,)

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "Elder needs Python 3.11 to 3.13; set PYTHON=<interpreter>, '$(PYTHON)' is another"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

LOCK = uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --generate-hashes \
	pyproject.toml requirements/build.in
lock:
	$(LOCK) --extra platform --extra tracing --extra dev -o requirements/dev.txt
	$(LOCK) --extra platform --extra tracing -c requirements/dev.txt -o requirements/platform.txt
	$(LOCK) -c requirements/dev.txt -o requirements/base.txt
	$(filter-out pyproject.toml requirements/build.in,$(LOCK)) requirements/security.in -o requirements/security.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
