# Two commands for a newcomer: `make demo` and `make test`. Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

OLDEST ?= .venv-oldest
# Tests that need no extra and no corpus, of every stage; the last line names those that hold the bits or the random
# numbers of one version of PyTorch or scikit-learn.
OF_THE_BASE := $(addprefix tests/test_, config.py tasks_classes.py corpora_csv.py features_log_mel.py features_f0.py \
	models_heads.py evaluation_score.py evaluation_intervals.py training_loop.py serving_starter.py cli.py)
NOT_OF_ONE_VERSION := not bit_equal and not vector_machine_is_equal and not stay_what_they_were
.PHONY: demo stress test test-gpu test-oldest check docs dist clean

demo: $(VENV)/.installed
	$(BIN)/undertone demo

stress: $(VENV)/.installed
	$(BIN)/python benchmarks/stress.py

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

# On a GPU that computes with CUDA; ends in two minutes, and skips with a reason where there is none.
test-gpu: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m gpu -rs -s tests/test_gpu.py

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell

# What a newcomer with old packages meets: the base install at its lower bounds, and the tests that need no extra.
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest $(OF_THE_BASE) -k "$(NOT_OF_ONE_VERSION)" \
		-W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning

# The pages as a site that opens offline: build/site/index.html. Links to what is not there are errors.
docs: $(VENV)/.installed-dev
	$(BIN)/python scripts/settings_tables.py
	$(BIN)/python scripts/make_notebook.py
	$(BIN)/python scripts/build_site.py

# A wheel and a source archive in dist/; a test installs the wheel away from here.
dist: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist

clean:
	rm -rf $(VENV) $(OLDEST) build dist runs/demo

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Undertone needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install --quiet --disable-pip-version-check -c constraints-oldest.txt -e . pytest packaging
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
