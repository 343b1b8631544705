import sys
from pathlib import Path

import pytest

# The helpers of the pipeline tests: pytest's importlib mode does not put their folder on the path.
sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))


@pytest.fixture
def small_models(monkeypatch):
    """The built-in model becomes small, so that a verb runs in a moment."""
    import pipeline_tools

    from vp_science.checkpoints import registry

    monkeypatch.setattr(registry, "_SPECS", registry._SPECS)
    pipeline_tools.shrink_models()


@pytest.fixture
def run(monkeypatch, capfd):
    """Run the command line in this process: (exit code, stdout, stderr)."""
    from vp_science.cli import main

    def run_main(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vp-science", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return run_main
