# Everything a fresh machine needs: make demo, make test. PYTHON=... chooses an interpreter (3.11 to 3.13).
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo napari test check docs docs-serve screenshots format benchmarks dist installs clean

help:
	@echo "make demo        install into $(VENV), embed the bundled recording, say where the results are"
	@echo "make napari      install into $(VENV) with napari and open the panel"
	@echo "make screenshots make the pictures of the panel in docs/images (long)"
	@echo "make test        install and run the whole test suite"
	@echo "make check       ruff, mypy, import-linter"
	@echo "make docs        build the guide into site/ without a warning, and check its links"
	@echo "make docs-serve  show the guide at http://127.0.0.1:8000 while you write"
	@echo "make format      let ruff format the code, and strip notebooks of their outputs"
	@echo "make benchmarks  print the figures of benchmarks/README.md for this machine (long)"
	@echo "make dist        build wheels and sdists of the package and the plugin into dist/"
	@echo "make installs    try wheel and sdist in fresh environments of Python 3.11, 3.12 and 3.13 (long)"
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

# The variable silences a notice about the successor of the theme. Without --quiet, which would silence --strict as well.
docs docs-serve: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --strict
	$(BIN)/python scripts/check_site.py site

docs-serve: $(VENV)/.installed-docs
	$(BIN)/mkdocs serve --livereload --watch vp_science --watch benchmarks/README.md --watch CHANGELOG.md

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python scripts/strip_notebooks.py notebooks/*.ipynb

benchmarks: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/encoder.py
	$(BIN)/python benchmarks/models.py
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/preprocess.py
	$(BIN)/python benchmarks/probes.py
	$(BIN)/python benchmarks/maps.py --points 50000
	$(BIN)/python benchmarks/search.py speed

dist: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m build --outdir dist plugins/napari

# PYTHONS="..." names the interpreters.
installs: dist
	scripts/try_installs dist

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

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable ".[docs]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) demo-output site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
