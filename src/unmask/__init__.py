"""Fast generation with masked diffusion models: drafted and verified by the same network.

The public names are imported on first use, so that `import unmask` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unmask.draws import SeededDraws as SeededDraws
    from unmask.errors import UnmaskError as UnmaskError
    from unmask.model import Model as Model
    from unmask.model import Sample as Sample
    from unmask.model import load as load
    from unmask.network.config import HybridConfig as HybridConfig
    from unmask.network.hybrid import HybridTransformer as HybridTransformer
    from unmask.predictors.counter import count_work as count_work
    from unmask.predictors.markov import MarkovChain as MarkovChain
    from unmask.predictors.table import JointTable as JointTable
    from unmask.process.windows import Cosine as Cosine
    from unmask.process.windows import Fixed as Fixed
    from unmask.process.windows import Linear as Linear
    from unmask.process.windows import Whole as Whole
    from unmask.recipes.recipe import Recipe as Recipe
    from unmask.recipes.recipe import preset as preset
    from unmask.recipes.run import train as train
    from unmask.samplers.ancestral import Ancestral as Ancestral
    from unmask.samplers.sampler import sample as sample
    from unmask.samplers.self_speculative import SelfSpeculative as SelfSpeculative
    from unmask.samplers.target_only import TargetOnly as TargetOnly
    from unmask.speculation.filters import Filter as Filter

_HOME = {
    "Ancestral": "samplers.ancestral",
    "Cosine": "process.windows",
    "Filter": "speculation.filters",
    "Fixed": "process.windows",
    "HybridConfig": "network.config",
    "HybridTransformer": "network.hybrid",
    "JointTable": "predictors.table",
    "Linear": "process.windows",
    "MarkovChain": "predictors.markov",
    "Model": "model",
    "Recipe": "recipes.recipe",
    "Sample": "model",
    "SeededDraws": "draws",
    "SelfSpeculative": "samplers.self_speculative",
    "TargetOnly": "samplers.target_only",
    "UnmaskError": "errors",
    "Whole": "process.windows",
    "count_work": "predictors.counter",
    "load": "model",
    "preset": "recipes.recipe",
    "sample": "samplers.sampler",
    "train": "recipes.run",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'unmask' has no attribute {name!r}")
    return getattr(import_module(f"unmask.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
