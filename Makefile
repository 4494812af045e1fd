# edgeglm: every command a developer or a curious visitor needs. `make` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

## ---- everyday

setup: $(READY) ## make the development environment in .venv
$(READY): pyproject.toml requirements/dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

lint: $(READY) ## style, import rules, formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

type: $(READY) ## mypy --strict
	$(BIN)/mypy

format: $(READY) ## write the code in the one style
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

test-fast: $(READY) ## the tests that need nothing but Python, but for the slow ones
	$(BIN)/pytest -q -n 2 -m 'not cluster and not node and not engine and not broker and not prometheus and not store and not browser and not slow'

test: parts ## every test, on real parts; sets up what is missing
	$(BIN)/python -m tests.cluster build --for-tests
	$(BIN)/pytest

golden: $(READY) ## write the golden files anew; read the diff
	$(BIN)/pytest -q tests/golden --update-golden

record: $(READY) ## write down for later releases what this one makes of the golden scenes: RELEASE=0.2
	$(BIN)/pytest -q tests/upgrade --record-release=$(RELEASE)

lock: $(READY) ## write requirements/*.txt anew from pyproject.toml
	for extra in operator agent,sparkplug store dev; do \
	  $(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	    --extra $${extra%,*} --extra $${extra#*,} --python-version 3.11 \
	    --output-file requirements/$${extra%,*}.txt pyproject.toml; done

figures: $(READY) ## lengths of functions, and tests against code
	$(BIN)/python bench/code_figures.py

## ---- the real parts

parts: $(READY) ## whatever real part is missing: it compiles while downloads and disks are waited for
	$(BIN)/python -m tests.cluster build & \
	$(BIN)/python -m tests.store && $(BIN)/python -m tests.engine setup && $(BIN)/python -m tests.cluster stock pause operator agent engine && wait $$!

engine: $(READY) ## a real vLLM for the CPU, with its two small models
	$(BIN)/python -m tests.engine setup

images: $(READY) ## the images of operator, agent and CPU engine, without Docker
	$(BIN)/python -m images build all

cluster-up: $(READY) ## a real Kubernetes control plane with two real nodes
	$(BIN)/python -m tests.cluster up --nodes

cluster-down: $(READY) ## stop it and leave nothing behind
	$(BIN)/python -m tests.cluster down

bench-operator: parts ## the operator on 100, 1,000 and 5,000 services beside the limits of the machine
	$(BIN)/python -m bench.operator_scale

faults: $(READY) ## kills, power cuts, full spools, wrong clocks and more at a site: KILLS=200 of them, and what was seen
	mkdir -p build && rm -f build/faults.jsonl
	EDGEGLM_KILLS=$(or $(KILLS),200) EDGEGLM_FAULT_REPORT=$(CURDIR)/build/faults.jsonl \
	  $(BIN)/pytest -q tests/edge/test_faults.py tests/edge/test_spool_faults.py \
	    tests/edge/test_time_faults.py tests/edge/test_resource_faults.py
	cat build/faults.jsonl

bench-agent: $(READY) ## what the agent takes from a broker beside mosquitto_sub, bare paho and Node-RED
	$(BIN)/python -m bench.agent_ingest

bench-stages: $(READY) ## what a message costs the agent, stage by stage, and a commit beside a bare write
	$(BIN)/python -m bench.agent_stages

bench-asking: $(READY) ## what the agent makes of an engine that bears far less than what waits: SECONDS=600 for long
	$(BIN)/python -m bench.agent_asking $(if $(SECONDS),--seconds $(SECONDS))

bench-soak: $(READY) ## whether the agent grows over a long stream: MINUTES=60 for long
	$(BIN)/python -m bench.agent_soak $(if $(MINUTES),--minutes $(MINUTES))

bench-live: $(READY) ## whether the agent keeps up with a steady stream: RATE=40000 MINUTES=10
	$(BIN)/python -m bench.agent_live $(if $(RATE),--rate $(RATE)) $(if $(MINUTES),--minutes $(MINUTES))

bench-batching: $(READY) ## sensor messages a second that become questions, beside one request a message
	$(BIN)/python -m bench.agent_batching

bench-tokens: engine ## tokens a second of a real vLLM through the agent, beside a plain load generator
	$(BIN)/python -m bench.agent_tokens

screenshots: $(READY) ## the pictures of the page in docs/: a scene played to a real broker, seen by a real Chromium
	$(BIN)/python -m tests.browser

eval: $(READY) ## how well a model answers, beside what needs none: ENDPOINT=http://127.0.0.1:8000/v1 MODEL=name SEEDS=8
	$(BIN)/python -m bench.model_eval --endpoint "$(ENDPOINT)" --model "$(MODEL)" --seeds $(or $(SEEDS),8)

bench-prompt: $(READY) ## what a question costs a vLLM beside compact JSON: ENDPOINT=http://127.0.0.1:8000/v1 MODEL=name SEEDS=2
	$(BIN)/python -m bench.prompt_economy --endpoint "$(ENDPOINT)" --model "$(MODEL)" --seeds $(or $(SEEDS),2)

demo: parts ## the whole system on this machine, from a custom resource to an answer (KEEP=1 leaves it running)
	$(BIN)/python -m tests.demo $(if $(KEEP),--keep)

.PHONY: help setup lint type format test-fast test golden record lock figures parts engine images cluster-up cluster-down bench-operator bench-agent bench-stages bench-asking bench-soak bench-live bench-batching bench-tokens bench-prompt eval faults screenshots demo
