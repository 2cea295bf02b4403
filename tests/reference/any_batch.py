"""What a sequence becomes and costs, drawn in batches of other sizes."""

import torch

from unmask.draws import SeededDraws
from unmask.predictors.markov import MarkovChain
from unmask.samplers.sampler import sample

CHAIN = MarkovChain.random(vocab_size=4, order=1, seed=0)
MASK, LENGTH, NUM_SEQUENCES = 4, 10, 21


def check_same_in_any_batch(sampler):
    """21 sequences with prompts of many lengths, together, by sevens and one by one."""
    given_ids = torch.full((NUM_SEQUENCES, LENGTH), MASK)
    for b in range(NUM_SEQUENCES):
        given_ids[b, : b % 4] = b % 3
        given_ids[b, LENGTH - b % 5 :] = b % 2
    together, by_sevens, alone = (
        _drawn(sampler, given_ids, batch_size) for batch_size in (NUM_SEQUENCES, 7, 1)
    )
    assert torch.equal(together, by_sevens)
    assert torch.equal(together, alone)
    is_given = given_ids != MASK
    assert torch.equal(together[:, :LENGTH][is_given], given_ids[is_given])
    assert (together[:, :LENGTH] < MASK).all()
    assert len(together[:, :LENGTH].unique(dim=0)) > NUM_SEQUENCES / 2


def _drawn(sampler, given_ids, batch_size):
    """Tokens and passes, side by side."""
    parts = [
        sample(CHAIN, sampler, given_ids[rows], SeededDraws(rows.tolist()))
        for rows in torch.arange(NUM_SEQUENCES).split(batch_size)
    ]
    rows = [torch.cat([part.token_ids, part.trunk_passes[:, None]], dim=1) for part in parts]
    return torch.cat(rows)
