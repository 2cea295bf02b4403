"""What every sampler writes, and at what cost, is what it was when the file beside was written.

    python -m tests.test_golden        writes it anew, after a change that was meant

On exact predictors and on the shipped models, in float32 on a CPU.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import unmask
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from unmask.draws import SeededDraws
from unmask.samplers.registry import SAMPLERS
from unmask.samplers.sampler import sample

FILE = Path(__file__).parent / "golden" / "samples.json"
ON_STREAMS = ("lossless", "lossless-branching", "autoregressive")
NEEDS_MODEL = ("learned-policy", "draft-verify", "wino")
COSTS = ("trunk_passes", "tail_passes", "accepted", "rejected")


def of_exact(name: str) -> list[Any]:
    """Of three sequences of four tokens, one of them half given."""
    predictor = ArbitraryHybrid(2, 4, seed=4)
    given_ids = torch.full((3, 4), 2)
    given_ids[2, ::2] = torch.tensor([1, 0])
    drawn = sample(predictor, SAMPLERS[name](), given_ids, SeededDraws([7, 8, 9]))
    return [drawn.token_ids.tolist(), *(getattr(drawn, cost).tolist() for cost in COSTS)]


def of_model(name: str, model: str, **asked: Any) -> list[Any]:
    (drawn,) = unmask.load(model).generate(
        sampler=SAMPLERS[name](), num_samples=1, seed=3, **asked
    )
    cost = drawn.cost.to_json()
    costs = [cost[name] for name in (*COSTS, "query_tokens", "query_keys")]
    return [drawn.token_ids, *costs, round(drawn.nfe, 6)]


def cases() -> Iterator[tuple[str, Callable[[], list[Any]]]]:
    chat = {"chat": "Nora has 12 apples and gets 7 more. How many?", "max_new_tokens": 32}
    for name in SAMPLERS:
        if name in ON_STREAMS:
            yield f"text8s {name}", lambda name=name: of_model(name, "text8s", length=40)
            continue
        if name not in NEEDS_MODEL:
            yield f"exact {name}", lambda name=name: of_exact(name)
            if name != "self-draft":
                yield (
                    f"text8s-any {name}",
                    lambda name=name: of_model(name, "text8s-any", length=32),
                )
        if name != "learned-policy":
            yield f"arithmetic {name}", lambda name=name: of_model(name, "arithmetic", **chat)


CASES = dict(cases())


@pytest.mark.parametrize("name", CASES)
def test_samples_and_costs_are_as_they_were(name: str) -> None:
    assert CASES[name]() == json.loads(FILE.read_text(encoding="utf-8"))[name]


def test_every_sampler_has_golden_samples() -> None:
    golden = json.loads(FILE.read_text(encoding="utf-8"))
    assert golden.keys() == CASES.keys()
    assert {name.split()[1] for name in golden} == SAMPLERS.keys() - {"learned-policy"}


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(make())}" for name, make in CASES.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
