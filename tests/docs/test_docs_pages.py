"""Pages that are kept elsewhere in the repository get links that hold on the site."""

import importlib.util
import json
import sys

import pytest
from guide_blocks import ROOT


@pytest.fixture
def pages(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "scripts" / "docs_pages.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    yield module
    del sys.modules[spec.name]


def test_links_of_a_page_that_moved(pages, tmp_path):
    home = tmp_path / "benchmarks" / "README.md"
    home.parent.mkdir()
    home.write_text(
        "[a](../docs/results.md) [b](../docs/maps.md#time) [c](../CHANGELOG.md#x) [d](https://e.org/f#g) [h](#here)"
    )
    moved = pages.moved_page("benchmarks/README.md")
    assert moved == "[a](results.md) [b](maps.md#time) [c](changelog.md#x) [d](https://e.org/f#g) [h](#here)"


def test_notebooks_are_found_and_named(pages, tmp_path):
    assert list(pages.notebooks()) == []
    (tmp_path / "notebooks").mkdir()
    for name, cells in (
        ("01_b", [{"cell_type": "code", "source": ["# no title"]}]),
        ("00_a", [{"cell_type": "markdown", "source": ["text\n", "# Quick start \n", "# later"]}]),
    ):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(json.dumps({"cells": cells}))
    assert [pages.notebook_title(path) for path in pages.notebooks()] == ["Quick start", "01_b"]


def test_the_page_of_a_notebook(pages):
    loader = '<script type="module">x = await import("https://cdnjs.example.org/m.mjs")</script>'
    page = (
        '<script>keep</script><script src=""></script>' + loader + '<script type="module">keep too</script>'
        '<a href="../docs/sampling.md#stride">a</a><a href="01_b.ipynb">b</a><a href="https://e.org/x.md">c</a>'
        '<a href="../api/maps.html">d</a><img src="../docs/images/map.png">'
    )
    assert pages.notebook_page(page) == (
        '<script>keep</script><script type="module">keep too</script>'
        '<a href="../sampling.html#stride">a</a><a href="01_b.html">b</a><a href="https://e.org/x.md">c</a>'
        '<a href="../api/maps.html">d</a><img src="../images/map.png">'
    )
