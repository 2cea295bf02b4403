"""What decoding with a large model will take, from its config.json alone.

A pass over q tokens that attend to n, of a network with W_b weights in its blocks, N blocks of
width d and V entries of the vocabulary, with predictions asked for at a positions, takes

    q W_b  +  2 N d q n  +  a V d        multiply-adds

and an answer of R tokens behind a prompt of P, in blocks of B, with t tokens revealed per pass:

    none      R / t passes, q = n = P + R
    prefix    the first pass of each block whole; then q = what stands from its start on
    dual      the first pass of each block whole; then q = B

t is what a rule achieves, which only the model and the text can tell: 1 is one token per pass,
Fast-dLLM reports 2 to 4 for LLaDA on GSM8K. Memory is weights, plus keys and values of every
token of every sequence where a cache keeps them, plus the predictions of one pass.
"""

from dataclasses import dataclass

import torch

from unmask.dllm.config import DllmConfig
from unmask.dllm.network import DllmNetwork
from unmask.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DecodeSetting:
    """What is to be decoded."""

    prompt: int = 512
    """Tokens of the prompt."""
    answer: int = 256
    """Tokens of room for the answer."""
    block_length: int = 32
    tokens_per_pass: float = 3.0
    batch_size: int = 1

    def __post_init__(self) -> None:
        for name in ("answer", "block_length", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.prompt < 0:
            raise ConfigError(f"prompt must be at least 0 tokens, got {self.prompt}.")
        if not 1 <= self.tokens_per_pass <= self.block_length:
            raise ConfigError(
                "tokens_per_pass must lie between 1 and the length of a block, "
                f"{self.block_length}, got {self.tokens_per_pass}."
            )
        if self.answer % self.block_length:
            raise ConfigError(
                f"the answer's {self.answer} tokens cannot be cut into blocks of "
                f"{self.block_length}. Choose a multiple, or another --block-length."
            )


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one answer, by one way of decoding."""

    name: str
    passes: float
    query_tokens: float
    query_keys: float
    multiply_adds: float
    cache_bytes: float
    """Of the whole batch."""


def weight_bytes(config: DllmConfig, dtype: torch.dtype) -> int:
    """Of all weights. They are counted on a network without memory, and checked."""
    with torch.device("meta"):
        counted = sum(parameter.numel() for parameter in DllmNetwork(config).parameters())
    assert counted == config.num_weights
    return counted * dtype.itemsize


def prediction_bytes(config: DllmConfig, setting: DecodeSetting) -> int:
    """Of the float32 predictions at a block of each sequence."""
    return 4 * setting.batch_size * setting.block_length * config.vocab_size


def costs(config: DllmConfig, setting: DecodeSetting, dtype: torch.dtype) -> list[Cost]:
    """Of each way of decoding, dearest first."""
    length, num_blocks = setting.prompt + setting.answer, setting.answer // setting.block_length
    if length > config.length:
        raise ConfigError(
            f"prompt and answer have {length} tokens together, the model takes {config.length}."
        )
    per_block = setting.block_length / setting.tokens_per_pass
    starts = [setting.prompt + n * setting.block_length for n in range(num_blocks)]
    rest = {
        "none": [float(length)] * num_blocks,
        "prefix": [float(length - start) for start in starts],
        "dual": [float(setting.block_length)] * num_blocks,
    }
    one_by_one = _cost(config, setting, "one token per pass", float(setting.answer), [])
    made = [one_by_one]
    for name, queries in rest.items():
        label = f"{setting.tokens_per_pass:g} tokens per pass, cache {name}"
        made.append(_cost(config, setting, label, per_block, queries, dtype=dtype))
    return made


def _cost(
    config: DllmConfig,
    setting: DecodeSetting,
    name: str,
    passes: float,
    queries: list[float],
    dtype: torch.dtype = torch.float32,
) -> Cost:
    """`passes` per block, of which the first is whole and the others run `queries` tokens."""
    length = setting.prompt + setting.answer
    num_whole = float(len(queries)) if queries else passes
    query_tokens = num_whole * length + sum((passes - 1) * q for q in queries)
    num_passes = passes * len(queries) if queries else passes
    in_blocks = config.num_weights - config.width
    in_blocks -= (1 if config.tied else 2) * config.vocab_size * config.width
    multiply_adds = (
        query_tokens * in_blocks
        + 2 * config.num_blocks * config.width * query_tokens * length
        + num_passes * setting.block_length * config.vocab_size * config.width
    )
    keeps = bool(queries) and queries[0] < length
    with torch.device("meta"):
        per_token = DllmNetwork(config).to(dtype).kv_cache_shape.bytes_per_token
    return Cost(
        name=name,
        passes=num_passes,
        query_tokens=query_tokens,
        query_keys=query_tokens * length,
        multiply_adds=multiply_adds,
        cache_bytes=float(setting.batch_size * length * per_token) if keeps else 0.0,
    )
