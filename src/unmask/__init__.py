"""Fast generation with masked diffusion models: drafted and verified by the same network.

The public names are imported on first use, so that `import unmask` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unmask.caching import policies as caches  # noqa: F401
    from unmask.cost import Cost as Cost
    from unmask.cost import Work as Work
    from unmask.draws import SeededDraws as SeededDraws
    from unmask.errors import CheckpointError as CheckpointError
    from unmask.errors import ConfigError as ConfigError
    from unmask.errors import DataError as DataError
    from unmask.errors import MissingExtraError as MissingExtraError
    from unmask.errors import OrderError as OrderError
    from unmask.errors import OutputError as OutputError
    from unmask.errors import PromptError as PromptError
    from unmask.errors import UnmaskError as UnmaskError
    from unmask.files.model_folder import shipped_names as model_names  # noqa: F401
    from unmask.frontier.run import evaluate as evaluate
    from unmask.models.base import Sample as Sample
    from unmask.models.chat import ChatModel as ChatModel
    from unmask.models.cross_tokenizer import draft_verify_across as draft_verify_across
    from unmask.models.load import load as load
    from unmask.models.prompts import Prompt as Prompt
    from unmask.models.prompts import answer_prompts as answer_prompts
    from unmask.models.prompts import read_prompts as read_prompts
    from unmask.models.text import TextModel as TextModel
    from unmask.named import spec_of as spec_of
    from unmask.network.config import HybridConfig as HybridConfig
    from unmask.network.hybrid import HybridTransformer as HybridTransformer
    from unmask.network.stream import StreamTransformer as StreamTransformer
    from unmask.predictors.counter import count_work as count_work
    from unmask.predictors.markov import MarkovChain as MarkovChain
    from unmask.predictors.pair import DrafterVerifierPair as DrafterVerifierPair
    from unmask.predictors.table import JointTable as JointTable
    from unmask.process import blocks as blocks
    from unmask.process import windows as windows
    from unmask.process.windows import Cosine as Cosine
    from unmask.process.windows import Fixed as Fixed
    from unmask.process.windows import Linear as Linear
    from unmask.process.windows import Whole as Whole
    from unmask.questions.evaluate import answer as answer
    from unmask.recipes.recipe import Recipe as Recipe
    from unmask.recipes.recipe import preset as preset
    from unmask.recipes.run import adapt as adapt
    from unmask.recipes.run import train as train
    from unmask.samplers.ancestral import Ancestral as Ancestral
    from unmask.samplers.autoregressive import Autoregressive as Autoregressive
    from unmask.samplers.dilated import Dilated as Dilated
    from unmask.samplers.draft_verify import DraftVerify as DraftVerify
    from unmask.samplers.engine import Engine as Engine
    from unmask.samplers.engine import Request as Request
    from unmask.samplers.entropy_bounded import EntropyBounded as EntropyBounded
    from unmask.samplers.factor import Factor as Factor
    from unmask.samplers.first_hitting import FirstHitting as FirstHitting
    from unmask.samplers.fixed_partition import FixedPartition as FixedPartition
    from unmask.samplers.klass import Klass as Klass
    from unmask.samplers.learned_policy import LearnedPolicy as LearnedPolicy
    from unmask.samplers.lookahead import Lookahead as Lookahead
    from unmask.samplers.lossless import Lossless as Lossless
    from unmask.samplers.lossless_branching import LosslessBranching as LosslessBranching
    from unmask.samplers.maskgit import MaskGIT as MaskGIT
    from unmask.samplers.prefix_verify import PrefixVerify as PrefixVerify
    from unmask.samplers.registry import sampler_names as sampler_names
    from unmask.samplers.remdm import ReMDM as ReMDM
    from unmask.samplers.sampler import sample as sample
    from unmask.samplers.self_draft import SelfDraft as SelfDraft
    from unmask.samplers.self_speculative import SelfSpeculative as SelfSpeculative
    from unmask.samplers.semi_autoregressive import SemiAutoregressive as SemiAutoregressive
    from unmask.samplers.spec import read_sampler as read_sampler
    from unmask.samplers.star_shaped import StarShaped as StarShaped
    from unmask.samplers.target_only import TargetOnly as TargetOnly
    from unmask.samplers.threshold import Threshold as Threshold
    from unmask.samplers.top_k import TopKEntropy as TopKEntropy
    from unmask.samplers.top_k import TopKMargin as TopKMargin
    from unmask.samplers.wino import Wino as Wino
    from unmask.samplers.wrappers.cached import Cached as Cached
    from unmask.samplers.wrappers.early_stop import EarlyStop as EarlyStop
    from unmask.samplers.wrappers.end_rules import EndLast as EndLast
    from unmask.samplers.wrappers.end_rules import NoEnd as NoEnd
    from unmask.samplers.wrappers.guided import Guided as Guided
    from unmask.speculation.filters import Filter as Filter
    from unmask.speed.allocator import keep_freed_memory as keep_freed_memory
    from unmask.speed.denormals import flush_denormals as flush_denormals
    from unmask.version import VERSION as __version__  # noqa: F401

_HOME = {
    "Ancestral": "samplers.ancestral",
    "Autoregressive": "samplers.autoregressive",
    "Cached": "samplers.wrappers.cached",
    "Cosine": "process.windows",
    "Cost": "cost",
    "Dilated": "samplers.dilated",
    "DraftVerify": "samplers.draft_verify",
    "EarlyStop": "samplers.wrappers.early_stop",
    "EndLast": "samplers.wrappers.end_rules",
    "Engine": "samplers.engine",
    "EntropyBounded": "samplers.entropy_bounded",
    "Factor": "samplers.factor",
    "Filter": "speculation.filters",
    "FirstHitting": "samplers.first_hitting",
    "Fixed": "process.windows",
    "FixedPartition": "samplers.fixed_partition",
    "Guided": "samplers.wrappers.guided",
    "HybridConfig": "network.config",
    "HybridTransformer": "network.hybrid",
    "JointTable": "predictors.table",
    "Klass": "samplers.klass",
    "ChatModel": "models.chat",
    "LearnedPolicy": "samplers.learned_policy",
    "Linear": "process.windows",
    "Lookahead": "samplers.lookahead",
    "Lossless": "samplers.lossless",
    "LosslessBranching": "samplers.lossless_branching",
    "MarkovChain": "predictors.markov",
    "MaskGIT": "samplers.maskgit",
    "Prompt": "models.prompts",
    "TextModel": "models.text",
    "answer_prompts": "models.prompts",
    "read_prompts": "models.prompts",
    "NoEnd": "samplers.wrappers.end_rules",
    "PrefixVerify": "samplers.prefix_verify",
    "ReMDM": "samplers.remdm",
    "Recipe": "recipes.recipe",
    "Request": "samplers.engine",
    "Sample": "models.base",
    "SeededDraws": "draws",
    "SelfDraft": "samplers.self_draft",
    "SelfSpeculative": "samplers.self_speculative",
    "SemiAutoregressive": "samplers.semi_autoregressive",
    "StarShaped": "samplers.star_shaped",
    "StreamTransformer": "network.stream",
    "TargetOnly": "samplers.target_only",
    "DrafterVerifierPair": "predictors.pair",
    "Threshold": "samplers.threshold",
    "TopKEntropy": "samplers.top_k",
    "TopKMargin": "samplers.top_k",
    "UnmaskError": "errors",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "MissingExtraError": "errors",
    "OrderError": "errors",
    "OutputError": "errors",
    "PromptError": "errors",
    "__version__": "version",
    "blocks": "process.blocks",
    "caches": "caching.policies",
    "model_names": "files.model_folder",
    "read_sampler": "samplers.spec",
    "sampler_names": "samplers.registry",
    "spec_of": "named",
    "windows": "process.windows",
    "Whole": "process.windows",
    "Wino": "samplers.wino",
    "Work": "cost",
    "count_work": "predictors.counter",
    "draft_verify_across": "models.cross_tokenizer",
    "evaluate": "frontier.run",
    "flush_denormals": "speed.denormals",
    "keep_freed_memory": "speed.allocator",
    "load": "models.load",
    "preset": "recipes.recipe",
    "adapt": "recipes.run",
    "answer": "questions.evaluate",
    "sample": "samplers.sampler",
    "train": "recipes.run",
}

_MODULES = frozenset({"blocks", "caches", "windows"})
"""Names that stand for a whole module: unmask.windows.Cosine."""
_OTHER_NAMES = {"__version__": "VERSION", "model_names": "shipped_names"}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'unmask' has no attribute {name!r}")
    home = import_module(f"unmask.{_HOME[name]}")
    return home if name in _MODULES else getattr(home, _OTHER_NAMES.get(name, name))


def __dir__() -> list[str]:
    return __all__
