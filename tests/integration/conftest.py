import sys

import pytest


@pytest.fixture
def run(monkeypatch, capfd):
    """Run the command line in this process and expect an exit code: (stdout, stderr)."""
    from vp_science.cli import main

    def run_main(*arguments: object, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["vp-science", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert ended.value.code == code, f"{arguments}: exit code {ended.value.code}\n{out}\n{err}"
        return out, err

    return run_main
