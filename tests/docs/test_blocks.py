"""Commands and Python that the guide and the README show are right."""

import ast
import importlib
import inspect
import shlex
from types import ModuleType

import pytest
import typer
from guide_blocks import PAGES, PYTHON, SHELL, all_blocks, blocks_of, commands_of

import vp_science
from vp_science.cli.app import app

# The class of wrong usage is not public in every version of typer; that of a wrong value descends from it.
UsageError = typer.BadParameter.__mro__[1]
SHELL_BLOCKS, PYTHON_BLOCKS = all_blocks(SHELL), all_blocks(PYTHON)
NO_CODE = {"", "text", "toml", "json"}


def check_command(words):
    """A verb of ours, with options that it knows and all that it needs. Nothing is run."""
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name, *words = words
        context = command.context_class(command, info_name=name)
        found = command.get_command(context, name)
        assert found is not None, f"no verb {name}"
        command = found
    if words not in (["--help"], ["-h"]):
        command.make_context("verb", list(words))


def resolve(node):
    """What an expression of names is, where it begins at ``vp``; None for any other expression."""
    if isinstance(node, ast.Name):
        return vp_science if node.id == "vp" else None
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value)
        if isinstance(owner, ModuleType | type):
            return getattr(owner, node.attr)
    return None


def check_python(text):
    """It compiles, its imports and names of ours exist, and functions of ours take the arguments that they get."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vp_science"):
            module = importlib.import_module(node.module)
            for name in node.names:
                assert hasattr(module, name.name), f"{node.module} has no {name.name}"
        elif isinstance(node, ast.Attribute):
            resolve(node)
        elif isinstance(node, ast.Call) and (called := resolve(node.func)) is not None:
            given = {keyword.arg: None for keyword in node.keywords if keyword.arg}
            inspect.signature(called).bind(*node.args, **given)


def test_there_is_something_to_check():
    assert len(PAGES) > 20
    assert sum(len(commands_of(block.text)) for block in SHELL_BLOCKS) > 60
    assert len(PYTHON_BLOCKS) > 15


def test_every_block_names_its_language():
    """A command in a block without a language would be seen by nobody."""
    for path in PAGES:
        for block in blocks_of(path.read_text(encoding="utf-8"), path.name):
            assert block.language in SHELL | PYTHON | NO_CODE, f"{block.where}: {block.language}"
            if block.language in NO_CODE:
                assert not [line for line in commands_of(block.text) if "$" not in line], f"{block.where}: use sh"


@pytest.mark.parametrize("block", [b for b in SHELL_BLOCKS if commands_of(b.text)], ids=lambda block: block.where)
def test_commands(block):
    for line in commands_of(block.text):
        words = shlex.split(line, comments=True)[1:]
        try:
            check_command(words)
        except Exception as error:
            pytest.fail(f"{block.where}: {line}\n{error}")


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=lambda block: block.where)
def test_python(block):
    try:
        check_python(block.text)
    except Exception as error:
        pytest.fail(f"{block.where}: {error}\n{block.text}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("vp-science embedd a.mp4", "no verb embedd"),
        ("vp-science embed a.mp4 --speed 3", "No such option"),
        ("vp-science annotate a.mp4", "Missing parameter: probe"),
        ("vp-science train distill --optimizer.lr 3", "No such option"),
        ("vp-science embed a.mp4 --fps fast", "valid number"),
    ],
)
def test_wrong_commands_are_found(line, message):
    [command] = commands_of(line)
    with pytest.raises((AssertionError, UsageError), match=message):
        check_command(shlex.split(command)[1:])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vp.embedd('a.mp4')", "has no attribute 'embedd'"),
        ("vp.maps.map_it(1)", "has no attribute 'map_it'"),
        ("vp.embed('a.mp4', out='b', speed=3)", "unexpected keyword argument 'speed'"),
        ("vp.load_probe()", "missing a required argument"),
        ("from vp_science.samples import nothing", "has no nothing"),
        ("vp.Probe.learn", "has no attribute 'learn'"),
        ("vp.embed(", "never closed"),
    ],
)
def test_wrong_python_is_found(text, message):
    with pytest.raises((AttributeError, TypeError, AssertionError, SyntaxError), match=message):
        check_python(text)


def test_commands_are_found_in_lines():
    text = (
        "# say\nvp-science a \\\n  --b\n.venv/bin/vp-science c   # why\nsrun vp-science d || exit\ncat vp-science.txt\n"
    )
    assert commands_of(text) == ["vp-science a    --b", "vp-science c   # why", "vp-science d"]
