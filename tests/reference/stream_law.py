"""The law of a stream, one token after the other, from whole passes that remember nothing."""

import itertools

import torch

from unmask.process import orders


def law_of_stream(predictor, given, filter=lambda log_probs: log_probs):
    """{tokens: probability} of all sequences that agree with what is given."""
    mask_id = predictor.vocab_size
    choices = [[t] if t != mask_id else range(mask_id) for t in given]
    token_ids = torch.tensor(list(itertools.product(*choices)))
    is_given = torch.tensor([given]) != mask_id
    order = orders.given_first(orders.left_to_right(1, len(given)), is_given)
    order = order.expand(len(token_ids), -1)
    total = torch.zeros(len(token_ids), dtype=torch.float64)
    for slot in range(int(is_given.sum()), len(given)):
        first = torch.full_like(token_ids[:, 0], slot)
        found = predictor.extend(token_ids, order, first=first, window=0 * first, num_columns=0)
        law = filter(found.law_log_probs[:, -1:])[:, 0]
        wanted = token_ids.gather(1, order[:, slot : slot + 1])
        total += law.gather(1, wanted)[:, 0]
    return dict(zip(map(tuple, token_ids.tolist()), total.exp().tolist(), strict=True))
