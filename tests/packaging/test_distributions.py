"""What a release holds: the wheels and sdists, built as ``make dist`` builds them, and the package from its wheel."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path, PurePosixPath

import pytest

from vp_science import __version__ as VERSION

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugins" / "napari"
WEIGHTS_LIMIT = 12_000_000
DATA = {
    "checkpoints/tiny_vocabulary.model",
    "checkpoints/videoprism-lvt-tiny.safetensors",
    "py.typed",
    "samples/LICENSE-sleap.txt",
    "samples/flies_male_crop.labels.behaviors.json",
    "samples/flies_male_crop.labels.csv",
    "samples/flies_male_crop.labels.observed.csv",
    "samples/flies_male_crop.mp4",
}
IN_SDIST = {
    "vp_science", "plugins", "tests", "docs", "notebooks", "benchmarks", "recipes", "scripts",
    "conftest.py", "Makefile", "mkdocs.yml", "pyproject.toml", ".gitignore", "PKG-INFO",
    "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "CITATION.cff",
}  # fmt: skip


def build(project, folder):
    """An sdist, and a wheel made from it alone; without the network. The files of each by path."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, project]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    with tarfile.open(sdist) as archive:
        members = [member for member in archive if member.isfile()]
        source = {member.name.split("/", 1)[1]: archive.extractfile(member).read() for member in members}
    with zipfile.ZipFile(wheel) as archive:
        installed = {name: archive.read(name) for name in archive.namelist()}
    return source, installed


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    return build(PLUGIN, tmp_path_factory.mktemp("plugin"))


def metadata_of(wheel):
    [name] = [name for name in wheel if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(wheel[name])


def tops(names):
    return {name.split("/")[0] for name in names}


def test_the_wheel_holds_the_package_and_nothing_else(package):
    wheel = package[1]
    assert tops(wheel) == {"vp_science", f"vp_science-{VERSION}.dist-info"}
    inside = {name.removeprefix("vp_science/") for name in wheel if name.startswith("vp_science/")}
    assert {name for name in inside if not name.endswith(".py")} == DATA
    modules = {path.relative_to(ROOT / "vp_science").as_posix() for path in (ROOT / "vp_science").rglob("*.py")}
    assert inside - DATA == modules


def test_weights_are_small(package):
    weights = {name: len(data) for name, data in package[1].items() if name.endswith(".safetensors")}
    assert weights
    assert sum(weights.values()) < WEIGHTS_LIMIT


def test_the_sdist_holds_the_checkout(package):
    source = package[0]
    assert tops(source) == IN_SDIST
    for folder in ("plugins", "tests/golden", "docs/images", "notebooks", "recipes", "scripts"):
        there = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()]
        kept = {path.as_posix() for path in there if not {"__pycache__", ".ipynb_checkpoints"} & {*path.parts}}
        assert kept == {name for name in source if name.startswith(f"{folder}/")}


def test_the_plugin_holds_the_panel_and_nothing_else(plugin):
    source, wheel = plugin
    assert tops(wheel) == {"napari_vp_science", f"napari_vp_science-{VERSION}.dist-info"}
    assert {PurePosixPath(name).suffix for name in wheel if name.startswith("napari_vp_science/")} == {".py", ".yaml"}
    assert tops(source) == {
        "src", "tests", "README.md", "LICENSE", "NOTICE", "pyproject.toml", ".gitignore", "PKG-INFO",
    }  # fmt: skip


@pytest.mark.parametrize(("built", "project"), [("package", ROOT), ("plugin", PLUGIN)])
def test_licences_come_along(built, project, request):
    source, wheel = request.getfixturevalue(built)
    for name in ("LICENSE", "NOTICE"):
        text = (project / name).read_bytes()
        assert source[name] == text
        assert [data for path, data in wheel.items() if path.endswith(f"/licenses/{name}")] == [text]
    assert metadata_of(wheel)["License-Expression"] == "Apache-2.0"
    assert (PLUGIN / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("built", ["package", "plugin"])
def test_no_place_of_this_machine_is_told(built, request):
    places = [f"{place}/".encode() for place in (ROOT, Path.home(), sys.prefix)]
    for files in request.getfixturevalue(built):
        assert [name for name, data in files.items() if any(place in data for place in places)] == []


def test_the_readme_stands_alone_on_an_index(package):
    """Its links are not those of the checkout, and what they lead to is in the checkout."""
    metadata = metadata_of(package[1])
    assert metadata["Description-Content-Type"] == "text/markdown"
    text, readme = metadata.get_payload(), (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) == len(re.findall(r"\]\([^)]+\)", readme)) > 20
    assert [link for link in links if not link.startswith("https://")] == []
    ours = f"https://github.com/vp-science/vp-science/blob/v{VERSION}/"
    pictures = f"https://raw.githubusercontent.com/vp-science/vp-science/v{VERSION}/"
    for link in links:
        if link.startswith((ours, pictures)):
            path = link.removeprefix(ours).removeprefix(pictures).split("#")[0]
            assert (ROOT / path).is_file(), link
            assert link.startswith(pictures) == path.endswith(".png")
    assert "![Ten frames" in text
    assert f"({pictures}docs/images/demo.png)" in text


def test_the_wheel_is_imported_without_a_warning(package, tmp_path):
    """All public names and the command line, with every warning an error, from the files of the wheel alone."""
    for name, data in package[1].items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import vp_science as vp, vp_science.cli.app\n"
        f"assert vp.__file__.startswith({str(tmp_path)!r}), vp.__file__\n"
        "names = [getattr(vp, name) for name in vp.__all__]\n"
        "assert vp.sample_recording().is_file() and vp.load_encoder('videoprism-tiny', offline=True).info\n"
        "print(len(names))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
    assert done.stderr == ""
