"""What a sampler that reveals positions by a rule draws, by plain recursion over every choice.

The slow twin of such a sampler: lists and dictionaries, one sequence, one path at a time. It
asks the predictor for distributions and shares nothing else with the sampler. A rule says which
of the candidates are revealed, knowing

    probs     {position: its distribution} at the candidates, of this pass
    drawn     {position: a token drawn from it}
    history   the `probs` of the passes before, oldest first
"""

import itertools
import math
from collections import defaultdict

import torch


def whole(masked):
    """Candidates: all that is masked."""
    return masked


def left_to_right(block_length, origin=0):
    """Candidates: what is masked in the first block that has any."""

    def block(n):
        return (n - origin) // block_length

    return lambda masked: [n for n in masked if block(n) == block(masked[0])]


def best_only(probs):
    """The distribution at temperature 0."""
    return [float(v == probs.index(max(probs))) for v in range(len(probs))]


def outcomes_by_recursion(predictor, given, rule, *, candidates=whole, filtered=list):
    """{(tokens, trunk passes, tail passes, accepted): probability}, as by enumeration."""
    mask_id = predictor.vocab_size
    outcomes = defaultdict(float)

    def go_on(tokens, history, probability):
        masked = [n for n, token in enumerate(tokens) if token == mask_id]
        if not masked:
            outcomes[tokens, len(history), 0, given.count(mask_id)] += probability
            return
        places = candidates(masked)
        log_probs = predictor.draft(torch.tensor([tokens]), torch.tensor([places])).log_probs
        probs = dict(zip(places, log_probs[0].exp().tolist(), strict=True))
        for values in itertools.product(range(mask_id), repeat=len(places)):
            drawn = dict(zip(places, values, strict=True))
            chance = math.prod(filtered(probs[n])[drawn[n]] for n in places)
            if chance:
                revealed = {n: drawn[n] for n in rule(probs, drawn, history)}
                after = tuple(revealed.get(n, token) for n, token in enumerate(tokens))
                go_on(after, [*history, probs], probability * chance)

    go_on(tuple(given), [], 1.0)
    return dict(outcomes)


def surest(probs, drawn, num_tokens=1):
    """The positions of the highest confidence; the first of equals."""
    return sorted(drawn, key=lambda n: (-probs[n][drawn[n]], n))[:num_tokens]


def one_per_pass(probs, drawn, history):
    """The most confident token alone."""
    return surest(probs, drawn)


def product_of_marginals(table):
    """{tokens: probability} if every token of a joint table is drawn by itself."""
    joint = table.log_joint.exp()
    axes = range(joint.ndim)
    margins = [joint.sum(dim=[a for a in axes if a != axis]).tolist() for axis in axes]
    return {
        tokens: math.prod(margin[t] for margin, t in zip(margins, tokens, strict=True))
        for tokens in itertools.product(range(joint.shape[0]), repeat=joint.ndim)
    }
