"""``CITATION.cff``, which other services read, says what the package and its texts say."""

import tomllib
from pathlib import Path

import pytest

from vp_science.reporting.references import REFERENCES, cited

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def citation():
    return (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()


def test_the_citation_is_of_this_version(citation):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation[0] == "cff-version: 1.2.0"
    assert f"version: {project['version']}" in citation
    assert f"license: {project['license']}" in citation
    assert f"  - name: {project['authors'][0]['name']}" in citation
    assert project["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_paper_of_the_encoder_has_the_same_authors_everywhere(citation):
    names = [line.partition("family-names: ")[2] for line in citation if "family-names: " in line]
    paper = REFERENCES["videoprism"]
    assert len(names) == 19
    places = [paper.index(f"{name}, ") for name in dict.fromkeys(names)]
    assert places == sorted(places)
    assert paper.count("., ") >= len(names) - 1
    assert "60785-60811" in paper
    assert {'    start: "60785"', '    end: "60811"'} <= set(citation)


def test_only_what_was_used_is_cited():
    assert cited([]) == [REFERENCES["vp_science"]]
    assert cited(["umap", "videoprism", "umap"]) == [REFERENCES[key] for key in ("vp_science", "videoprism", "umap")]
