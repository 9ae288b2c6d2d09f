# Everything a newcomer types. `make help` lists it.
PYTHON ?= python3
UV_VERSION := 0.13.9
# uv of our own where there is none, so that Python alone is enough.
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
RUN := $(UV) run --frozen --no-sync
ARGS ?=
# Hundreds of tests start Python: each would compile all of its modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test test-unit e2e lint format manifests licences audit image cluster scale chaos bench \
	bench-quick clean

help:  ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

install: .venv/.installed  ## set up everything in .venv

demo: install  ## swap a face in a real video, and show it
	$(RUN) python -m demo

test: install  ## run all tests that this machine can
	$(RUN) pytest -n auto $(ARGS)

test-unit: install  ## the fast tests only
	$(RUN) pytest -n logical -m "not media" tests/recast tests/controller tests/segment_worker $(ARGS)

e2e: install  ## the images on a real node, where this machine can be one (root on Debian)
	$(RUN) python -m tests.e2e.packages
	RECAST_E2E=1 $(RUN) pytest -n 0 tests/e2e $(ARGS)

lint: install  ## style, security rules, types, import contracts
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports

manifests: install  ## write the CRD anew, and what the chart has of others
	$(RUN) python -m recast.kube.crd > manifests/crd/faceswapjobs.yaml
	$(RUN) python charts/generate.py

licences: install  ## write which packages are in which image, under which licence
	$(RUN) python docker/licences.py

audit: install  ## ask OSV what is known against the packages of the lock
	$(RUN) python docker/audit.py $(ARGS)

format: install  ## rewrite the sources in the project's style
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

image: ## both images, by buildah, docker or podman; docker/build says what may be chosen
	docker/build

cluster: install  ## a Kubernetes to try it on: a real node where this machine can be one, else pods as processes
	$(RUN) python -m tests.e2e

scale: install  ## the controller under many jobs and segments, on fake nodes
	RECAST_SCALE=full $(RUN) pytest -s tests/cluster/test_scale.py $(ARGS)

chaos: install  ## 200 runs with kills at every step, 2,000 damaged files; RECAST_CHAOS_SEED=N plays the same again
	RECAST_CHAOS=full $(RUN) pytest -s -n 0 tests/chaos tests/hostilemedia/test_campaign.py $(ARGS)

bench: install  ## measure everything: a Markdown report with plots in bench-out/; ARGS=headline names what alone
	$(RUN) python -m benchmarks $(ARGS)

bench-quick: install  ## a few ratios against the recorded ones, in minutes; ARGS=--record keeps today's
	$(RUN) python -m benchmarks.quick $(ARGS)

clean:  ## remove what make made
	rm -rf .venv .uv demo-out cluster-out bench-out .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/.installed: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen --extra cpu --extra local --extra kubernetes
	@touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet uv==$(UV_VERSION)
