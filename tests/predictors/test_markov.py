import itertools
import math

import pytest
import torch
from scipy.stats import chisquare

from unmask.draws import SeededDraws
from unmask.errors import ConfigError, DataError, PromptError
from unmask.predictors.markov import MarkovChain
from unmask.predictors.table import JointTable


def table_of(chain: MarkovChain, length: int) -> JointTable:
    """The same distribution written down, from the definition of a chain."""
    vocab_size, k = chain.vocab_size, chain.order
    log_joint = torch.empty([vocab_size] * length, dtype=torch.float64)
    for x in itertools.product(range(vocab_size), repeat=length):
        factors = [chain.log_transition[x[t - k : t + 1]] for t in range(k, length)]
        log_joint[x] = chain.log_initial[x[:k]] + sum(factors)
    return JointTable(log_joint)


@pytest.mark.parametrize(("vocab_size", "order", "length"), [
    (2, 1, 5), (2, 2, 5), (3, 1, 4), (3, 2, 5), (2, 3, 6), (3, 2, 2), (2, 1, 1),
])  # fmt: skip
def test_chain_is_the_table_of_the_same_distribution(
    vocab_size: int, order: int, length: int
) -> None:
    chain = MarkovChain.random(vocab_size, order, seed=11)
    table = table_of(chain, length)
    token_ids = torch.tensor(list(itertools.product(range(vocab_size + 1), repeat=length)))
    exactly = {"atol": 1e-12, "rtol": 0.0}
    torch.testing.assert_close(chain.posterior(token_ids), table.posterior(token_ids), **exactly)
    torch.testing.assert_close(chain.log_prob(token_ids), table.log_prob(token_ids), **exactly)


def test_impossible_transitions_are_never_given_any_mass() -> None:
    """A walk on a ring of five that steps left or right: two apart, one way between."""
    right = torch.eye(5, dtype=torch.float64).roll(1, dims=1)
    chain = MarkovChain(torch.zeros(5, dtype=torch.float64), (right + right.T).log())
    posterior = chain.posterior(torch.tensor([[0, 5, 2, 5, 5]])).exp()[0]
    assert posterior[1].tolist() == pytest.approx([0, 1, 0, 0, 0])
    assert posterior[3].tolist() == pytest.approx([0, 0.5, 0, 0.5, 0])
    assert posterior[4].tolist() == pytest.approx([0.25, 0, 0.5, 0, 0.25])
    with pytest.raises(PromptError, match="sequence 0 have probability zero under this MarkovCh"):
        chain.posterior(torch.tensor([[0, 5, 1, 5]]))


def test_long_sequences_lose_no_precision() -> None:
    """Far beyond what products of probabilities could hold: log p is about -2,000."""
    length = 3000
    chain = MarkovChain.random(3, order=2, seed=2)
    token_ids = chain.sample(SeededDraws([1]), batch_size=1, length=length)
    x = token_ids[0].tolist()
    log_prob = float(chain.log_initial[x[0], x[1]]) + math.fsum(
        float(chain.log_transition[x[t - 2], x[t - 1], x[t]]) for t in range(2, length)
    )
    assert log_prob < -1000
    assert float(chain.log_prob(token_ids)) == pytest.approx(log_prob, rel=1e-12)

    half = token_ids.clone()
    half[:, ::2] = 3
    posterior = chain.posterior(half)[0]
    torch.testing.assert_close(
        posterior.logsumexp(dim=-1), torch.zeros(length, dtype=torch.float64), atol=1e-9, rtol=0
    )
    # Two known tokens on each side shut out all the others.
    half[:, [1000, 1004]] = token_ids[:, [1000, 1004]]
    conditional = [
        chain.log_transition[tuple(x[1000:1002])][v]
        + chain.log_transition[x[1001], v, x[1003]]
        + chain.log_transition[v, x[1003], x[1004]]
        for v in range(3)
    ]
    expected = torch.stack(conditional).log_softmax(dim=0)
    torch.testing.assert_close(chain.posterior(half)[0, 1002], expected, atol=1e-9, rtol=0)


def test_samples_follow_the_chain() -> None:
    """All 27 sequences of length 3; one false alarm in a million re-seedings."""
    chain = MarkovChain.random(3, order=2, seed=4)
    token_ids = chain.sample(SeededDraws(range(50_000)), batch_size=50_000, length=3)
    codes = (token_ids * torch.tensor([9, 3, 1])).sum(dim=1)
    counts = torch.bincount(codes, minlength=27).double()
    expected = table_of(chain, 3).log_joint.exp().flatten() * 50_000
    assert chisquare(counts, expected).pvalue > 1e-6
    wrong = table_of(MarkovChain.random(3, order=2, seed=5), 3).log_joint.exp().flatten()
    assert chisquare(counts, wrong * 50_000).pvalue < 1e-6


