"""The pages made by docs/generate.py are as it makes them, and every page says where words are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from unmask.cli.completion import script
from unmask.cli.main import VERBS

DOCS = Path(__file__).parents[1] / "docs"


# argparse lays its help out anew with each Python, so one version makes the page.
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="made by Python 3.11")
def test_the_pages_that_are_made_are_as_they_are_made():
    program = (
        "import sys; sys.path.insert(0, 'docs'); import generate as g; "
        "sys.exit([n for n, p in (('cli.md', g.cli_page()), ('api.md', g.api_page())) "
        "if (g.DOCS / n).read_text() != p] or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=DOCS.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, f"run python docs/generate.py: {done.stderr}"


def test_the_command_line_has_a_chapter_for_each_verb():
    text = (DOCS / "cli.md").read_text()
    assert sorted(re.findall(r"^## unmask (\S+)", text, re.M)) == sorted(VERBS)
    assert "--num-samples" in text


def test_every_public_name_is_on_the_page():
    import unmask

    text = (DOCS / "api.md").read_text()
    assert set(re.findall(r"^### unmask\.(\w+)", text, re.M)) == set(unmask.__all__)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_a_page_leads_to_the_glossary(page):
    assert page.name == "glossary.md" or "(glossary.md)" in page.read_text()[:600]


def test_bash_completes_verbs_and_options(tmp_path):
    (tmp_path / "completion.sh").write_text(script("bash"))
    ask = "source completion.sh; COMP_WORDS=({}); COMP_CWORD={}; _unmask; echo ${{COMPREPLY[@]}}"

    def completed(words: str) -> list[str]:
        command = ask.format(words, len(words.split()) - 1)
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True)
        return done.stdout.decode().split()

    assert completed("unmask gen") == ["generate"]
    assert completed("unmask generate --num-s") == ["--num-samples"]
    assert "text8s-any" in completed("unmask generate text8s-")
    assert "complete -c unmask" in script("fish") and "bashcompinit" in script("zsh")
