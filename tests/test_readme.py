"""What the README and the docs show, run: commands as a shell would, Python as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
DOCS = README.parent / "docs"
TEXT = "The history of the world is long, and few have read it to the end in one sitting. " * 60


def blocks(language: str, page: Path = README) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M)


def run(command: list[str], folder: Path) -> None:
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path


def commands() -> list[str]:
    """The README's commands, and those of the first steps."""
    return commands_of(README) + commands_of(DOCS / "start.md")


def commands_of(page: Path) -> list[str]:
    """The lines of a page's commands; those of a block that builds on itself as one."""
    found = []
    for block in blocks("bash", page):
        is_whole = "--resume" in block or " > " in block
        found += [block] if is_whole else [line for line in block.splitlines() if line]
    return found


def test_there_are_commands_to_run():
    assert len(commands()) >= 10


def is_long(command: str) -> bool:
    """Whether it measures or trains; parts of the same run in other tests."""
    return "unmask evaluate" in command or "unmask train" in command


@pytest.mark.parametrize(
    "command",
    [pytest.param(each, marks=[pytest.mark.slow] if is_long(each) else []) for each in commands()],
)
def test_a_command_runs(command, folder):
    run(["bash", "-e", "-c", command], folder)


def test_it_can_be_read_in_a_sitting():
    assert len(README.read_text().splitlines()) <= 120


def test_the_python_runs(folder):
    (program,) = blocks("python")
    run([sys.executable, "-c", program], folder)


OTHERS = sorted(page for page in DOCS.glob("*.md") if page.name != "start.md")


@pytest.mark.parametrize(
    "page", [page for page in OTHERS if blocks("python", page)], ids=lambda page: page.name
)
def test_the_python_of_a_page_runs(page, folder):
    run([sys.executable, "-c", "\n".join(blocks("python", page))], folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [command for page in OTHERS for command in commands_of(page)],
)
def test_a_command_of_the_docs_runs(command, folder):
    run(["bash", "-e", "-c", command], folder)
