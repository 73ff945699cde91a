# `make demo` and `make test` start from nothing: Python 3.11+, make and a package index.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
QUESTION ?= how do I show a progress bar for a loop?

.PHONY: demo test docs newest mutants lint format clean

demo: $(READY) ## rerank real documents with models that run here: a bi-encoder, then an LLM
	$(BIN)/judge-rerank models pull qwen2.5-coder-1.5b
	$(BIN)/judge-rerank models pull all-minilm-l6-v2
	$(BIN)/python eval/package_docs.py .venv/package-docs
	$(BIN)/judge-rerank --verbose rerank -m local -s cascade -q "$(QUESTION)" .venv/package-docs --candidates 40

test: $(READY) ## every test, with coverage; fetches the small models
	$(BIN)/judge-rerank models pull smollm2-135m
	$(BIN)/judge-rerank models pull all-minilm-l6-v2
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup --cov --cov-report=term:skip-covered

docs: $(READY) ## the manual as a site, in build/site; stops at a link that leads nowhere
	$(BIN)/python docs/site/drawings.py --check
	$(BIN)/python docs/site/build.py

mutants: $(READY) ## whether the tests notice when the code is wrong; at most an hour on two cores
	$(BIN)/python eval/bench/mutants.py

newest: ## the README's first example with the newest releases that pyproject.toml allows, in its own environment
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install --quiet --upgrade .
	.venv-newest/bin/python .ci/newest.py

lint: $(READY) ## style, types, imports between subpackages, prose
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python .ci/prose/check.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf .venv .venv-newest build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage
