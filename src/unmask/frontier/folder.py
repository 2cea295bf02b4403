"""A report folder: what was measured, point by point, so that nothing is measured twice.

    settings.json         the model and how it was sampled; all points of a folder share it
    points/NAME@B.json    one sampler at one budget, with every sample
    exact/NAME@B.json     the same point's exact numbers, if they were asked for
    report.json, ...      made from the points, again and again

Each file is written whole or not at all, so a run that is killed loses the point it was at.
"""

from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from unmask.errors import CheckpointError, ConfigError, OutputError
from unmask.files import atomic
from unmask.files.reading import dumps
from unmask.files.tensors import read_json, weights_fingerprint, write_json
from unmask.models.base import GenerativeModel

Resume = Literal["never", "auto"]
_FORMAT = "unmask-report-1"
_SETTINGS_FILE = "settings.json"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the numbers of a folder have in common; others cannot be compared with them."""

    model: str
    weights: str
    """A fingerprint: points of another model do not belong here."""
    precision: str
    num_samples: int
    seed: int
    batch_size: int
    judge: str
    """A fingerprint of the judge, or nothing where there is none."""
    exact_sequences: int = 0
    """Held-out sequences of the exact numbers, or 0 where there are none."""
    chain_order: int = 0
    chain_length: int = 0
    exact_text: str = ""
    """A fingerprint of the text that the exact numbers are of."""


def fingerprint(model: GenerativeModel) -> str:
    """Tells a model from others by its weights."""
    return weights_fingerprint(model.network)


def open_folder(path: Path | str, settings: Settings, resume: Resume) -> "ReportFolder":
    """A new report folder, or one to go on with.

    Raises:
        OutputError: it holds a report already and `resume` is "never", or something else.
        ConfigError: its report was made with other settings; says which.
    """
    folder = ReportFolder(Path(path))
    asked = {"format": _FORMAT, **asdict(settings)}

    def completed(found: dict[str, Any]) -> dict[str, Any]:
        # A report that was made before there was a choice made none.
        found = {**_defaults(), **found}
        # A judge and exact numbers can be added to a report, never changed.
        if not found.get("judge"):
            found["judge"] = asked["judge"]
        if not found["exact_sequences"]:
            found |= {name: asked[name] for name in _defaults()}
        return found

    open_report(folder.path, asked, resume, completed)
    atomic.make_folder(folder.path / "points")
    return folder


def open_report(
    path: Path,
    asked: dict[str, Any],
    resume: Resume,
    completed: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> None:
    """Make a report's folder with its settings, or see that those in it are the ones asked for.

    `completed` adds to the settings found what may be added later. Raises as `open_folder`.
    """
    file = path / _SETTINGS_FILE
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        atomic.make_folder(path)
        write_json(file, asked)
        return
    if not file.exists():
        raise OutputError(f"{path} is there already and is no report. Choose another --out.")
    if resume == "never":
        raise OutputError(
            f"{path} already holds a report. Go on with it by --resume, or choose another --out."
        )
    before = read_json(file)
    if before.get("format") != asked["format"]:
        raise OutputError(
            f"{path} holds a report of another kind ({before.get('format')!r:.40}) than this one "
            f"({asked['format']}). Choose another --out."
        )
    found = completed(before)
    # How many are worked out together changes no number.
    found["batch_size"] = asked.get("batch_size")
    differing = [name for name in asked if found.get(name) != asked[name]]
    if differing:
        name = differing[0]
        raise ConfigError(
            f"{path} is the report of another run: its {name} is {found.get(name)!r}, this one's "
            f"{asked[name]!r}. Numbers of both cannot be compared; choose another --out."
        )
    write_json(file, asked)


def _defaults() -> dict[str, Any]:
    """The settings of the exact numbers where there are none."""
    return {
        field.name: field.default for field in fields(Settings) if field.default is not MISSING
    }


@dataclass(frozen=True)
class ReportFolder:
    """Where a report is written."""

    path: Path

    @property
    def settings_file(self) -> Path:
        return self.path / _SETTINGS_FILE

    def point_file(self, family: str, budget: float) -> Path:
        """One file for each sampler and budget."""
        return self.path / "points" / _file_name(family, budget)

    def exact_file(self, family: str, budget: float) -> Path:
        """One file for the exact numbers of each sampler and budget."""
        return self.path / "exact" / _file_name(family, budget)

    def read_point(self, family: str, budget: float, weights: str) -> dict[str, Any] | None:
        """A point that was measured before; None if it was not.

        Raises `ConfigError` if it was measured with other weights than these.
        """
        return _read(self.point_file(family, budget), weights)

    def read_exact(self, family: str, budget: float, weights: str) -> dict[str, Any] | None:
        """The exact numbers of a point, if they were computed before; None if not.

        Raises `ConfigError` if they are of other weights than these.
        """
        return _read(self.exact_file(family, budget), weights)

    def write_point(self, family: str, budget: float, point: dict[str, Any]) -> None:
        """Keep a point."""
        _write(self.point_file(family, budget), point)

    def write_exact(self, family: str, budget: float, exact: dict[str, Any]) -> None:
        """Keep the exact numbers of a point."""
        atomic.make_folder(self.path / "exact")
        _write(self.exact_file(family, budget), exact)


_OF_A_POINT = {"token_ids", "texts", "trunk_passes", "tail_passes", "nfe", "seconds", "sampler"}


def _file_name(family: str, budget: float) -> str:
    return f"{family.replace('/', '-')}@{budget:g}.json"


def _read(file: Path, weights: str) -> dict[str, Any] | None:
    if not file.exists():
        return None
    content = read_json(file)
    if missing := sorted(_OF_A_POINT - content.keys()) if file.parent.name == "points" else []:
        raise CheckpointError(
            f"{file} has no {missing[0]}: it is damaged. Remove it to measure again."
        )
    if content.get("weights") != weights:
        raise ConfigError(
            f"{file} was measured with other weights ({content.get('weights')}) than there are "
            f"now ({weights}). Remove it to measure again, or choose another --out."
        )
    return content


def _write(file: Path, content: dict[str, Any]) -> None:
    with atomic.replacing(file) as draft:
        draft.write_text(dumps(content) + "\n", encoding="utf-8")
