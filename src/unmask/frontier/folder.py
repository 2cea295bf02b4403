"""A report folder: what was measured, point by point, so that nothing is measured twice.

    settings.json         the model and how it was sampled; all points of a folder share it
    points/NAME@B.json    one sampler at one budget, with every sample
    report.json, ...      made from the points, again and again

Each file is written whole or not at all, so a run that is killed loses the point it was at.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from unmask import atomic
from unmask.errors import ConfigError, OutputError
from unmask.model import Model
from unmask.network import checkpoint

Resume = Literal["never", "auto"]
_FORMAT = "unmask-report-1"


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


def fingerprint(model: Model) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the weights, in float32."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def open_folder(path: Path | str, settings: Settings, resume: Resume) -> "ReportFolder":
    """A new report folder, or one to go on with.

    Raises:
        OutputError: it holds a report already and `resume` is "never", or something else.
        ConfigError: its report was made with other settings; says which.
    """
    folder = ReportFolder(Path(path))
    if not folder.path.exists() or (folder.path.is_dir() and not any(folder.path.iterdir())):
        atomic.make_folder(folder.path / "points")
        checkpoint.write_json(folder.settings_file, {"format": _FORMAT, **asdict(settings)})
        return folder
    if not folder.settings_file.exists():
        raise OutputError(f"{path} is there already and is no report. Choose another --out.")
    if resume == "never":
        raise OutputError(
            f"{path} already holds a report. Go on with it by --resume, or choose another --out."
        )
    found = checkpoint.read_json(folder.settings_file)
    asked = {"format": _FORMAT, **asdict(settings)}
    differing = [name for name in asked if found.get(name) != asked[name]]
    if differing:
        name = differing[0]
        raise ConfigError(
            f"{path} is the report of another run: its {name} is {found.get(name)!r}, this one's "
            f"{asked[name]!r}. Numbers of both cannot be compared; choose another --out."
        )
    return folder


@dataclass(frozen=True)
class ReportFolder:
    """Where a report is written."""

    path: Path

    @property
    def settings_file(self) -> Path:
        return self.path / "settings.json"

    def point_file(self, family: str, budget: float) -> Path:
        """One file for each sampler and budget."""
        return self.path / "points" / f"{family.replace('/', '-')}@{budget:g}.json"

    def read_point(self, family: str, budget: float) -> dict[str, Any] | None:
        """A point that was measured before; None if it was not."""
        file = self.point_file(family, budget)
        return checkpoint.read_json(file) if file.exists() else None

    def write_point(self, family: str, budget: float, point: dict[str, Any]) -> None:
        """Keep a point."""
        with atomic.replacing(self.point_file(family, budget)) as draft:
            draft.write_text(json.dumps(point) + "\n")
