# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Each makes what it needs in .venv; PYTHON names another interpreter (3.11 to 3.13).
PYTHON ?= python3
BIN := .venv/bin
EVENTS ?= 1000000
NOREN_HOME ?= noren-home
# Unless NOREN_HOME names one: what the demo made is out already, so Airflow has a home of its own.
AIRFLOW_FOR := $(if $(filter file,$(origin NOREN_HOME)),noren-airflow,$(NOREN_HOME))
# Three workers for two cores: one waits for Java, PostgreSQL or Airflow most of the time.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadgroup
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

.PHONY: help demo airflow airflow-stop test faults fuzz attacks engines check bench profile format lock clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/run.done ## a month of realistic logs becomes six signed releases (EVENTS=1000000)
	@NOREN_HOME=$(NOREN_HOME) $(BIN)/noren demo --events $(EVENTS)

airflow: .venv/airflow.done ## Airflow and PostgreSQL on 127.0.0.1, with a demo's home (PORT=8080)
	@NOREN_HOME=$(AIRFLOW_FOR) $(BIN)/python -m jobs.services start --demo --events 200000 $(if $(PORT),--port $(PORT))

airflow-stop: ## end what `make airflow` started, and nothing else
	@test ! -e .venv/airflow.done || NOREN_HOME=$(AIRFLOW_FOR) $(BIN)/python -m jobs.services stop

test: .venv/dev.done ## every test, on DuckDB and on Spark; what is exhaustive or random in its short form
	@$(PYTEST)

faults: ## the long form of kills, crashes and forgeries, Airflow and clusters among them (RUN=7: that run again)
fuzz: ## the long form of properties: more examples, others in each run
attacks: ## the long form of the attacks on what was released
engines: ## every case of every table on Spark, of which `make test` takes the first where each costs seconds
faults fuzz attacks engines: .venv/dev.done
	@$(PYTEST) --long $@ $(if $(RUN),--run $(RUN))

check: .venv/dev.done ## lint, format, types and the floors
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@MYPYPATH=dags $(BIN)/mypy dags/*.py
	@$(BIN)/lint-imports

bench: EVENTS = 1000000 10000000
bench: .venv/dev.done ## side-by-side measurements, as ratios, Spark included (EVENTS="10000000 100000000" for the full figures and growth)
	@$(MAKE) --no-print-directory .venv-others/done || echo "bench: .venv-others could not be made; see above"
	@$(BIN)/python -m benchmarks --spark --events $(EVENTS)

profile: .venv/dev.done ## where each second of them goes (EVENTS=10000000)
	@$(BIN)/python -m benchmarks.profile --events $(EVENTS)

format: .venv/dev.done ## format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lock: ## resolve the locks again (needs uv): hashes, no addresses
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml --extra build -o locks/run.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml --extra build --extra spark --extra airflow --extra dev -c locks/run.txt -o locks/dev.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml locks/airflow.in --extra build --extra airflow -c locks/dev.txt -o locks/airflow.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml --extra build --extra airflow --extra spark -c locks/dev.txt -o locks/image.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header locks/others.in -o locks/others.txt

clean: ## remove .venv, .venv-others and the demo's home
	rm -rf .venv .venv-others $(NOREN_HOME) noren-airflow

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Noren needs Python 3.11 to 3.13; name one with PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is incomplete here; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(PYTHON) -m venv .venv && touch $@

.venv/run.done: locks/run.txt pyproject.toml | .venv/made
	@echo "Installing what Noren needs into .venv (hash-pinned; no Spark, no Airflow) ..."
	@$(PIP) --require-hashes -r locks/run.txt
	@$(PIP) --no-build-isolation -e .
	@touch $@

.venv/dev.done: locks/dev.txt pyproject.toml | .venv/made
	@echo "Installing what the tests need into .venv (hash-pinned; Spark included) ..."
	@$(PIP) --require-hashes -r locks/dev.txt
	@$(PIP) --no-build-isolation -e .
	@touch $@ .venv/run.done .venv/airflow.done

.venv/airflow.done: locks/airflow.txt pyproject.toml | .venv/made
	@echo "Installing Noren, Airflow and PostgreSQL into .venv (hash-pinned; no Spark) ..."
	@$(PIP) --require-hashes -r locks/airflow.txt
	@$(PIP) --no-build-isolation -e .
	@touch $@ .venv/run.done

# What `make bench` measures Noren against: older pandas and numpy than Noren's, so an environment apart.
.venv-others/done: locks/others.txt
	@echo "Installing the tools to measure against into .venv-others (hash-pinned) ..."
	@$(PYTHON) -m venv --clear .venv-others
	@.venv-others/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r locks/others.txt
	@touch $@
