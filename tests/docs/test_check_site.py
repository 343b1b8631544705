"""The check of the built guide finds what it is there for."""

import importlib.util
import sys

import pytest
from guide_blocks import ROOT


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("check_site", ROOT / "scripts" / "check_site.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def site(folder, **pages):
    for name, text in pages.items():
        path = folder / name.replace("__", "/").replace("_html", ".html").replace("_css", ".css")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_a_good_site(tmp_path, check):
    made = site(
        tmp_path,
        index_html='<h1 id="top">x</h1><a href="a/b.html#here">b</a><a href="#top">t</a>'
        '<a href="https://example.org/x">e</a>'
        '<link rel="canonical" href="https://example.org/"><img src="data:image/png;base64,AA==">',
        a__b_html='<p id="here"><a href="../index.html">i</a><a href="mailto:a@b.org">m</a>'
        '<link rel="stylesheet" href="s.css">',
        a__s_css="p { background: url(x.png) }",
    )
    assert check.check_site(made) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('<a href="gone.html">', "gone.html leads to nothing"),
        ('<a href="#gone">', "#gone: the page has no such anchor"),
        ('<a href="../up.html">', "leads out of the site"),
        ('<a href="/etc/passwd">', "leads to nothing"),
        ('<a href="https:/example.org">', "is no address"),
        ('<a href="https://nowhere/x">', "is no address"),
        ('<img src="gone.png">', "gone.png leads to nothing"),
        ('<script src="https://cdn.example.org/x.js"></script>', "loads https://cdn.example.org/x.js from the network"),
        ('<link rel="stylesheet" href="//fonts.example.org/f.css">', "loads //fonts.example.org/f.css"),
        ('<link rel="preconnect" href="https://fonts.example.org">', "from the network"),
        ("<style>@import 'https://x.example.org/y.css';</style>", "loads https://x.example.org/y.css"),
        ('<div style="background: url(https://x.example.org/p.png)">', "loads https://x.example.org/p.png"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, check, text, problem):
    [found] = check.check_site(site(tmp_path, index_html=text))
    assert found.startswith("index.html: ")
    assert problem in found


def test_styles_that_load_and_empty_sites(tmp_path, check, monkeypatch, capsys):
    [found] = check.check_site(site(tmp_path, index_html="<p>", s_css="p{src:url('https://x.example.org/f.woff')}"))
    assert found == "s.css: loads https://x.example.org/f.woff from the network"
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["check_site.py", str(tmp_path / "empty")])
    with pytest.raises(SystemExit) as stopped:
        check.main()
    assert stopped.value.code == 1
    assert "expected pages (*.html), found none" in capsys.readouterr().out
