"""Every notebook runs from top to bottom, offline, and is kept without what running it leaves behind."""

import ast
import tempfile
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from strip_notebooks import stripped

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a notebook runs: nothing of the user's is read, written or asked for over the network.

    The kernel inherits the environment, and with it how the tests compile (``conftest.py`` of the checkout).
    """
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "TMPDIR", "working"):
        (tmp_path / name).mkdir()
        if name.isupper():
            monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel's own draws into the page
    return tmp_path / "working"


def run(notebook, folder):
    """Run a notebook in place; an error of a cell is an error."""
    NotebookClient(
        notebook, kernel_name="python3", timeout=240, resources={"metadata": {"path": str(folder)}}
    ).execute()


def read(path):
    return nbformat.read(path, as_version=4)


def code_of(notebook):
    """The Python of every cell, with magics and shell lines as what they become."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return [TransformerManager().transform_cell(source) for source in cells]


def texts_of(notebook):
    """All text that a run notebook shows below its cells, and which stream or type it is of."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                yield output.name, output.text
            for kind, data in output.get("data", {}).items():
                if kind.startswith("text/"):
                    yield kind, data


def pictures_of(cell):
    """Kind and data of the pictures that a run cell shows."""
    shown = [output.get("data", {}) for output in cell.outputs]
    return [(kind, data) for bundle in shown for kind, data in bundle.items() if kind.startswith("image/")]


def complaints(notebook, folder):
    """What a reader of the page should not see: warnings, and folders of the machine on which it ran."""
    places = {str(ROOT), str(folder.parent), str(Path.home()), tempfile.gettempdir()}
    shown = texts_of(notebook)
    return [text for name, text in shown if name == "stderr" or any(place in text for place in places)]


def defined(code):
    """Names of the functions and classes that cells define, also those of named lambdas."""
    for node in (node for source in code for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def test_there_are_notebooks():
    assert NOTEBOOKS, f"expected notebooks in {ROOT / 'notebooks'}, found none"


@every_notebook
def test_runs_from_top_to_bottom(path, folder):
    notebook = read(path)
    run(notebook, folder)
    assert complaints(notebook, folder) == []
    assert list(folder.iterdir()) == [], "a notebook works in a temporary folder, not beside itself"


@every_notebook
def test_is_kept_stripped(path):
    text = path.read_text(encoding="utf-8")
    assert text == stripped(text), f"run: python scripts/strip_notebooks.py {path.relative_to(ROOT)}"


@every_notebook
def test_begins_with_its_title(path):
    first = read(path).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")


def test_what_is_used_twice_belongs_in_the_package():
    names = Counter(name for path in NOTEBOOKS for name in defined(code_of(read(path))))
    assert [name for name, number in names.items() if number > 1] == []


def notebook_of(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])


def test_definitions_are_found():
    code = code_of(notebook_of("%pip --version\ndef f():\n    def g(): ...", "class A: ...", "h = lambda: 1\ni = 2"))
    assert sorted(defined(code)) == ["A", "f", "g", "h"]


def test_what_a_run_leaves_behind_is_stripped(folder):
    notebook = notebook_of("print('seen')", "import warnings\nwarnings.warn('careful')", "import os\nos.getcwd()")
    notebook.cells[0].metadata = {"scrolled": True}
    kept = stripped(nbformat.writes(notebook))
    run(notebook, folder)
    assert [text for name, text in texts_of(notebook) if name == "stdout"] == ["seen\n"]
    warning, place = complaints(notebook, folder)
    assert "careful" in warning
    assert str(folder) in place
    assert stripped(nbformat.writes(notebook)) == kept == stripped(kept)
    assert "scrolled" not in kept


def test_figures_are_shown_below_the_cell_that_draws_them(folder):
    draw = "import numpy as np\nimport vp_science as vp\naxes = vp.plots.self_similarity(np.eye(4), title='alike')"
    notebook = notebook_of(draw, "axes.get_figure().texts")
    run(notebook, folder)
    assert [kind for kind, _ in pictures_of(notebook.cells[0])] == ["image/png"]
    assert complaints(notebook, folder) == pictures_of(notebook.cells[1]) == []


def test_a_cell_that_fails_is_an_error(folder):
    with pytest.raises(CellExecutionError, match="no such thing"):
        run(notebook_of("raise ValueError('no such thing')"), folder)
