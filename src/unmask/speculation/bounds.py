"""From likelihoods given an order to bounds on the likelihood.

    log p(x)  =  log E_sigma p(x | sigma)
              >= E log (1/S) sum_s p(x | sigma_s)       tighter with each of the S orders
              >= E_sigma log p(x | sigma)               S = 1: the bound over orders (ELBO)

Source of the tighter bound: Burda et al. (2016), arXiv:1509.00519, equation 8.
"""

import math

from jaxtyping import Float
from torch import Tensor


def order_bound(log_likelihoods: Float[Tensor, "B S"]) -> Float[Tensor, " B"]:
    """The mean over orders: in expectation at most log p(x)."""
    return log_likelihoods.mean(dim=1)


def tightened_bound(log_likelihoods: Float[Tensor, "B S"]) -> Float[Tensor, " B"]:
    """The log of the mean over orders: in expectation between `order_bound` and log p(x)."""
    return log_likelihoods.logsumexp(dim=1) - math.log(log_likelihoods.shape[1])
