"""`unmask check-sampler SPEC`: does a sampler keep the rules that ours keep?"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from unmask.cli.options.parser import Parser
from unmask.dllm.config import DllmConfig
from unmask.dllm.network import new_network as new_large_network
from unmask.errors import ConfigError
from unmask.evaluation.sampler_check import check_sampler
from unmask.files.reading import dumps
from unmask.network.config import HybridConfig
from unmask.network.new_hybrid import new_hybrid
from unmask.predictors.markov import MarkovChain
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.sampler import Sampler
from unmask.samplers.spec import read_sampler
from unmask.samplers.streamed import along_stream
from unmask.samplers.wino import Wino

_LENGTH = 8


def run(arguments: Sequence[str]) -> int:
    """Check; status 1 if a rule is broken."""
    options = build_parser().parse(arguments)
    if not 2 <= options.length <= _LENGTH:
        raise ConfigError(
            f"--length must be from 2 to {_LENGTH}, got {options.length}: longer sequences have "
            "too many paths to take them all. 4 is enough to find most faults."
        )
    sampler = read_sampler(options.sampler)
    name, predictor = _predictor(sampler)
    findings = check_sampler(sampler, predictor, length=options.length)
    if options.json:
        print(dumps({"sampler": options.sampler, "findings": [*map(asdict, findings)]}))
    else:
        print(f"{options.sampler}, on {name}:")
        for found in findings:
            verdict = "BROKEN" if found.problem else "kept"
            print(f"  {found.check:<9} {verdict:<7} {found.problem or found.said}")
    return 1 if any(found.problem for found in findings) else 0


def build_parser() -> Parser:
    """The options of `unmask check-sampler`."""
    parser = Parser(
        "check-sampler",
        "Run a sampler, yours or ours, on a predictor so small that every path can be taken: is "
        "its law one, is a sequence the same in any batch, are its passes and tokens told "
        "rightly? Exit status 1 if a rule is broken.",
    )
    parser.add_argument(
        "sampler",
        type=str,
        metavar="SPEC",
        help="The name of a sampler, or name(key=value, ...). Those of installed packages have "
        "the names of their entry points in the group unmask.samplers.",
    )
    parser.add_argument(
        "--length",
        type=int,
        default=4,
        help="Tokens of the sequence whose law is enumerated, 2 to 8 (default: 4).",
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    return parser


def _predictor(sampler: Sampler) -> tuple[str, Any]:
    """A small predictor that the sampler works with, and its name."""
    if isinstance(sampler, DraftVerify | Wino):
        return "a random network of LLaDA's kind with 3 tokens", _large()
    chain = MarkovChain.random(vocab_size=2, order=1, seed=0)
    try:
        along_stream(sampler, chain, _blank(chain))
    except ConfigError:
        causal = _causal()
        along_stream(sampler, causal, _blank(causal))
        return "a random causal network with 2 tokens", causal
    return "a Markov chain with 2 tokens", chain


def _blank(predictor: Any) -> Tensor:
    return torch.full((_LENGTH,), predictor.vocab_size)


def _causal() -> nn.Module:
    config = HybridConfig(
        vocab_size=2, length=_LENGTH, width=16, num_heads=2, num_trunk_blocks=1, mlp_ratio=2.0,
        reach="causal", max_window=_LENGTH, fills_in=True, first_target="stream",
    )  # fmt: skip
    return _uneven(new_hybrid(config))


def _large() -> nn.Module:
    config = DllmConfig(
        vocab_size=4, width=8, hidden=8, num_blocks=1, num_heads=1, num_key_heads=1,
        length=_LENGTH, mask_token_id=3, eos_token_id=2,
    )  # fmt: skip
    return _uneven(new_large_network(config))


def _uneven(network: nn.Module) -> nn.Module:
    """In float64, and weights that make no two tokens equally likely."""
    network = network.double().eval()
    for number, weights in enumerate(network.parameters()):
        place = torch.arange(weights.numel()) + number
        weights.data += 0.5 * torch.sin(place.double()).view_as(weights)
    return network
