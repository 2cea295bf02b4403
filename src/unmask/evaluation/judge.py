"""How likely samples are under an independent autoregressive model, the judge.

    bits per token of x  =  -(1/L) sum_i log2 p(x_i | x_1 .. x_{i-1})

The judge is a hybrid network without trunk blocks, trained from left to right (the recipe
text8-judge). Its tail alone reads tokens, at each position those before it; so one draft of the
fully masked sequence and one verification of all columns in reading order give every term.

What the measure cannot see: whether samples are varied. A sampler that lowers entropy, by
temperature and top-p or by an error (noise in float32 does it), says what the judge expects most
and gets fewer bits than true text while it repeats itself. So read it beside the entropies
(`unmask.evaluation.ngrams`), and against the bits of held-out text of the same length: samples
are good that come near to those, not those that fall below. Nor does the judge see copying, or
any sense that takes more than its own length of text to tell.

The judge must be independent of what it judges: trained on text that no generator has seen, or
it rewards their mistakes. That, and in which order it was trained, its weights do not show.

Sources: Holtzman et al. (2020), arXiv:1904.09751, and Zheng et al. (2024), arXiv:2409.02908, for
what likelihood cannot see.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unmask.errors import ConfigError, DataError
from unmask.predictors.protocol import HybridPredictor
from unmask.process import orders
from unmask.shapes import TokenIds


def judge_bits(
    predictor: HybridPredictor,
    token_ids: TokenIds,
    *,
    is_given: Bool[Tensor, "B L"] | None = None,
    batch_size: int = 64,
) -> Float[Tensor, " B"]:
    """Bits per token of each sequence under the judge, exactly; nothing may be masked.

    What is given is read first, and is not counted; None: nothing is.

    Raises `ConfigError` if the predictor has trunk blocks. It would give a law from left to
    right as well, but not one that it was trained for, and often the law of what it is to judge.
    """
    check_is_judge(predictor)
    _check_is_complete(token_ids, predictor.vocab_size)
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
    if is_given is None:
        is_given = torch.zeros_like(token_ids, dtype=torch.bool)
    nats = torch.cat(
        [
            _nats(predictor, ids, given)
            for ids, given in zip(
                token_ids.split(batch_size), is_given.split(batch_size), strict=True
            )
        ]
    )
    return nats / math.log(2) / (~is_given).sum(dim=1)


def _nats(
    predictor: HybridPredictor, token_ids: TokenIds, is_given: Bool[Tensor, "B L"]
) -> Float[Tensor, " B"]:
    batch_size, length = token_ids.shape
    order = orders.given_first(
        orders.left_to_right(batch_size, length, token_ids.device), is_given
    )
    num_given = is_given.sum(dim=1)
    num_columns = length - int(num_given.min())
    columns = (num_given[:, None] + torch.arange(num_columns, device=order.device)).clamp(
        max=length - 1
    )
    log_probs_BKV = predictor.verify(
        predictor.draft(
            token_ids.masked_fill(~is_given, predictor.vocab_size),
            positions=order.gather(1, columns[:, :1]),
        ),
        filled_ids=token_ids,
        order=order,
        first=num_given,
        num_columns=num_columns,
    )
    wanted = token_ids.gather(1, order.gather(1, columns))
    nats = -log_probs_BKV.double().gather(-1, wanted[..., None]).squeeze(-1)
    is_there = torch.arange(num_columns, device=order.device) < length - num_given[:, None]
    return nats.masked_fill(~is_there, 0.0).sum(dim=1)


def check_is_judge(predictor: HybridPredictor) -> None:
    """Raise `ConfigError` if a predictor has trunk blocks: it generates, and cannot judge."""
    # Of predictors only networks have blocks. An exact one answers in any order alike.
    num_trunk_blocks = len(getattr(predictor, "trunk", ()))
    if num_trunk_blocks:
        raise ConfigError(
            f"a judge has no trunk blocks, this {type(predictor).__name__} has "
            f"{num_trunk_blocks}: it generates, and was not trained to judge from left to right. "
            "Train a judge with `unmask train text8-judge`, or score text under the model's own "
            "law with `unmask score`."
        )


def _check_is_complete(token_ids: TokenIds, vocab_size: int) -> None:
    is_wrong = (token_ids < 0) | (token_ids >= vocab_size)
    if is_wrong.any():
        row, position = is_wrong.nonzero()[0].tolist()
        raise DataError(
            f"a judge of {vocab_size} tokens takes ids 0..{vocab_size - 1}; sequence {row} holds "
            f"{int(token_ids[row, position])} at position {position}. Finish the samples first "
            f"({vocab_size} is MASK), and encode them with the judge's own vocabulary."
        )
