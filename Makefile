# make book: everything from a fresh checkout.  make test: every test.  make help: all targets.
PYTHON ?= python3
PROFILE ?= embedded
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export HF_HUB_DISABLE_PROGRESS_BARS := 1
# Python keeps what it compiles, also where the machine says otherwise (many containers do): else each notebook would compile torch again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help book read test test-fast test-browser test-night lint lab plan release clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
	@echo "PROFILE=smoke|embedded|overnight|overnight-small|overnight-tiny|paper chooses the scale of make book (default: embedded)"

# setuptools, which builds some packages here, takes what stands in braces in the folder's path for a variable of the
# environment: each gets one that is itself.
PIP := $(BIN)/python -c 'import os, re, sys; \
	os.environ.update((name, "{" + name + "}") for name in re.findall("{([^{}=]+)}", sys.prefix)); \
	os.execv(sys.executable, [sys.executable, "-m", "pip", *sys.argv[1:]])'

NEW_ENOUGH := $(PYTHON) -c 'import sys; \
	sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'

# Whether the environment's interpreter is one: without its pyvenv.cfg it is the system's, into which nothing may go.
WHOLE := $(BIN)/python -c 'import os, sys; sys.exit(not os.path.samefile(sys.prefix, ".venv"))'

# The whole environment, once; again when the lock file changes, when the interpreter in it is gone, and when another
# papermill was installed by hand, whose own command then lies in the place of ours.
GONE := $(shell $(WHOLE) 2>/dev/null || echo interpreter-gone)
.PHONY: interpreter-gone
interpreter-gone: ;
$(BIN)/.installed: requirements.lock pyproject.toml $(wildcard $(BIN)/papermill) $(GONE)
	@echo "Installing into .venv: about 0.8 GB to download, 2.5 GB on disk, 2 to 4 minutes"
	@$(NEW_ENOUGH)
	@# One that was stopped while it was made, or that a Python without ensurepip left, has no pip that works.
	@{ $(WHOLE) && $(BIN)/python -m pip list; } >/dev/null 2>&1 || $(PYTHON) -m venv .venv --clear || \
		{ echo "$(PYTHON) made no whole .venv; the cause stands above (on Debian and Ubuntu: apt install python3-venv)." \
		"Mend it, or name another one (PYTHON=python3.12), and call make again" >&2; exit 1; }
	@$(PIP) install --quiet --no-compile "$$(grep '^torch==' requirements.lock)"
	@$(PIP) install --quiet --no-compile -r requirements.lock
	@# Last: the command papermill is ours, and lies over the one that papermill brings.
	@$(PIP) install --quiet --no-deps -e .
	@# Compiles what is imported most, once: else all processes of a first run do so side by side.
	@$(BIN)/python -c 'import importlib, emo.warm; [importlib.import_module(name) for name in emo.warm.LIBRARIES]' >/dev/null 2>&1 || true
	@touch $@

book: $(BIN)/.installed  ## fetch weights, run every notebook, build _build/html/index.html
	@$(BIN)/emo book --profile $(PROFILE)

# What the pages are made with; of these and what they need the lock file has the versions.
PAGES_NEED := jupyter-book pandas pyarrow pydantic scipy statsmodels matplotlib seaborn openai pyyaml cyclopts filelock tqdm itables \
	django-static-mathjax matplotlib-fontja

.venv-read/.installed: requirements.lock
	@echo "Installing into .venv-read what the pages are made with: about 0.2 GB to download, 0.8 GB on disk"
	@$(NEW_ENOUGH)
	@$(PYTHON) -m venv .venv-read --clear || \
		{ echo "$(PYTHON) made no whole .venv-read; the cause stands above (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@.venv-read/bin/python -m pip install --quiet --no-compile --only-binary :all: --constraint requirements.lock $(PAGES_NEED) || \
		{ echo "What the pages are made with could not be installed; the cause stands above." >&2; exit 1; }
	@touch $@

read: .venv-read/.installed  ## the book to read in a few minutes: words and kept numbers; runs nothing, needs no model and no torch
	@.venv-read/bin/python -m emo read

plan: $(BIN)/.installed  ## say what make book would do, download and take
	@$(BIN)/emo plan --profile $(PROFILE)

test: $(BIN)/.installed  ## all tests but those of the night: units, the whole graph and book in the smoke profile, real SmolLM2 weights
	@$(BIN)/python -m pytest -q -m "not night" --durations=5 --ignore=tests/browser -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(BIN)/.installed  ## the tests that train, start and build nothing: about a minute
	@$(BIN)/python -m pytest -q -m "not slow and not night" --ignore=tests/browser -n 2 --dist loadfile

test-browser: $(BIN)/.installed  ## the tests that open built pages in Chromium (needs the package chromium)
	@$(BIN)/python -m pytest -q -m "not night" -n 2 --dist worksteal tests/browser

test-night: $(BIN)/.installed  ## what takes too long for every change: every page under axe, wide fuzzing, kills, trainings in processes
	@$(BIN)/python -m pytest -q -m night --durations=5 tests
	@EMO_FUZZ=10 $(BIN)/python -m pytest -q -n 2 --dist worksteal tests/test_fuzz.py
	@$(BIN)/python tests/soak_book.py --kills 4 --in-a-row 2
	@$(BIN)/python tests/soak_rewrite.py --rows 400 --kills 8
	@$(BIN)/python tests/soak_papermill.py --runs 25

lint: $(BIN)/.installed  ## ruff's rules and format, and clear what notebooks left as outputs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format .
	@$(BIN)/jupyter nbconvert --clear-output --inplace --log-level WARN notebooks/*.ipynb

release: $(BIN)/.installed  ## archive the book and its records with checksums into dist/
	@$(BIN)/emo release --profile $(PROFILE)

lab: $(BIN)/.installed  ## JupyterLab with the package installed
	@$(BIN)/jupyter lab --notebook-dir=.

clean:  ## remove results, checkpoints and the built book; the environment and the weights stay
	rm -rf results checkpoints _build book/notebooks book/generated .snakemake
