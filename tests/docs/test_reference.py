"""The reference pages name all that is public: Python names, verbs, options."""

import importlib.util
import re
import sys
from types import ModuleType

import pytest
from guide_blocks import ROOT

import vp_science

OTHER_PACKAGES = {"vp_science.encoder", "vp_science.reporting", "vp_science.samples"}
"""Public, and imported by their own names."""


@pytest.fixture(scope="module")
def command_line():
    path = ROOT / "scripts" / "docs_command_line.py"
    spec = importlib.util.spec_from_file_location("docs_command_line", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def public_names():
    for name in vp_science.__all__:
        value = getattr(vp_science, name)
        if isinstance(value, ModuleType):
            yield from (f"{value.__name__}.{inner}" for inner in value.__all__)
        else:
            yield f"vp_science.{name}"
    for package in OTHER_PACKAGES:
        yield from (f"{package}.{name}" for name in importlib.import_module(package).__all__)


def test_every_public_name_has_its_place():
    """A name that is missing here belongs on a page in docs/api; one that is too many was taken away."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "api").glob("*.md")}
    shown = [name for text in pages.values() for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)]
    assert len(shown) == len(set(shown)), "a name stands on two pages"
    assert sorted(shown) == sorted(public_names())
    for name in pages.keys() - {"index.md"}:
        assert f"]({name})" in pages["index.md"]
        assert f"api/{name}" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_every_command_and_option_is_described(command_line):
    pages = command_line.command_line_pages()
    count = 0
    for words, command in command_line.leaf_commands():
        page = pages[command_line.page_of(words[0])]
        section = page.split(f"{{ #{command_line.anchor(words)} }}")[-1].split("\n## ")[0]
        assert f"vp-science {' '.join(words)} " in section + " "
        for parameter in command.params:
            count += 1
            for option in parameter.opts + parameter.secondary_opts if not getattr(parameter, "hidden", False) else ():
                if option.startswith("--"):
                    assert f"`{option}`" in section, (words, option)
    assert count > 300
    assert set(pages) == {
        command_line.INDEX,
        *(command_line.page_of(words[0]) for words, _ in command_line.leaf_commands()),
    }


def test_a_page_says_what_help_says(command_line):
    page = command_line.command_line_pages()[command_line.page_of("fetch")]
    assert page.startswith("# vp-science fetch\n\nDownload the released weights")
    assert "`--offline`\n\n:   Never download anything.\n" in page
    assert "c4\\_en" in page
    embed = command_line.command_line_pages()[command_line.page_of("embed")]
    assert "`--stride` `<int>`\n\n:   Frames between one window and the next, 1 to --num-frames. Default: `4`." in embed
    assert "`--fit` <code>&lt;squash|crop|pad&gt;</code>" in embed
    assert "[dim]" not in "".join(command_line.command_line_pages().values())
