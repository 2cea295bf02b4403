"""Calls from Python that nobody means, by number: each ends well, or in an `UnmaskError`.

    python -m tests.fuzz_python FIRST LAST      prints a line of JSON for each call that is wrong

A call has the keywords that its function has, and values of all kinds. In a process of its own:
in the tests every annotation is checked, which users do not have.
"""

import inspect
import json
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

import unmask
from tests.fuzz import MOST_SECONDS, WORDS

_NUMBERS = [0, 1, 2, -1, 3, 2**31, 2**63, -(2**70), 0.5, float("nan"), float("inf"), True, 1e300]
_OTHERS: list[Any] = [
    None, b"the ", [], {}, (), ["the "], [""], [None], {"role": "user"}, [{"role": "user"}],
    [{"role": "user", "content": "2+2?"}], [{"role": 3, "content": None}], object(), int, print,
    Path("nowhere"), torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int64), torch.tensor(3),
    torch.full((1, 4), 99), torch.zeros(0, dtype=torch.int64), unmask.SelfSpeculative(),
    unmask.Ancestral, unmask.Filter(),
]  # fmt: skip
_TEXTS = ["", "the ", "the ____ of", "____", "Über", "2+2?", "lossless", "ancestral(num_steps=2)"]
_SMALL = {"num_samples": 1, "length": 12, "max_new_tokens": 8, "num_orders": 1, "num_samples_": 1}
"""What would take long if it were let; most calls have it."""


def value(dice: random.Random) -> Any:
    """Anything."""
    return dice.choice(dice.choice([_NUMBERS, _OTHERS, _TEXTS, WORDS]))


def targets(models: list[Any]) -> dict[str, Callable[..., Any]]:
    """What is called, by name."""
    found: dict[str, Callable[..., Any]] = {}
    for model in models:
        for name in (
            "generate", "infill", "score", "stream", "trace", "given_ids", "chat", "encode",
            "decode", "sampler", "log_likelihood", "with_tail", "policy", "error_head",
        ):  # fmt: skip
            if hasattr(model, name):
                found[f"{model.name}.{name}"] = getattr(model, name)
    for name in ("load", "read_sampler", "Prompt", "Filter", "read_prompts", "preset"):
        found[name] = getattr(unmask, name)
    for name, sampler in unmask.samplers.registry.SAMPLERS.items():  # type: ignore[attr-defined]
        found[f"sampler {name}"] = sampler
    return found


def call(number: int, functions: dict[str, Callable[..., Any]]) -> dict[str, Any] | None:
    """What is wrong with a call; None if nothing is."""
    dice = random.Random(number)
    name = dice.choice(sorted(functions))
    parameters = [
        each for each in inspect.signature(functions[name]).parameters.values()
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]  # fmt: skip
    given = {each.name: small for each in parameters if (small := _SMALL.get(each.name))}
    for each in parameters:
        needs = each.default is each.empty
        if needs or dice.random() < 0.25:
            given[each.name] = value(dice)
    before = time.process_time()
    try:
        result = functions[name](**given)
        if isinstance(result, Iterator):
            list(result)
    except unmask.UnmaskError:
        pass
    except Exception:
        return {"call": number, "name": name, "given": repr(given)[:300],
                "said": traceback.format_exc()[-500:]}  # fmt: skip
    if time.process_time() - before > MOST_SECONDS:
        return {"call": number, "name": name, "given": repr(given)[:300], "said": "took too long"}
    return None


def main(first: int, last: int) -> int:
    import unmask.samplers.registry  # noqa: F401

    torch.set_num_threads(1)
    functions = targets([unmask.load(name) for name in ("text8s", "text8s-any", "arithmetic")])
    num_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        import os

        os.chdir(folder)
        for number in range(first, last):
            if found := call(number, functions):
                num_wrong += 1
                print(json.dumps(found), flush=True)
    print(json.dumps({"calls": last - first, "wrong": num_wrong}))
    return int(num_wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
