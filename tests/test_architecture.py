"""Four gates that keep the house in order, each shown to be able to fail."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "unmask"

BASE = {"errors", "named", "shapes", "batches", "cost", "draws", "files"}
MATHEMATICS = BASE | {"process", "speculation", "predictors"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "named": {"errors"},
    "shapes": set(),
    "batches": set(),
    "cost": {"batches", "shapes"},
    "version": set(),
    "shipped": set(),
    "draws": {"errors", "shapes"},
    "files": {"errors", "shipped"},
    "process": {"errors", "named", "shapes", "draws"},
    "speculation": {"errors", "named", "shapes", "draws", "process"},
    "predictors": BASE | {"process"},
    "network": BASE | {"process", "predictors"},
    "dllm": MATHEMATICS | {"network", "vocabularies"},
    "esm": BASE | {"network"},
    "caching": BASE | {"predictors"},
    "samplers": MATHEMATICS | {"caching"},  # the Predictor protocol, never a network
    "speed": MATHEMATICS | {"samplers", "dllm"},
    "vocabularies": BASE,
    "data": BASE | {"predictors", "vocabularies"},
    "evaluation": MATHEMATICS | {"samplers", "data"},
    "training": MATHEMATICS | {"network", "dllm", "samplers", "data", "vocabularies"},
    "models": MATHEMATICS
    | {"network", "dllm", "esm", "caching", "samplers", "data", "evaluation", "vocabularies"},
    "recipes": BASE | {"network", "dllm", "data", "training", "models", "speed", "vocabularies"},
    "quality": BASE | {"data", "evaluation", "models", "vocabularies"},
    "frontier": MATHEMATICS
    | {"version", "network", "samplers", "data", "evaluation", "models", "quality", "speed"},
    "questions": MATHEMATICS
    | {"version", "speed", "caching", "samplers", "data", "evaluation", "models", "frontier"},
    "tuning": MATHEMATICS | {"samplers", "data", "evaluation", "models", "quality", "frontier"},
    "proteins": BASE | {"data", "samplers", "models", "vocabularies"},
    "integrations": BASE | {"samplers", "evaluation", "models", "questions"},
    "cli": MATHEMATICS
    | {"version", "network", "dllm", "esm", "caching", "samplers", "speed", "data", "evaluation"}
    | {"training", "models", "recipes", "frontier", "questions", "tuning", "integrations"}
    | {"vocabularies", "quality", "proteins"},
}
"""Imports run downward: a room may import itself and what is named here."""


def rooms() -> set[str]:
    """The modules and folders of the package; files with dunder names are its doors."""
    files = {path.stem for path in SOURCE.glob("[!_]*.py")}
    return files | {path.name for path in SOURCE.glob("[!_]*/")}


def files_of(room: str) -> list[Path]:
    return [*SOURCE.glob(f"{room}.py"), *SOURCE.glob(f"{room}/**/*.py")]


def imported_rooms(code: str) -> set[str]:
    """The rooms that a file imports; "unmask" if it takes a name from the package's front."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports would be overlooked here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            room = rest.split(".")[0]
            if package == "unmask":
                found.add(room if room in MAY_IMPORT else "unmask")
    return found


# 1. Rooms


def test_every_room_has_its_place() -> None:
    assert rooms() == set(MAY_IMPORT)


def test_the_table_has_no_circles() -> None:
    placed: set[str] = set()
    while placed != set(MAY_IMPORT):
        next_ones = {room for room in MAY_IMPORT if MAY_IMPORT[room] <= placed} - placed
        assert next_ones, f"a circle among {sorted(set(MAY_IMPORT) - placed)}"
        placed |= next_ones


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_each_room_imports_only_the_rooms_below_it(room: str) -> None:
    for file in files_of(room):
        extra = imported_rooms(file.read_text()) - MAY_IMPORT[room] - {room}
        assert not extra, (
            f"{file} imports {sorted(extra)}; a {room} file may import {sorted(MAY_IMPORT[room])}"
        )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from unmask.network import checkpoint", {"network"}),
        ("from unmask.network.hybrid import HybridTransformer", {"network"}),
        ("import unmask.cli.main as m", {"cli"}),
        ("def f():\n    from unmask.training import ema", {"training"}),
        ("from unmask import draws, errors", {"draws", "errors"}),
        ("from unmask import generate", {"unmask"}),
        ("import unmask", {"unmask"}),
        ("import torch\nfrom unmasked import x", set()),
    ],
)
def test_the_check_of_imports_sees_every_form_of_them(code: str, expected: set[str]) -> None:
    assert imported_rooms(code) == expected


# 2. Words that may stand in few files or none

RANDOMNESS = re.compile(
    r"\btorch\.(?:\w+\.)*(?:rand|randn|randint|randperm|multinomial|bernoulli|normal|manual_seed"
    r"|rand_like|randn_like|randint_like|default_generator|seed)\b|\btorch\.Generator\("
    r"|\.(?:bernoulli_|uniform_|normal_|exponential_|random_|manual_seed)\("
    r"|\b(?:np|numpy)\.random\b|^\s*(?:import|from) (?:random|secrets)\b",
    re.MULTILINE,
)
OPENS_THE_DOOR_TO_CODE = re.compile(
    r"\btorch\.load\b|\bpickle\b|(?<![\w.])eval\(|(?<![\w.])exec\(|\btrust_remote_code\b"
    r"|\byaml\.(?:unsafe_|full_)?load\b|\ballow_pickle\b"
)
# Written in two parts, so that this file does not name what it forbids.
PLACE_ON_A_MACHINE = re.compile(r"(?<![\w.~:/-])/" + r"(?:work|root|home|Users|mnt|scratch)/")


