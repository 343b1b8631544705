"""Reports: one file that holds everything, loads nothing, and shows every text as it is."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vp_science.errors import FigureError
from vp_science.plots.report import Section, write_report
from vp_science.plots.report_parts import CommandsPart, FactsPart, FigurePart, PicturePart, TablePart
from vp_science.plots.style import new_figure

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y> & $x$ ü"
VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """The elements of a page, its text, and whether every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def drawn():
    axes = new_figure(4.0, 3.0).add_axes((0.2, 0.2, 0.7, 0.7))
    axes.plot([0, 1], [0, 1])
    axes.set_xlabel("time (s)")
    return axes


def write(path, *sections, **words):
    return write_report(path, words.pop("title", "A study"), sections, **words)


def read(path):
    return Reader(path.read_text(encoding="utf-8"))


def everything(text):
    table = pd.DataFrame({text: [text, "b"], "n": [1, 2], "x": [0.5, np.nan]})
    parts = [
        FigurePart(drawn(), text, text),
        PicturePart(np.zeros((20, 30, 3), np.uint8), text, text),
        TablePart(table, text),
        FactsPart({text: text}),
        CommandsPart([(text, text)]),
    ]
    return Section(text, parts, text)


def test_texts_are_shown_as_they_are(tmp_path):
    path = write(tmp_path / "r.html", everything(HOSTILE), Section("b"), title=HOSTILE, lead=HOSTILE, warning=HOSTILE,
                 footer=HOSTILE)  # fmt: skip
    page = read(path)
    assert page.text.count(HOSTILE) == 17, "4 above, link, 2 of the section, 2 + 3 + 2 + 2 of its parts, footer"
    assert [image["alt"] for image in page.all("img")] == [HOSTILE] * 2
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base"}


@given(st.text(max_size=30))
@settings(max_examples=30, deadline=None)
def test_no_text_makes_an_element(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("r")
    sections = [Section(t, [FactsPart({t: t}), CommandsPart([(t, t)])], t) for t in ("plain", text)]
    plain = write(folder / "a.html", sections[0], sections[0], lead="plain")
    other = write(folder / "b.html", sections[0], sections[1], lead="plain")
    count = [len([tag for tag, _ in read(path).elements if tag != "p"]) for path in (plain, other)]
    assert count[0] == count[1]


def test_it_loads_nothing(tmp_path):
    page = read(write(tmp_path / "r.html", everything("a")))
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    for _, attributes in page.elements:
        for name in ("src", "href", "action"):
            assert attributes.get(name, "#").startswith(("data:image/", "#"))
    text = (tmp_path / "r.html").read_text()
    assert "url(" not in text
    assert "@import" not in text


def test_figures_are_pictures_of_their_size(tmp_path):
    parts = [FigurePart(drawn(), "line"), FigurePart(drawn(), "dots", format="png")]
    parts.append(PicturePart(np.full((40, 60, 3), 200, np.uint8), "grey", scale=2))
    images = read(write(tmp_path / "r.html", Section("s", parts))).all("img")
    kinds = [image["src"].split(",")[0] for image in images]
    assert kinds == [f"data:image/{kind};base64" for kind in ("svg+xml", "png", "jpeg")]
    data = [base64.b64decode(image["src"].split(",")[1]) for image in images]
    assert b"<text" not in data[0], "letters are shapes, so that no font is needed"
    with Image.open(io.BytesIO(data[1])) as picture:
        assert int(images[1]["width"]) == picture.width // 2 > 250
    assert images[2]["width"] == "30"
    with Image.open(io.BytesIO(data[2])) as picture:
        assert picture.size == (60, 40)
        assert abs(picture.getpixel((30, 20))[0] - 200) < 3


def test_figures_that_follow_each_other_share_a_row(tmp_path):
    figure = PicturePart(np.zeros((4, 4, 3), np.uint8), "x")
    wide = PicturePart(np.zeros((4, 4, 3), np.uint8), "x", beside=False)
    page = read(write(tmp_path / "r.html", Section("s", [figure, figure, FactsPart({"a": "b"}), figure, wide])))
    order = [tag if tag != "div" else attributes["class"] for tag, attributes in page.elements]
    assert [tag for tag in order if tag in ("row", "figure", "dl")] == [
        "row", "figure", "figure", "dl", "row", "figure", "figure"
    ]  # fmt: skip


def test_numbers_in_tables(tmp_path):
    table = pd.DataFrame({"name": ["a", None], "n": [3, 1200], "x": [0.126, np.nan], "ok": [True, False]})
    page = write(tmp_path / "r.html", Section("s", [TablePart(table)])).read_text(encoding="utf-8")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells == ["a", "3", "0.13", "True", "\u2013", "1200", "\u2013", "False"]


def test_names_that_are_no_unicode_can_be_shown(tmp_path):
    """File names may hold bytes that are no text."""
    assert "a?b" in read(write(tmp_path / "r.html", Section("s", text="a\udcffb"))).text


def test_sections_are_linked_and_the_version_is_said(tmp_path):
    page = read(write(tmp_path / "r.html", Section("One"), Section("Two")))
    assert [link["href"] for link in page.all("a")] == ["#s1", "#s2"]
    assert [section["id"] for section in page.all("section")] == ["s1", "s2"]
    assert "Made with vp-science " in page.text


def test_equal_contents_give_equal_bytes(tmp_path):
    paths = [write(tmp_path / name, everything("a")) for name in ("a.html", "b.html")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_what_cannot_be_written_is_refused(tmp_path, monkeypatch):
    with pytest.raises(FigureError, match=r"expected a report file ending in \.html, found 'r\.pdf'"):
        write(tmp_path / "r.pdf", Section("s"))
    (tmp_path / "file").touch()
    with pytest.raises(FigureError, match=r"cannot write .*r\.html"):
        write(tmp_path / "file" / "r.html", Section("s"))
    axes = drawn()
    axes.remove()
    (tmp_path / "r.html").write_text("old")
    with pytest.raises(FigureError, match="expected axes that belong to a figure"):
        write(tmp_path / "r.html", Section("s", [FigurePart(axes, "x")]))
    monkeypatch.setattr("vp_science.plots.report._MAX_BYTES", 1000)
    with pytest.raises(FigureError, match="expected a report of at most"):
        write(tmp_path / "r.html", Section("s"))
    assert (tmp_path / "r.html").read_text() == "old"
