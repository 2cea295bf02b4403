import math
from dataclasses import replace

import pytest

from unmask.errors import ConfigError
from unmask.training.config import TrainerConfig


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("num_steps", 0, "must be at least 1, got 0"),
        ("batch_size", 0, "must be at least 1"),
        ("log_every", 0, "must be at least 1"),
        ("validate_every", -5, "must be at least 1"),
        ("checkpoint_every", 0, "must be at least 1"),
        ("num_valid", 1, "must be at least 2, got 1: a standard error"),
        ("minutes", 0.0, "must be positive, got 0.0"),
        ("minutes", math.nan, "must be positive, got nan"),
        ("ema_decay", 1.0, r"must lie in \[0, 1\)"),
        ("seed", 2**63, "must fit into 64 bits"),
    ],
)
def test_a_choice_that_cannot_work_is_refused(field: str, value, why: str) -> None:
    with pytest.raises(ConfigError, match=f"TrainerConfig.{field} {why}"):
        replace(TrainerConfig(), **{field: value})


def test_extreme_choices_that_do_work_are_allowed() -> None:
    TrainerConfig(num_steps=1, minutes=1e-9, ema_decay=0.0, seed=-(2**63))


@pytest.mark.parametrize(
    ("field", "word", "why"),
    [
        ("precision", "fp16", "must be 'float32' or 'bf16', got 'fp16'"),
        ("orders", "sorted", "must be 'random', 'left-to-right' or 'auto', got 'sorted'"),
    ],
)
def test_a_word_that_is_no_choice_is_refused(field: str, word: str, why: str) -> None:
    """Set behind the back of the type checker, which in tests would speak first."""
    config = TrainerConfig()
    object.__setattr__(config, field, word)
    with pytest.raises(ConfigError, match=why):
        config.__post_init__()
