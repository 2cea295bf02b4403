"""What the model `unmask` may be told by --model_args of lm-evaluation-harness."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

import torch

from unmask.errors import ConfigError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class ModelArguments:
    """Names are those of the harness where it has one."""

    pretrained: str
    """Folder or hub id of a LLaDA or Dream."""
    decoder: str = "threshold"
    """How answers are decoded, by a name of questions/decoders.py."""
    block_length: int = 0
    """Tokens of a block of the decoder. 0: as is usual for the model."""
    max_gen_toks: int = 256
    """Room for an answer where the task does not say."""
    num_samples: int = 128
    """Masked copies of a continuation of more than one token, over which its bound is a mean."""
    dtype: str = "float32"
    """Of weights and products: float32 or bfloat16."""
    device: str = "cpu"
    """cpu, cuda, cuda:1 ..."""
    batch_size: int = 16
    """Sequences in a pass. The harness says 1 unless told otherwise by --batch_size."""
    add_bos_token: bool = False
    """Whether every prompt begins with the token that begins a text: Dream-Base wants it."""
    seed: int = 0
    """Of the masked copies."""

    def __post_init__(self) -> None:
        for name in ("max_gen_toks", "num_samples", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.dtype not in _DTYPES:
            raise ConfigError(f"dtype must be one of {tuple(_DTYPES)}, got {self.dtype!r}.")
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"the device {self.device!r} cannot be used here ({str(error).splitlines()[0]}). "
                "Use --device cpu."
            ) from error

    @property
    def torch_dtype(self) -> torch.dtype:
        """`dtype` as torch knows it."""
        return _DTYPES[self.dtype]


def model_arguments(given: Mapping[str, Any]) -> ModelArguments:
    """The arguments of one run, checked.

    Raises:
        ConfigError: one is unknown, missing, of another type, or out of its range.
    """
    known = {each.name: each for each in fields(ModelArguments)}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigError(
            f"there is no model argument {unknown[0]!r}; there are: {', '.join(known)}."
        )
    missing = [n for n, each in known.items() if each.default is MISSING and n not in given]
    if missing:
        raise ConfigError(f"name the model: --model_args {missing[0]}=FOLDER.")
    values = {}
    for name, value in given.items():
        kind = known[name].type
        if kind is int and isinstance(value, str) and value.isdecimal():
            value = int(value)  # --batch_size comes as text
        if type(value) is not kind:
            raise ConfigError(
                f"the model argument {name} must be of type {getattr(kind, '__name__', kind)}, "
                f"got {value!r}."
            )
        values[name] = value
    return ModelArguments(**values)
