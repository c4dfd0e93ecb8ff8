# Two commands on a fresh machine: `make demo` and `make test`. Everything else is for developers.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= 2
TESTS  ?=
BUILTINS ?= ../builtins-state
# These plugins and no others: pytest would rewrite each module of every package that has one.
PYTEST  := -m pytest --disable-plugin-autoload -p hypothesispytest -p napari.utils._testsupport \
  -p pytest-qt -p timeout -p xdist

# Python compiles what it imports, and keeps that: seconds, where pip would compile all for a minute.
unexport PYTHONDONTWRITEBYTECODE

# What each target needs beyond the package itself; constraints.txt has the tested versions. What
# serves the developer serves the tests too, so that one installation does for both.
EXTRAS_base :=
EXTRAS_test := all,distributed,export,parquet,test
EXTRAS_dev  := dev,$(EXTRAS_test)
EXTRAS_docs := docs

# A widget needs a screen: a virtual one on Linux, the real one elsewhere.
ifeq ($(shell uname -s),Linux)
SCREEN := xvfb-run -a -s "-screen 0 1600x1200x24"
endif

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-pyside test-lowest test-gpu coverage lint format builtins builtins-pause docs lowest beside dist test-dist clean
.DELETE_ON_ERROR:

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed-base ## Reconstruct the built-in sample into demo/: no screen, GPU or data needed.
	$(BIN)/deepsmlm demo --out demo

test: $(VENV)/.installed-test ## Run the whole suite on a virtual screen (make test TESTS=tests/psf JOBS=0).
	bash scripts/install_system_libraries.sh
	OMP_NUM_THREADS=1 $(SCREEN) $(BIN)/python $(PYTEST) -n $(JOBS) --dist worksteal $(TESTS)

test-all: $(VENV)/.installed-test ## Run the whole suite and the slow tests too (an hour).
	bash scripts/install_system_libraries.sh
	OMP_NUM_THREADS=1 $(SCREEN) $(BIN)/python $(PYTEST) -m "slow or not slow" -n $(JOBS) --dist worksteal $(TESTS)

test-pyside: $(VENV)/.installed-test $(VENV)-pyside/.installed ## Run the tests of the panels with PySide6 instead of PyQt6.
	bash scripts/install_system_libraries.sh
	QT_API=pyside6 OMP_NUM_THREADS=1 $(SCREEN) $(VENV)-pyside/bin/python $(PYTEST) -o qt_api=pyside6 \
	  -n $(JOBS) --dist worksteal $(or $(TESTS),tests/plugin)

test-lowest: $(VENV)-lowest/.installed ## Run the suite with the lowest versions that pyproject.toml allows.
	bash scripts/install_system_libraries.sh
	OMP_NUM_THREADS=1 $(SCREEN) $(VENV)-lowest/bin/python $(PYTEST) -W default -n $(JOBS) --dist worksteal $(TESTS)

test-gpu: $(VENV)/.installed-test ## Run what needs a CUDA GPU, then the benchmark there, into gpu/ (ten minutes).
	bash scripts/install_system_libraries.sh
	$(SCREEN) $(BIN)/python $(PYTEST) -m gpu $(TESTS)
	$(BIN)/deepsmlm benchmark --device cuda --precision fp32 --precision bf16 --side 64 --side 256 --out gpu

coverage: $(VENV)/.installed-dev ## Run the suite and report which lines and branches of src it ran, in children too.
	bash scripts/install_system_libraries.sh
	$(BIN)/coverage erase
	OMP_NUM_THREADS=1 $(SCREEN) $(BIN)/coverage run $(PYTEST) -n $(JOBS) --dist worksteal $(TESTS); \
	  status=$$?; $(BIN)/coverage combine --quiet; $(BIN)/coverage report --skip-covered; exit $$status

lint: $(VENV)/.installed-dev ## Check format, rules, types, floors and spelling.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/typos

format: $(VENV)/.installed-dev ## Format the code and apply the safe fixes.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

builtins: $(VENV)/.installed-base ## Train the built-in models in the background, for hours (see recipes/).
	@mkdir -p $(BUILTINS) && rm -f $(BUILTINS)/pause
	OMP_NUM_THREADS=1 nohup nice -n 19 $(BIN)/python scripts/train_builtins.py --state $(BUILTINS) \
	  >> $(BUILTINS)/log.txt 2>&1 &
	@echo "Training; $(BUILTINS)/status.md says what has been done, make builtins-pause stops it."

builtins-pause: ## Let the training of the built-in models wait until make builtins.
	@touch $(BUILTINS)/pause && echo "Saved and waiting within a step, until make builtins."

docs: $(VENV)/.installed-docs ## Build the documentation into site/; a broken link is an error.
	$(BIN)/mkdocs build --strict

lowest: $(BIN)/pip ## Ask the resolver whether all lower bounds can be installed together (installs nothing).
	@mkdir -p build && $(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --extra all pyproject.toml -o build/lowest.txt
	$(BIN)/python scripts/lower_bounds.py --extra all --resolved build/lowest.txt

beside: $(BIN)/pip ## Ask the resolver which other plugins fit beside this one (installs nothing).
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python scripts/beside_others.py

dist: $(BIN)/pip ## Build wheel and sdist into dist/, and check what they hold.
	rm -rf dist
	$(BIN)/python -m pip install --quiet build twine
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python scripts/check_distributions.py dist/*

test-dist: dist ## Install that wheel into an empty environment, and reconstruct the sample there.
	$(PYTHON) -m venv --clear $(VENV)-dist
	$(VENV)-dist/bin/python -m pip install --quiet --no-compile dist/*.whl
	cd $(VENV)-dist && bin/deepsmlm demo --out demo && bin/deepsmlm models list --json

clean: ## Remove what make has made, the environment included.
	rm -rf $(VENV) $(VENV)-pyside $(VENV)-lowest $(VENV)-dist demo gpu site dist build .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is the last thing that venv installs, so its presence means a whole environment. An older pip
# takes a minute to choose the versions.
$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --upgrade pip

$(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e ".$(if $(EXTRAS_$*),[$(EXTRAS_$*)])"
	@touch $@ $(if $(filter dev,$*),$(VENV)/.installed-test)

# A second environment that has all of the first but for the Qt binding, which QT_API chooses.
$(VENV)-pyside/.installed: constraints.txt | $(BIN)/pip
	$(PYTHON) -m venv --without-pip $(VENV)-pyside
	$(BIN)/python -m pip --python $(VENV)-pyside install --quiet --no-compile -c constraints.txt PySide6-Essentials
	$(VENV)-pyside/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > $@
	$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" \
	  > "$$(cat $@)/tests.pth"

# Warnings of old releases are theirs, so that its tests do not take them for errors.
$(VENV)-lowest/.installed: pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)-lowest
	$(BIN)/uv pip install --quiet --python $(VENV)-lowest --resolution lowest-direct -e ".[all,distributed,test]"
	@touch $@
