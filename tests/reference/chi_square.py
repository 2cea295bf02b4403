"""One meaning for every statistical test: a false alarm in a million re-seedings."""

import torch
from scipy.stats import chisquare
from torch import Tensor

SMALLEST_P_VALUE = 1e-6


def follows(values: Tensor, probs: Tensor) -> bool:
    """Whether `values`, drawn independently from 0..n-1, may be draws from `probs`."""
    counts = torch.bincount(values, minlength=len(probs)).double()
    is_possible = probs > 0
    if counts[~is_possible].any():
        return False
    expected = probs[is_possible].double() * len(values)
    assert expected.min() > 5, f"too few expected for a chi-square test: {expected.min()}"
    return bool(chisquare(counts[is_possible], expected).pvalue > SMALLEST_P_VALUE)
