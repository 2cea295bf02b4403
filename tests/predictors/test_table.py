import math

import pytest
import torch

from unmask.errors import ConfigError
from unmask.predictors.table import JointTable


def test_weights_need_not_be_normalised() -> None:
    weights = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    table = JointTable(weights.log())
    token_ids = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    expected = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    torch.testing.assert_close(table.log_prob(token_ids).exp(), expected)


def test_posterior_of_two_tokens_by_hand() -> None:
    table = JointTable(torch.tensor([[0.1, 0.2], [0.3, 0.4]], dtype=torch.float64).log())
    posterior = table.posterior(torch.tensor([[2, 2], [0, 2], [2, 1]])).exp()
    assert posterior[0].tolist() == [pytest.approx([0.3, 0.7]), pytest.approx([0.4, 0.6])]
    assert posterior[1].tolist() == [pytest.approx([1.0, 0.0]), pytest.approx([1 / 3, 2 / 3])]
    assert posterior[2].tolist() == [pytest.approx([1 / 3, 2 / 3]), pytest.approx([0.0, 1.0])]


def test_random_tables_follow_their_seed() -> None:
    table = JointTable.random(3, 4, seed=5)
    assert table.log_joint.shape == (3, 3, 3, 3)
    assert table.length == 4
    assert float(table.log_joint.exp().sum()) == pytest.approx(1.0)
    assert torch.equal(table.log_joint, JointTable.random(3, 4, seed=5).log_joint)
    assert not torch.equal(table.log_joint, JointTable.random(3, 4, seed=6).log_joint)


def test_random_tables_are_uniform_over_the_simplex() -> None:
    """With two tokens, P(x = 0) is then uniform on [0, 1]; Kolmogorov's bound at 1e-6."""
    num = 2000
    share = torch.tensor(
        [float(JointTable.random(2, 1, seed=s).log_joint[0].exp()) for s in range(num)]
    )
    distance = (share.sort().values - torch.arange(1, num + 1) / num).abs().max()
    assert distance < math.sqrt(math.log(2 / 1e-6) / (2 * num))


@pytest.mark.parametrize("shape", [(), (2, 3), (3, 3, 2)])
def test_a_table_of_uneven_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"one axis per position.*got shape .*pass shape \(3, 3"):
        JointTable(torch.zeros(shape))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_table_without_probabilities_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="needs log-probabilities"):
        JointTable(torch.full((2, 2), value))


def test_sequences_of_another_length_are_refused() -> None:
    with pytest.raises(ConfigError, match="sequences of 3 tokens, got one of 4"):
        JointTable.random(2, 3, seed=0).posterior(torch.zeros(1, 4, dtype=torch.int64))