def uses(pattern: re.Pattern[str], code: str) -> list[str]:
    """What of a file matches; weights drawn from a generator that is given are no draws."""
    explicit = re.compile(r"nn\.init\.\w+\([^\n]*generator=\w+")
    return [match.group() for match in pattern.finditer(explicit.sub("", code))]


def offenders(pattern: re.Pattern[str], *, but: Path | None = None) -> dict[str, list[str]]:
    """What of the source matches, by file."""
    found = {
        str(file.relative_to(SOURCE)): uses(pattern, file.read_text())
        for file in SOURCE.rglob("*.py")
        if file != but
    }
    assert len(found) > 200
    return {file: matches for file, matches in found.items() if matches}


def test_randomness_comes_through_one_door() -> None:
    assert not offenders(RANDOMNESS, but=SOURCE / "draws.py"), "draw through unmask.draws"
    assert list(offenders(RANDOMNESS)) == ["draws.py"]  # so the search does find some


def test_no_file_runs_code_that_it_reads() -> None:
    assert not offenders(OPENS_THE_DOOR_TO_CODE)


def texts() -> Iterator[Path]:
    """Everything that a reader of the project meets."""
    folders = [ROOT / name for name in ("src", "tests", "docs", "examples", "benchmarks")]
    for file in [*ROOT.glob("*.*"), *(file for folder in folders for file in folder.rglob("*"))]:
        kinds = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".jsonl", ".txt", ".html"}
        if file.suffix in kinds and file.is_file():
            yield file


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    found = [(file, uses(PLACE_ON_A_MACHINE, file.read_text())) for file in texts()]
    assert not [(str(file), places) for file, places in found if places]
    assert {ROOT / "README.md", Path(__file__)} <= {file for file, _ in found}


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        (RANDOMNESS, "x = torch.rand(3)"),
        (RANDOMNESS, "torch.nn.init.normal_(weight)"),
        (RANDOMNESS, "weight.uniform_(0, 1)"),
        (RANDOMNESS, "torch.cuda.manual_seed(0)"),
        (RANDOMNESS, "token = probs.multinomial(1); torch.multinomial(probs, 1)"),
        (RANDOMNESS, "generator = torch.Generator()"),
        (RANDOMNESS, "np.random.default_rng()"),
        (RANDOMNESS, "import random"),
        (OPENS_THE_DOOR_TO_CODE, "torch.load(path)"),
        (OPENS_THE_DOOR_TO_CODE, "import pickle"),
        (OPENS_THE_DOOR_TO_CODE, "x = eval(text)"),
        (OPENS_THE_DOOR_TO_CODE, "from_pretrained(name, trust_remote_code=True)"),
        (OPENS_THE_DOOR_TO_CODE, "yaml.load(text)"),
        (PLACE_ON_A_MACHINE, "see /" + "work/main/src"),
        (PLACE_ON_A_MACHINE, '"/' + 'home/me/data"'),
    ],
)
def test_the_search_finds_what_is_forbidden(pattern: re.Pattern[str], code: str) -> None:
    assert uses(pattern, code)


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        (RANDOMNESS, "nn.init.normal_(self.weight, std=1.0, generator=generator)"),
        (RANDOMNESS, "def draw(generator: torch.Generator) -> Tensor: ..."),
        (RANDOMNESS, "order = orders.random(draws, length)"),
        (RANDOMNESS, "draws.bernoulli(probs, where)"),
        (OPENS_THE_DOOR_TO_CODE, "model.eval()"),
        (OPENS_THE_DOOR_TO_CODE, "yaml.safe_load(text)"),
        (PLACE_ON_A_MACHINE, "https://example.org/" + "home/page and docs/" + "work/plan.md"),
    ],
)
def test_the_search_leaves_the_rest_in_peace(pattern: re.Pattern[str], code: str) -> None:
    assert not uses(pattern, code)


# 3. A bare import is light

MODULE_OF = {"types-PyYAML": "types", "pytest-timeout": "pytest_timeout", "lm-eval": "lm_eval"}


def optional_modules() -> set[str]:
    """The modules of every extra, as pyproject.toml lists them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {
        re.split(r"[\[<>=!~; ]", requirement)[0]
        for extra in project["optional-dependencies"].values()
        for requirement in extra
    }
    modules = {MODULE_OF.get(name, name.replace("-", "_")) for name in names}
    return modules - {"unmask", "types"} | {"transformers", "matplotlib", "datasets"}


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a new interpreter holds after `statement`."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


EVERY_NAME = "import unmask\nfor name in unmask.__all__: getattr(unmask, name)"


@pytest.mark.parametrize("statement", ["import unmask", EVERY_NAME], ids=["bare", "every name"])
def test_importing_the_package_pulls_in_nothing_optional(statement: str) -> None:
    modules = modules_after(statement)
    assert "unmask" in modules
    assert not modules & optional_modules()


def test_the_check_of_a_bare_import_can_fail() -> None:
    assert {"accelerate", "pytest", "beartype", "matplotlib"} <= optional_modules()
    assert "beartype" in modules_after("import unmask, beartype") & optional_modules()
