# Everything a fresh machine needs: make demo, make test. PYTHON=... chooses an interpreter (3.11 to 3.13).
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo napari test check screenshots format benchmarks clean

help:
	@echo "make demo        install into $(VENV), embed the bundled recording, say where the results are"
	@echo "make napari      install into $(VENV) with napari and open the panel"
	@echo "make screenshots make the pictures of the panel in docs/images (long)"
	@echo "make test        install and run the whole test suite"
	@echo "make check       ruff, mypy, import-linter"
	@echo "make format      let ruff format the code"
	@echo "make benchmarks  print the figures of benchmarks/README.md for this machine (long)"
	@echo "make clean       remove $(VENV) and caches"

demo: $(VENV)/.installed
	$(BIN)/vp-science demo --out demo-output

napari: $(VENV)/.installed-napari
	$(BIN)/vp-science napari

screenshots: $(VENV)/.installed-dev
	scripts/screen
	$(BIN)/python docs/screenshots.py

# Bytecode is kept whatever the shell says: dozens of processes start. Files come in the order of their folders, in which
# no long one is last; xdist would begin with those of many tests and end with the few that take longest.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.installed-dev
	scripts/screen
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/encoder.py
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/preprocess.py
	$(BIN)/python benchmarks/probes.py
	$(BIN)/python benchmarks/maps.py --points 50000
	$(BIN)/python benchmarks/search.py speed

$(VENV)/bin/python:
	scripts/venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-napari: pyproject.toml plugins/napari/pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable . --editable plugins/napari "napari[pyqt6]"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml plugins/napari/pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable ".[dev]" --editable "plugins/napari[testing]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
