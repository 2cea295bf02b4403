"""Exactly the ids that are named have no chance left."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.network.never_predicted import silence


@given(st.sets(st.integers(0, 19)))
def test_these_ids_and_no_others(token_ids: set[int]) -> None:
    logits = torch.zeros(2, 3, 20)
    silence(logits, tuple(token_ids))
    is_silent = (logits == -torch.inf).all(dim=0).all(dim=0)
    assert set(is_silent.nonzero().flatten().tolist()) == token_ids
    assert (logits[..., ~is_silent] == 0).all()
