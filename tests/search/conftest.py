import sys
from pathlib import Path

import pytest

# Helpers beside the tests: pytest's importlib mode does not put folders on the path.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))


@pytest.fixture
def run(monkeypatch, capfd):
    """Run ``vp-science search`` in this process: (exit code, stdout, stderr)."""
    import typer

    from vp_science.cli import app as main_app
    from vp_science.cli.search import search

    def run_main(*arguments: object) -> tuple[int, str, str]:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.command("search")(search)
        app.callback()(lambda: None)
        monkeypatch.setattr(main_app, "app", app)
        monkeypatch.setattr(sys, "argv", ["vp-science", "search", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "160")
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main_app.main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return run_main
