# make env | demo | test | lint | lock | docs | bench | clean
# Nothing but Python 3.11+, make and a network to the package registry is needed.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
DEMO ?= demo
WORKERS ?= logical
MOCKS := gasnet2 lamost_metallicity solarlike_distance mtopnet
MOCK_gasnet2 := --n 40
MOCK_lamost_metallicity := --n 1500
MOCK_solarlike_distance := --n 600
MOCK_mtopnet := --n 200 --variant both

.PHONY: env demo test lint lock docs bench clean

env: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: Python 3.11 or later is needed, found $$($(PYTHON) --version 2>&1). Name one: make PYTHON=python3.11" >&2; exit 1; }
	@echo "building the environment in $(VENV) (about 2 minutes, 3 GB)"
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "error: $(PYTHON) has no venv module (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Every released network on spectra that no training saw: real stars from a pinned archive, else a
# mock of another seed; then a short training of the template network, judged on the same spectra.
demo: env $(MOCKS:%=$(DEMO)/mock/%.done)
	$(PY) -m rvs_hybrid.evaluate -o $(DEMO)/rvs_hybrid
	for paper in $(MOCKS); do \
	  $(PY) -m $$paper.evaluate --on $(DEMO)/mock/$$paper -o $(DEMO)/$$paper || exit 1; done
	$(PY) -m gasnet2.reproduce --network templates --dataset surveys-mock --scale demo \
	  --per-class 400 --epochs 2 --on $(DEMO)/mock/gasnet2 -o $(DEMO)/gasnet2_short --resume
	$(PY) -m common.overview -o $(DEMO)/report.html \
	  $(DEMO)/rvs_hybrid $(MOCKS:%=$(DEMO)/%) $(DEMO)/gasnet2_short/on_gasnet2

$(DEMO)/mock/%.done: | env
	rm -rf $(basename $@)
	$(PY) -m $*.mock $(MOCK_$*) --seed 101 --out $(basename $@)
	@touch $@

# A process for each core, at most 8, and a file in one of them; WORKERS=0 for a single process.
test: env
	$(PY) -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

lint: env
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

# The tutorials are run, at smoke scale, before the pages that hold them are built.
docs: env
	$(PY) -m pytest -q -n 0 --slow tests/test_tutorials.py
	$(PY) -m sphinx -W -q -b html docs docs/_build/html

bench: env
	$(PY) -m benchmarks

# The lock is universal (all platforms, Python 3.11 and later).
lock:
	$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile pyproject.toml --extra test --extra lint --extra docs --extra specutils --extra gaia \
	  --extra shap --extra umap --extra boosting --extra inspect --extra browser \
	  --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock

clean:
	rm -rf $(VENV) build dist $(DEMO) docs/_build docs/_reference *.egg-info
