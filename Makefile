# make audit   set up what it needs (the core, torch, numba), then audit every sampler (about two minutes)
# make test    set up everything, then lint, types, fast tests, slow tests
# make lock    write lock.txt anew from today's releases (make versions: docs/versions.md only)
# make newest  an environment with the newest releases, its fast tests (SECONDS=60 of them), one line that says what is
#              newer and what fails
# make validate  evaluate the captured rows and the token trees into validation/results
# make engines   gate released engines of others that run on a CPU, in an environment of its own (about 1 GB to download)
# make torture  attack the package at random for an hour at most (MINUTES=60, SEED=...; see validation/README.md)
# make docs    build the pages, the reference and the paper as a site in build/docs
# make paper   the paper on the optimal verifiers as a PDF, build/paper/paper.pdf
# make theory  check, attack and prove every theorem, at length (minutes)
# make proofs  compile and check the Rocq proofs (needs coq and mathcomp, see theory/Makefile)

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
LIGHT   = $(VENV)/.light
LOCK   ?= lock.txt

# The CPU build of torch that the lock names. With a GPU: make TORCH=torch TORCH_INDEX=https://download.pytorch.org/whl/cu130
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH       ?=
PIP          = $(BIN)/pip --quiet --disable-pip-version-check
RELEASES     = grep -v '^torch==' $(LOCK) |
TORCH_NEEDS  = filelock fsspec jinja2 networkx setuptools sympy typing-extensions

ENGINES_PIP  = .venv-engines/bin/pip --quiet --disable-pip-version-check
ENGINE_TESTS = tests/gate/test_jax.py tests/testing/test_files_for_engines.py tests/kernels/test_triton.py -k "jax or installed or triton"
GATE_NEEDS   = array-api-compat gmpy2 highspy hypothesis jsonschema msgspec numpy pytest pytest-xdist rich safetensors scipy \
               transformers typer

LLAMA = build/llama

.PHONY: audit test lint fast slow validate engines llama torture docs paper theory proofs ready lock newest versions clean

audit: $(LIGHT)
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

engines: .venv-engines/.ready
	.venv-engines/bin/python -m pytest -q -n 2 -p no:cacheprovider $(ENGINE_TESTS)
	printf '%s\n' validation/upstream/reproduce_*.py | xargs -n 1 -P 2 .venv-engines/bin/python -W ignore
	.venv-engines/bin/python validation/engines.py $(if $(WRITE),--write)

# The engines' wheels without what they require, then what the gate requires, at the releases of the lock.
.venv-engines/.ready: engines.txt $(LOCK) Makefile
	$(PYTHON) -m venv .venv-engines
	$(ENGINES_PIP) install --no-compile --no-deps -r engines.txt
	$(ENGINES_PIP) install --no-compile -c $(LOCK) $(GATE_NEEDS) $(TORCH_NEEDS)
	grep '^torch==' $(LOCK) | $(ENGINES_PIP) install --no-compile --retries 2 --extra-index-url $(TORCH_INDEX) -c $(LOCK) -r /dev/stdin
	touch $@

# llama.cpp through the gate of whole engines. Its package lies apart, so that no other command finds it.
llama: $(READY) $(LLAMA)/.ready
	PYTHONPATH=$(LLAMA) $(BIN)/python -m pytest -q -p no:cacheprovider tests/gate/test_generation_llama_cpp.py

$(LLAMA)/.ready: engines_llama.txt
	$(PIP) install --no-compile --no-deps --upgrade --target $(LLAMA) -r engines_llama.txt
	touch $@

torture: $(READY)
	$(BIN)/python -m validation.torture --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

docs: paper
	$(BIN)/python -W ignore scripts/rendered_notebooks.py build/rendered
	$(BIN)/sphinx-build -b html -c docs -n -W --keep-going -q . build/docs
	@echo build/docs/index.html

paper: $(READY)
	$(BIN)/python -m theory.paper build/paper/paper.pdf

theory: $(READY) proofs
	$(BIN)/python -m theory --full

proofs:
	$(MAKE) -C theory check

ready: $(READY)

# What the audit needs: the core, torch and numba. What torch asks for comes before it, so that its index is asked for
# torch only: it may be out of reach.
$(LIGHT): pyproject.toml $(LOCK)
	@version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])') && \
	grep -Eq "^# Python:.* $$version( |$$)" $(LOCK) || { \
	    echo "$(LOCK) has no releases for Python $$version ($(PYTHON)); hint: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(RELEASES) $(PIP) install -c /dev/stdin hatchling editables $(TORCH_NEEDS)
	$(if $(TORCH),echo '$(TORCH)',grep '^torch==' $(LOCK)) | \
	    $(PIP) install --retries 2 --extra-index-url $(TORCH_INDEX) -r /dev/stdin || { \
	    echo "torch cannot be had from $(TORCH_INDEX); hint: make TORCH_INDEX=URL of a mirror, PIP_FIND_LINKS=folder" \
	        "with its wheel, or TORCH=torch for PyPI's build (with CUDA, gigabytes)" >&2; exit 1; }
	$(RELEASES) $(PIP) install -c /dev/stdin --no-build-isolation -e '.[capture,fast]'
	touch $(LIGHT)

$(READY): $(LIGHT)
	$(RELEASES) $(PIP) install --no-deps -r /dev/stdin
	touch $(READY)

lock versions newest: .venv-lock/.ready
	TORCH_INDEX='$(TORCH_INDEX)' .venv-lock/bin/python scripts/lock.py $(patsubst lock,write,$(patsubst versions,page,$@)) $(if $(filter newest,$@),$(SECONDS))

.venv-lock/.ready:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check packaging uv
	touch $@

clean:
	rm -rf $(VENV) .venv-lock .venv-newest .venv-engines build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
