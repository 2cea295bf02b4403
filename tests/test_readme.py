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
    """The lines of the README's commands; those of a block that builds on itself as one."""
    found = []
    for block in [*blocks("bash"), *blocks("bash", DOCS / "start.md")]:
        found += [block] if "--resume" in block else [line for line in block.splitlines() if line]
    return found


def test_there_are_commands_to_run():
    assert len(commands()) >= 10


@pytest.mark.parametrize("command", commands())
def test_a_command_runs(command, folder):
    run(["bash", "-e", "-c", command], folder)


def test_it_can_be_read_in_a_sitting():
    assert len(README.read_text().splitlines()) <= 120


def test_the_python_runs(folder):
    (program,) = blocks("python")
    run([sys.executable, "-c", program], folder)


def test_the_python_of_the_docs_runs(folder):
    programs = [p for page in DOCS.glob("*.md") for p in blocks("python", page)]
    assert programs
    for program in programs:
        run([sys.executable, "-c", program], folder)


def test_a_command_that_fails_is_noticed(folder):
    with pytest.raises(AssertionError, match="no verb"):
        run(["bash", "-c", "unmask dance"], folder)


@pytest.mark.parametrize("page", [README, *DOCS.glob("*.md")], ids=lambda page: page.name)
def test_files_that_are_pointed_at_exist(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_every_room_of_the_tree_has_its_gloss():
    source = README.parent / "src" / "unmask"
    rooms = {f"{path.name}/" for path in source.iterdir() if (path / "__init__.py").exists()}
    (tree,) = re.findall(r"^```\nsrc/unmask/\n(.*?)^```", README.read_text(), re.S | re.M)
    assert rooms <= set(tree.split())
