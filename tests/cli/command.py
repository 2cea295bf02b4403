"""The command line, run in this process."""

import pytest

from unmask.cli.main import main


def run(*arguments: str) -> int:
    """The exit status of `unmask ARGUMENTS`."""
    try:
        return main(list(arguments))
    except SystemExit as stop:  # how argparse ends after --help and bad options
        assert isinstance(stop.code, int)
        return stop.code


def refused(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """The one line on standard error of a command that must end with status 2."""
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("unmask")
    return lines[0]
