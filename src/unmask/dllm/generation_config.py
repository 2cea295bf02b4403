"""How a model is usually asked: generation_config.json, where its folder has one.

    {"max_new_tokens": 64, "block_length": 8, "sampler": "prefix-verify(temperature=0)"}

The first is transformers' name for it, as is `eos_token_id`; the second is how many tokens a
decoder that goes block by block takes at once; the third a sampler as a spec (samplers/spec.py).
What else such files say is for other samplers, and left alone.
"""

from dataclasses import dataclass, fields
from pathlib import Path

from unmask.errors import CheckpointError
from unmask.files.tensors import read_json

GENERATION_FILE = "generation_config.json"


@dataclass(frozen=True, kw_only=True)
class GenerationDefaults:
    """What is done where nothing else is asked for."""

    max_new_tokens: int = 128
    """Room for an answer."""
    block_length: int = 32
    """Positions of a block."""
    sampler: str = ""
    """What answers are drawn with, as a spec; "" is a threshold of 0.9 in blocks."""
    end_ids: tuple[int, ...] = ()
    """Tokens that end an answer, beside those of config.json: `eos_token_id`, one or several."""


GENERATION_DEFAULTS = GenerationDefaults()


def read_generation_defaults(folder: Path) -> GenerationDefaults:
    """What a folder says. Raises `CheckpointError` if it is no number of tokens, or no text."""
    file = folder / GENERATION_FILE
    found = read_json(file) if file.exists() else {}
    names = [each.name for each in fields(GenerationDefaults) if each.name != "end_ids"]
    given = {name: found[name] for name in names if found.get(name)}
    for name, value in given.items():
        if name == "sampler":
            if type(value) is not str:
                raise CheckpointError(
                    f"{file}: sampler must be a text such as 'threshold(threshold=0.9)', got "
                    f"{value!r:.60}. Correct it, or leave it out."
                )
            continue
        if type(value) is not int or value < 1:
            raise CheckpointError(
                f"{file}: {name} must be a number of tokens, got {value!r}. Correct it, or leave "
                "it out."
            )
    ends = found.get("eos_token_id")
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if not all(type(end) is int and end >= 0 for end in ends):
        raise CheckpointError(
            f"{file}: eos_token_id must be a token or a list of some, got {ends!r:.60}. Correct "
            "it, or leave it out."
        )
    return GenerationDefaults(**given, end_ids=tuple(ends))
