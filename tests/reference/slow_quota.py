"""The slow twin of samplers with a quota: every step written out, one sequence at a time.

A law is a dictionary {(tokens, passes): probability}; a step a rule that lists what one pass may
reveal, [(probability, {position: token})], from what was predicted, {position: [p(token), ...]}.
"""

import itertools
import math
from collections import defaultdict

import torch


def predicted(predictor, tokens):
    """{masked position: [p(0), p(1), ...]}"""
    everywhere = torch.arange(len(tokens))[None]
    probs = predictor.draft(torch.tensor([tokens]), everywhere).log_probs.exp()[0].tolist()
    return {i: probs[i] for i, token in enumerate(tokens) if token == predictor.vocab_size}


def law(predictor, given, step):
    """`step(probs, num_passes)` says what the next pass may reveal."""

    def onward(tokens, num_passes):
        probs = predicted(predictor, tokens)
        if not probs:
            return {(tokens, num_passes): 1.0}
        total = defaultdict(float)
        for weight, revealed in step(probs, num_passes):
            after = tuple(revealed.get(i, token) for i, token in enumerate(tokens))
            for outcome, prob in onward(after, num_passes + 1).items():
                total[outcome] += weight * prob
        return total

    return dict(onward(tuple(given), 0))


def sharpened(probs, temperature):
    """p^(1/temperature), normalised; the most probable token alone at temperature 0."""
    if temperature == 0:
        return [float(token == probs.index(max(probs))) for token in range(len(probs))]
    weights = [prob ** (1 / temperature) for prob in probs]
    return [weight / sum(weights) for weight in weights]


def every_draw(probs, positions, temperature=1.0):
    """[(probability, {position: token})] for tokens drawn at the given positions."""
    sharp = {i: sharpened(probs[i], temperature) for i in positions}
    for tokens in itertools.product(*(range(len(sharp[i])) for i in positions)):
        drawn = dict(zip(positions, tokens, strict=True))
        yield math.prod(sharp[i][token] for i, token in drawn.items()), drawn


def every_choice(score, num_chosen, temperature):
    """[(probability, positions)]: the highest scores, or draws in turn, in every order."""
    if temperature == 0:
        yield 1.0, sorted(score, key=lambda i: -score[i])[:num_chosen]
        return
    for positions in itertools.permutations(score, num_chosen):
        left, weight = dict(score), 1.0
        for i in positions:
            weight *= 1 / sum(math.exp((s - left[i]) / temperature) for s in left.values())
            del left[i]
        yield weight, positions


def quota(num_masked, num_wanted, share_left):
    """How many to reveal so that this share of the wanted ones stays masked."""
    return max(1, num_masked - math.floor(num_wanted * share_left))


def cosine(share_done):
    """Twelve digits, so that cos(pi/3) is a half."""
    return round(math.cos(math.pi / 2 * share_done), 12)


def linear(share_done):
    return 1 - share_done
