"""A recipe: everything that makes a training run, as one value. Presets are YAML in the wheel."""

from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Any

import yaml

from unmask.dllm.config import DllmConfig
from unmask.errors import ConfigError
from unmask.network.adapted import TailConfig
from unmask.network.config import HybridConfig
from unmask.training.config import TrainerConfig
from unmask.training.optimizers import OptimizerConfig

_PRESETS = resources.files("unmask.recipes") / "presets"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Network, optimiser and course of a run. The data is named when it is run."""

    model: HybridConfig | DllmConfig | TailConfig = field(default_factory=HybridConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    vocabulary: str = ""
    """The tokens of a text or of sequences, by name (`named_vocabulary`); "": text8's, or of
    records those that are usual for them."""

    def to_yaml(self) -> str:
        """The form presets are written in."""
        text: str = yaml.safe_dump(asdict(self), sort_keys=False)
        return text


def preset_names() -> list[str]:
    """The recipes that ship with the package."""
    names = [file.name for file in _PRESETS.iterdir()]
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def preset_values(name: str) -> dict[str, Any]:
    """The fields a preset sets, by section, and perhaps its vocabulary; the others keep their
    defaults.

    Raises:
        ConfigError: there is no such preset; names those there are.
    """
    if name not in preset_names():
        raise ConfigError(
            f"there is no recipe {name!r}. Choose one of: {', '.join(preset_names())}."
        )
    values: dict[str, Any] = yaml.safe_load(
        (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
    )
    return values


def model_kind(
    values: dict[str, Any],
) -> type[HybridConfig] | type[DllmConfig] | type[TailConfig]:
    """What a preset makes: a large model says of which family it is, a tail alone has no width."""
    named = values.get("model", {})
    if "family" in named:
        return DllmConfig
    is_tail = "num_tail_blocks" in named and "width" not in named
    return TailConfig if is_tail else HybridConfig


def preset(name: str) -> Recipe:
    """A shipped recipe. Raises `ConfigError` for an unknown name."""
    values = preset_values(name)
    return Recipe(
        model=model_kind(values)(**values.get("model", {})),
        optimizer=OptimizerConfig(**values.get("optimizer", {})),
        trainer=TrainerConfig(**values.get("trainer", {})),
        vocabulary=values.get("vocabulary", ""),
    )
