"""Calls that are wrong, and what each is answered with; `python -m tests.bad_python` makes them.

In a process of its own: in the tests every annotation is checked, which users do not have.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import unmask
from tests.large_model_folder import write_large_model

OF_TEXT = {
    "a sampler where a prompt belongs": (
        lambda model: model.generate(unmask.SelfSpeculative()),
        "PromptError", "first argument is a prompt.*sampler=",
    ),
    "a number for a prompt": (
        lambda model: model.generate(7), "PromptError", "a prompt is a text, or a list.*got int",
    ),
    "a number among the prompts": (
        lambda model: model.generate(["a", 7]), "PromptError", "a prompt is a text.*got int: 7",
    ),
    "letters that it does not know": (
        lambda model: model.generate("Über"), "PromptError", "Ü",
    ),
    "an unknown sampler": (
        lambda model: model.generate(sampler="speculative"),
        "ConfigError", "no sampler 'speculative'.*Did you mean 'self-speculative'",
    ),
    "an unknown choice of a sampler": (
        lambda model: model.generate(sampler="ancestral(num_step=4)"),
        "ConfigError", "has no 'num_step'.*'num_steps'",
    ),
    "a number for a sampler": (
        lambda model: model.generate(sampler=3), "ConfigError", "a sampler is asked for by name",
    ),
    "a class for a sampler": (
        lambda model: model.generate(sampler=unmask.Ancestral),
        "ConfigError", "a sampler is asked for by name",
    ),
    "a number for a window": (
        lambda model: unmask.SelfSpeculative(window=0.04),
        "ConfigError", r"a window is one of cosine.*got 0.04",
    ),
    "a class for a window": (
        lambda model: unmask.TargetOnly(window=unmask.Whole), "ConfigError", "a window is one of",
    ),
    "shadows of a model that casts none": (
        lambda model: model.generate(sampler="wino"), "ConfigError", "tokens that are there",
    ),
    "a law of left to right of a model of any order": (
        lambda model: model.generate(sampler="lossless"), "ConfigError", "left to right|causal",
    ),
    "a likelihood that nobody can compute": (
        lambda model: model.log_likelihood(model.encode("the cat"), unmask.Ancestral()),
        "ConfigError", "likelihood of Ancestral cannot be computed",
    ),
    "the score of texts of which one is empty": (
        lambda model: model.score(["the cat", ""]), "PromptError", "1 to 256 characters.*of 0",
    ),
    "a length that is a word": (
        lambda model: model.generate(length="long"), "PromptError", "a length is a whole number",
    ),
    "a range of lengths that is turned round": (
        lambda model: model.generate(length="9-3"), "PromptError", "such as 80-200",
    ),
    "no samples": (
        lambda model: model.generate(num_samples=0), "ConfigError", "num_samples must be a whole",
    ),
    "half a sample": (
        lambda model: model.generate(num_samples=0.5), "ConfigError", "num_samples must be a wh",
    ),
    "a seed of a hundred bits": (
        lambda model: model.generate(seed=2**100), "ConfigError", "seed must be a whole number",
    ),
    "a seed that runs out of bits": (
        lambda model: model.generate(seed=2**63 - 1, num_samples=2), "ConfigError", "seed must be",
    ),
    "a seed that is none": (
        lambda model: model.generate(seed="7"), "ConfigError", "seed must be a whole number.*'7'",
    ),
    "a chat with a model of characters": (
        lambda model: model.generate(chat="hello"), "PromptError", "not a model for chats",
    ),
    "too long a text": (
        lambda model: model.generate(length=9999), "PromptError", "length must be 1 to",
    ),
    "a template without a blank": (
        lambda model: model.infill("the cat"), "PromptError", "_",
    ),
    "several templates": (
        lambda model: model.infill(["the ____", "a ____"]), "PromptError", "takes one template",
    ),
    "a question to a model of characters": (
        lambda model: model.chat("What is 6 times 7?"), "PromptError", "answers no questions",
    ),
    "ids that are no letters": (
        lambda model: model.decode(torch.tensor([99])), "PromptError", "token ids must lie in",
    ),
}  # fmt: skip
OF_CHATS = {
    "a sampler that needs a tail": (
        lambda model: model.chat("12?", sampler="self-speculative"),
        "ConfigError", "verifies by causal blocks.*train adapt",
    ),
    "the same, as an object in a wrapper": (
        lambda model: model.chat("12?", sampler=model.stop_at_end(unmask.SelfSpeculative())),
        "ConfigError", "verifies by causal blocks",
    ),
    "a sampler that cannot stop": (
        lambda model: model.stop_at_end(unmask.ReMDM()),
        "ConfigError", "cannot stop where an answer",
    ),
    "the same by name": (
        lambda model: model.chat("12?", sampler="star-shaped"), "ConfigError", "cannot stop where",
    ),
    "nothing": (lambda model: model.chat(""), "PromptError", "a question is a text"),
    "a number": (lambda model: model.chat([3]), "PromptError", "a question is a text.*got 3"),
    "a message without content": (
        lambda model: model.chat([{"role": "user"}]), "PromptError", '"role".*"content"',
    ),
    "a prompt and a chat": (
        lambda model: model.generate("12", chat="12?"), "PromptError", "a prompt or a chat",
    ),
    "a template": (lambda model: model.infill("12 _"), "PromptError", "a template"),
    "more room than there is": (
        lambda model: model.chat("12?", max_new_tokens=9999), "PromptError", "there is room for",
    ),
}  # fmt: skip
OF_LOADING = {
    "a model that is not there": ({"name": "nonesuch"}, "CheckpointError", "no model 'nonesuch'"),
    "a number for a model": ({"name": 3}, "ConfigError", "named by a text or a path"),
    "an unknown type": ({"dtype": "bf17"}, "ConfigError", "dtype 'bf17'.*bfloat16"),
    "a type that holds no fractions": ({"dtype": torch.int64}, "ConfigError", "Choose one of"),
    "an unknown device": ({"device": "toaster"}, "ConfigError", "no device 'toaster'.*cpu"),
    "a device without numbers": ({"device": "meta"}, "ConfigError", "holds no numbers"),
}


def answered(call: Callable[..., Any], *given: Any, **named: Any) -> list[Any]:
    """The class of the error, whether it is one of ours, and what it says."""
    try:
        found = call(*given, **named)
    except Exception as error:
        return [type(error).__name__, isinstance(error, unmask.UnmaskError), str(error)]
    return ["", False, repr(found)]


def main() -> None:
    """Print what each call is answered with, by its name, as JSON."""
    found = {}
    text = unmask.load("text8s-any")
    for name, (call, *_) in OF_TEXT.items():
        found[name] = answered(call, text)
    with tempfile.TemporaryDirectory() as folder:
        chat = unmask.load(write_large_model(Path(folder) / "model"))
        for name, (call, *_) in OF_CHATS.items():
            found[name] = answered(call, chat)
    for name, (asked, *_) in OF_LOADING.items():
        found[name] = answered(unmask.load, **asked)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
