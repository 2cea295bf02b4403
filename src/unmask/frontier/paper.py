"""The experiment on text8 as the paper reports it: its settings, and the figures it gives.

A figure that is not here is not given there.

Source: Campbell et al. (2025), arXiv:2510.03929, section 5.
"""

ROUNDS = {0.002: 1, 0.005: 2, 0.01: 3, 0.02: 4, 0.04: 8, 0.083: 10}
"""Verify rounds N by the dtau of the cosine window they go with."""

NUM_WEIGHTS = 150e6
LENGTH = 256

WINDOWS = {0.01: 80, 0.083: 12}
"""Windows in a sequence of that length, by dtau."""
NFE = {0.01: 80.0, 0.083: 21.0}
"""Passes of a sample, by dtau."""
SPELLING_ACCURACY = {0.01: 0.91, 0.083: 0.87}
"""Share of the words that occur in the training text, by dtau."""
LEAST_RATIO = 2.0
"""Passes of masked diffusion over those of the method, at equal accuracy: more than this."""