def test_a_sample_depends_on_its_own_stream_only() -> None:
    chain = MarkovChain.random(4, order=1, seed=4)
    together = chain.sample(SeededDraws([5, 6, 7]), batch_size=3, length=20)
    alone = chain.sample(SeededDraws([6]), batch_size=1, length=20)
    assert torch.equal(alone[0], together[1])


def test_fit_counts() -> None:
    token_ids = torch.tensor([[0, 1, 1, 0], [0, 0, 1, 0]])
    chain = MarkovChain.fit(token_ids, order=1, vocab_size=2, smoothing=0.5)
    starts = torch.tensor([2.5, 0.5], dtype=torch.float64)
    nexts = torch.tensor([[1.5, 2.5], [2.5, 1.5]], dtype=torch.float64)
    torch.testing.assert_close(chain.log_initial.exp(), starts / 3)
    torch.testing.assert_close(chain.log_transition.exp(), nexts / 4)


@pytest.mark.parametrize("order", [1, 2])
def test_fit_finds_the_chain_that_was_sampled(order: int) -> None:
    chain = MarkovChain.random(3, order, seed=8)
    token_ids = chain.sample(SeededDraws(range(20_000)), batch_size=20_000, length=8)
    fitted = MarkovChain.fit(token_ids, order, vocab_size=3, smoothing=0.1)
    torch.testing.assert_close(
        fitted.log_initial.exp(), chain.log_initial.exp(), atol=0.02, rtol=0
    )
    torch.testing.assert_close(
        fitted.log_transition.exp(), chain.log_transition.exp(), atol=0.05, rtol=0
    )
    assert fitted.log_prob(token_ids).sum() > chain.log_prob(token_ids).sum()


def test_random_chains_follow_their_seed() -> None:
    chain, same = MarkovChain.random(3, 2, seed=5), MarkovChain.random(3, 2, seed=5)
    assert (chain.order, chain.vocab_size) == (2, 3)
    assert torch.equal(chain.log_transition, same.log_transition)
    assert not torch.equal(chain.log_initial, MarkovChain.random(3, 2, seed=6).log_initial)


@pytest.mark.parametrize(
    ("initial", "transition"), [((), (2,)), ((2,), (2,)), ((2,), (2, 3)), ((2, 3), (2, 3, 2))]
)
def test_shapes_that_do_not_fit_are_refused(
    initial: tuple[int, ...], transition: tuple[int, ...]
) -> None:
    with pytest.raises(ConfigError, match=r"got shapes .*For order 2 over 3 tokens pass"):
        MarkovChain(torch.zeros(initial), torch.zeros(transition))


def test_a_state_without_a_next_token_is_refused() -> None:
    log_transition = torch.tensor([[0.0, 0.0], [-torch.inf, -torch.inf]])
    with pytest.raises(ConfigError, match=r"MarkovChain\.log_transition .*cannot be normalised"):
        MarkovChain(torch.zeros(2), log_transition)
    with pytest.raises(ConfigError, match=r"MarkovChain\.log_initial .*cannot be normalised"):
        MarkovChain(torch.tensor([torch.nan, 0.0]), torch.zeros(2, 2))


def test_sequences_shorter_than_the_memory_are_refused() -> None:
    chain = MarkovChain.random(2, order=3, seed=0)
    with pytest.raises(ConfigError, match="order 3 needs sequences of at least 3 tokens, got 2"):
        chain.posterior(torch.tensor([[0, 2]]))
    with pytest.raises(ConfigError, match="at least 3 tokens, got 2"):
        chain.sample(SeededDraws([0]), batch_size=1, length=2)


def test_what_cannot_be_fitted_is_explained() -> None:
    token_ids = torch.tensor([[0, 1, 0], [1, 1, 2]])
    with pytest.raises(DataError, match="0 to 1; row 1, column 2 holds 2.*without MASK"):
        MarkovChain.fit(token_ids, order=1, vocab_size=2, smoothing=0.1)
    with pytest.raises(ConfigError, match="smoothing must be above 0, got 0"):
        MarkovChain.fit(token_ids, order=1, vocab_size=3, smoothing=0)
    with pytest.raises(ConfigError, match="rows of 3 tokens show no transition of order 3"):
        MarkovChain.fit(token_ids, order=3, vocab_size=3, smoothing=0.1)
    with pytest.raises(ConfigError, match="order must be at least 1, got 0"):
        MarkovChain.fit(token_ids, order=0, vocab_size=3, smoothing=0.1)
