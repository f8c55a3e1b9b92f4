# Needs python3 (3.11 to 3.13), make and the package registry; everything else is installed into .venv.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_VERSION := 0.13.9
HELM_VERSION := v3.18.4
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/podlift
HELM := $(CACHE)/tools/helm-$(HELM_VERSION)/helm

.PHONY: help demo up test unit functional test-tools test-airflow-3.2 test-remote-logs test-real test-install chaos lint format docs manifests bench bench-local bench-executor cluster-real cluster-real-down lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Run a real Airflow with a pod for every task, on this machine
	@$(BIN)/podlift demo

up: $(READY) ## Serve Airflow with Podlift in the browser until Ctrl-C
	@$(BIN)/podlift up

test: unit functional ## Run the unit and the functional tests

# Most functional tests wait for something: more processes than cores finish sooner. A test file is
# one process's, because its tests may share an Airflow.
AT_ONCE ?= 4
PARALLEL := --numprocesses=$(AT_ONCE) --dist=loadfile

# What a run has none of need not be imported: a process collects for seconds.
NO_UNITS := --ignore=tests/unit
NO_SERVERS := $(addprefix --ignore=tests/,functional e2e install)

unit: $(READY) ## Run the tests that need no server
	$(BIN)/pytest --numprocesses=auto -m "not functional and not tools" $(NO_SERVERS)

functional: $(READY) ## Run the tests against the local cluster and real processes
	tests/twice $(BIN)/pytest $(PARALLEL) -m "functional and not tools and not postgres" $(NO_UNITS)

test-tools: $(READY) $(HELM) ## Run the tests that need kubectl, helm, bubblewrap, PostgreSQL, Buildah and Chromium
	PATH="$(dir $(HELM)):$$PATH" tests/twice $(BIN)/pytest $(PARALLEL) -m "tools or postgres" $(NO_UNITS)

# What touches Airflow, with the oldest one that Podlift runs with, in an environment of its own.
OLDEST := .venv-airflow-3.2
test-airflow-3.2: $(OLDEST)/.ready ## Run executor, worker and operator with Airflow 3.2
	tests/twice $(OLDEST)/bin/pytest $(PARALLEL) -m "not tools and not postgres" tests/unit/test_*.py \
		tests/unit/executor tests/unit/worker tests/unit/operators tests/unit/decorators tests/unit/secrets tests/unit/triggers tests/unit/commands tests/functional/worker tests/functional/commands tests/functional/triggers \
		$(addprefix tests/functional/executor/test_,$(addsuffix .py,lives adoption other_workloads pods_as_asked metrics metadata))

# With Airflow's provider for Amazon, and a real S3 server.
REMOTE := .venv-remote-logs
test-remote-logs: $(REMOTE)/.ready ## Run the tests of remote logs
	tests/twice $(REMOTE)/bin/pytest tests/e2e/test_remote_logs.py

# A KUBECONFIG of the environment is not meant: only `make test-real KUBECONFIG=FILE` is.
OWN := $(if $(filter command line,$(origin KUBECONFIG)),$(KUBECONFIG))
ON := tests/twice $(BIN)/pytest --cluster=$(or $(OWN),real) $(NO_UNITS)
DURING := $(if $(OWN),,$(BIN)/python -m tests.real during)
test-real: $(READY) ## Run the functional tests on a real Kubernetes; KUBECONFIG=FILE takes your own
	@$(if $(OWN),,$(BIN)/python -m tests.real build >/dev/null && $(MAKE) --no-print-directory --quiet $(HELM))
	PATH="$(dir $(HELM)):$$PATH" $(DURING) $(ON) $(PARALLEL) \
		-m "functional and not own_node and not alone and not install$(if $(OWN), and not tools)"
	PATH="$(dir $(HELM)):$$PATH" $(DURING) $(ON) -m "functional and (own_node or alone)"

test-install: $(READY) $(HELM) ## Install chart and manifests on a real Kubernetes, and run DAGs there
	@$(BIN)/python -m tests.real build >/dev/null
	PATH="$(dir $(HELM)):$$PATH" $(BIN)/python -m tests.real during $(BIN)/pytest --cluster=real tests/install

RUNS ?= 1
SEED ?= 20260
CLUSTER ?= local
chaos: $(READY) ## Let everything go wrong between executor and cluster; RUNS=, SEED=, CLUSTER=real
	$(BIN)/python -m tests.chaos --runs $(RUNS) --seed $(SEED) --cluster $(CLUSTER) $(ARGS)

lint: $(READY) ## Check format, style, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --cache-dir $(CACHE)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## Build the documentation into site/
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs site
	$(BIN)/pytest --quiet tests/unit/test_links.py
	@echo "Built: site/index.html"

# Podlift beside the standard executor, which has an environment of its own.
STANDARD := .venv-standard
bench: $(READY) $(STANDARD)/.ready ## Measure beside the standard executor, and write a report; CLUSTER=local needs no Go
	@$(BIN)/python -m bench.side_by_side $(if $(filter command line,$(origin CLUSTER)),--cluster $(CLUSTER)) $(ARGS)

manifests: $(READY) $(HELM) ## Make deploy/kube and the chart's README anew from the chart
	$(BIN)/python deploy/rendering.py $(HELM)

bench-local: $(READY) ## Measure the demo and the local cluster
	$(BIN)/python -m bench.local

bench-executor: $(READY) ## Measure the executor beside a bare client; CLUSTER=real takes `make cluster-real`'s
	@$(BIN)/python -m bench.executor $(if $(CLUSTER),--cluster $(CLUSTER))

cluster-real: $(READY) ## Start a single-node Kubernetes built from source; prints its kubeconfig. MINOR=1.29 takes another version
	@$(BIN)/python -m tests.real $(if $(MINOR),--minor $(MINOR)) up

cluster-real-down: $(READY) ## Stop it
	@$(BIN)/python -m tests.real down

lock: ## Resolve requirements/*.in anew into requirements/*.txt
	for name in dev airflow-3.2 install remote-logs standard; do \
		$(BIN)/uv pip compile requirements/$$name.in --universal --python-version 3.11 \
			--no-emit-index-url --generate-hashes --no-header --upgrade \
			--output-file requirements/$$name.txt || exit 1; \
	done

clean: ## Remove everything that make made
	rm -rf $(VENV) .venv-* site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Podlift needs Python 3.11, 3.12 or 3.13; $(PYTHON) is another. Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing Podlift and Airflow into $(VENV) (once; about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements/dev.txt
	@touch $@

.venv-%/.ready: requirements/%.txt pyproject.toml | $(READY)
	@echo "Installing requirements/$*.txt into .venv-$* (once; about a minute) ..."
	@$(PYTHON) -m venv .venv-$*
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python .venv-$*/bin/python requirements/$*.txt
	@touch $@

$(HELM):
	@command -v go >/dev/null || { echo "Go is needed to build helm for these tests: install it, or put helm $(HELM_VERSION) at $@" >&2; exit 1; }
	@echo "Building helm $(HELM_VERSION) (once; some minutes) ..."
	@GOBIN=$(dir $@) GOFLAGS=-trimpath go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
