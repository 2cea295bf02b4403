"""Toy data made on the spot, of which everything is known: a walk around a circle of V tokens.

The next token is one or two steps on, each with probability 0.45; else, with 0.1 in all, one of
the other V - 2, all alike:

    P(x_{l+1} = y | x_l = x)  =  0.45               if y - x = 1 or 2 (mod V)
                              =  0.1 / (V - 2)      otherwise.

The first token is uniform, and the matrix is doubly stochastic, so every token is uniform: a
model that predicts each on its own learns nothing (log V nats per token), and what there is to
learn is the dependence between neighbours (`toy_nats_per_token`).
"""

import math

import torch

from unmask.errors import ConfigError
from unmask.predictors.markov import MarkovChain

_STEP_PROB = 0.45
_ELSEWHERE_PROB = 1 - 2 * _STEP_PROB


def _check_vocab_size(vocab_size: int) -> None:
    if vocab_size < 3:
        raise ConfigError(
            f"the toy chain needs at least 3 tokens, got {vocab_size}: with fewer, one step on "
            "and two are not two choices among others. Ask for 3 or more."
        )


def toy_chain(vocab_size: int) -> MarkovChain:
    """The chain above, in float64."""
    _check_vocab_size(vocab_size)
    token = torch.arange(vocab_size)
    steps_on_VV = (token[None, :] - token[:, None]) % vocab_size
    is_near_VV = (steps_on_VV == 1) | (steps_on_VV == 2)
    probs_VV = torch.where(
        is_near_VV,
        torch.tensor(_STEP_PROB, dtype=torch.float64),
        torch.tensor(_ELSEWHERE_PROB / (vocab_size - 2), dtype=torch.float64),
    )
    log_initial = torch.full((vocab_size,), -math.log(vocab_size), dtype=torch.float64)
    return MarkovChain(log_initial=log_initial, log_transition=probs_VV.log())


def toy_nats_per_token(vocab_size: int) -> float:
    """The entropy of a token given the one before it: no model does better on average."""
    _check_vocab_size(vocab_size)
    return -2 * _STEP_PROB * math.log(_STEP_PROB) - _ELSEWHERE_PROB * math.log(
        _ELSEWHERE_PROB / (vocab_size - 2)
    )
