import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from unmask import draws as module
from unmask.draws import Draws, SeededDraws, seed_dropout, stream_seed

ALARM = 1e-6
"""Chance that a test of frequencies fails although the law is right, were its seeds redrawn."""
lawfully = settings(deadline=None, derandomize=True, max_examples=50)
Counts = torch.Tensor


def everywhere(*shape: int) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.bool)


def p_value(counts: torch.Tensor, probs: torch.Tensor) -> float:
    assert counts[probs == 0].sum() == 0
    counts, probs = counts[probs > 0].double(), probs[probs > 0].double()
    return float(chisquare(counts, probs / probs.sum() * counts.sum()).pvalue)


def test_bits_are_splitmix64() -> None:
    """The published sequence of the generator seeded with 1234567."""
    draws = SeededDraws([0])
    draws._keys = torch.tensor([1234567])
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    numbers = draws.uniform(everywhere(1, 3))[0]
    assert [int(u * 2**53) for u in numbers.tolist()] == [bits >> 11 for bits in published]


@lawfully
@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=6, unique=True), st.data())
def test_a_stream_is_the_same_in_any_batch(seeds: list[int], data: st.DataObject) -> None:
    together = SeededDraws(seeds).uniform(everywhere(len(seeds), 4))
    shuffled = data.draw(st.permutations(range(len(seeds))))
    reordered = SeededDraws([seeds[b] for b in shuffled]).uniform(everywhere(len(seeds), 4))
    assert torch.equal(reordered, together[shuffled])
    for b, seed in enumerate(seeds):
        assert torch.equal(SeededDraws([seed]).uniform(everywhere(1, 4))[0], together[b])


@lawfully
@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5))
def test_padding_uses_up_no_numbers(wanted: list[list[bool]]) -> None:
    """However the wanted entries are spread over calls, they get the stream in its order."""
    draws, stream = SeededDraws([7]), SeededDraws([7]).uniform(everywhere(1, 20))[0]
    rows = [torch.tensor([row]) for row in wanted]
    used = torch.cat([draws.uniform(where)[where] for where in rows])
    assert torch.equal(used, stream[: len(used)])


def test_entries_of_a_matrix_are_taken_row_by_row_within_a_sequence() -> None:
    stream = SeededDraws([7]).uniform(everywhere(1, 6))[0]
    assert torch.equal(SeededDraws([7]).uniform(everywhere(1, 2, 3))[0].flatten(), stream)
    assert torch.equal(SeededDraws([7]).uniform(everywhere(1)), stream[:1])
    assert SeededDraws([7]).uniform(everywhere(1, 0)).shape == (1, 0)


def test_rows_go_on_where_their_streams_stand_and_move_them_on() -> None:
    streams = SeededDraws([1, 2, 3]).uniform(everywhere(3, 4))
    draws = SeededDraws([1, 2, 3])
    draws.uniform(torch.tensor([[True], [False], [True]]))
    some = draws.rows(torch.tensor([2, 1]))
    assert torch.equal(some.uniform(everywhere(2, 1))[:, 0], streams[[2, 1], [1, 0]])
    assert torch.equal(draws.uniform(everywhere(3, 1))[:, 0], streams[[0, 1, 2], [1, 1, 2]])
    last = some.rows(torch.tensor([0]))
    assert torch.equal(last.uniform(everywhere(1, 1))[:, 0], streams[[2], [3]])


def test_streams_that_are_joined_go_on_where_they_stand() -> None:
    streams = SeededDraws([1, 2, 3]).uniform(everywhere(3, 4))
    first, second = SeededDraws([1, 2]), SeededDraws([3])
    first.uniform(everywhere(2, 2))
    both = SeededDraws.join([first.rows(torch.tensor([1])), second])
    assert torch.equal(
        both.uniform(everywhere(2, 2)), streams[[1, 2]][[[0], [1]], [[2, 3], [0, 1]]]
    )
    assert torch.equal(first.uniform(everywhere(2, 1))[:, 0], streams[:2, 2])


@pytest.mark.parametrize("num_at_once", [1, 7, 2**22])
def test_tokens_do_not_depend_on_the_working_memory(monkeypatch, num_at_once: int) -> None:
    log_probs = torch.sin(torch.arange(60.0)).reshape(2, 6, 5)
    expected = SeededDraws([1, 2]).categorical(log_probs, everywhere(2, 6))
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", num_at_once)
    assert torch.equal(SeededDraws([1, 2]).categorical(log_probs, everywhere(2, 6)), expected)


def test_numbers_fill_the_unit_square_evenly() -> None:
    """Pairs within one stream, pairs across neighbouring seeds, and single numbers."""
    numbers = SeededDraws(range(20_000)).uniform(everywhere(20_000, 2))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    cells = (numbers * 8).long()
    even = torch.ones(64)
    assert p_value(torch.bincount(cells[:, 0] * 8 + cells[:, 1], minlength=64), even) > ALARM
    assert p_value(torch.bincount(cells[:-1, 0] * 8 + cells[1:, 0], minlength=64), even) > ALARM
    stream = (SeededDraws([5]).uniform(everywhere(1, 40_000))[0] * 8).long()
    assert p_value(torch.bincount(stream[:-1] * 8 + stream[1:], minlength=64), even) > ALARM


def test_streams_of_neighbouring_seeds_share_no_numbers() -> None:
    """As they would if a seed were merely a starting point on one common stream."""
    numbers = SeededDraws(range(-50, 50)).uniform(everywhere(100, 100))
    assert numbers.unique().numel() == 10_000


class Extremes(SeededDraws):
    """The smallest and the largest number a stream can hold, in turn."""

    def uniform(self, where: torch.Tensor) -> torch.Tensor:
        numbers = torch.tensor([0.0, 1 - 2.0**-53], dtype=torch.float64)
        return numbers.repeat(where.numel())[: where.numel()].reshape(where.shape)


def across_seeds(log_probs: torch.Tensor) -> Counts:
    num = 40_000
    token_ids = SeededDraws(range(num)).categorical(log_probs.expand(num, -1), everywhere(num))
    return torch.bincount(token_ids, minlength=len(log_probs))


def along_one_stream(log_probs: torch.Tensor) -> Counts:
    num = 40_000
    many = log_probs.expand(1, num, -1)
    token_ids = SeededDraws([3]).categorical(many, everywhere(1, num))
    return torch.bincount(token_ids[0], minlength=len(log_probs))


def slightly_flattened(log_probs: torch.Tensor) -> Counts:
    probs = log_probs.exp() / log_probs.exp().sum()
    flatter = 0.95 * probs + 0.05 / len(probs)
    return along_one_stream(flatter.log())


@pytest.mark.parametrize(
    ("count", "is_right"),
    [(across_seeds, True), (along_one_stream, True), (slightly_flattened, False)],
)
@pytest.mark.parametrize("scale", [1.0, 7.3])
def test_categorical_has_the_frequencies_asked_for(
    count: Callable[[torch.Tensor], Counts], is_right: bool, scale: float
) -> None:
    """Unnormalised too; and a law with 5 % of its mass spread evenly must be noticed."""
    probs = torch.tensor([0.5, 0.25, 0.15, 0.07, 0.03], dtype=torch.float64)
    assert (p_value(count((probs * scale).log()), probs) > ALARM) == is_right


def test_tokens_of_probability_zero_are_never_drawn() -> None:
    """Not even by the two extreme numbers a stream can hold."""
    log_probs = torch.tensor([0.0, 0.3, 0.0, 0.7, 0.0], dtype=torch.float64).log()
    counts = along_one_stream(log_probs)
    assert counts[[0, 2, 4]].tolist() == [0, 0, 0]

    extreme = Extremes([0]).categorical(log_probs.expand(1, 2, -1), everywhere(1, 2))
    assert extreme.tolist() == [[1, 3]]
    for scale in torch.logspace(-3, 3, 500, dtype=torch.float64):
        scaled = (log_probs + scale.log()).expand(1, 2, -1)
        assert Extremes([0]).categorical(scaled, everywhere(1, 2)).tolist() == [[1, 3]]


@lawfully
@given(st.lists(st.booleans(), min_size=6, max_size=6))
def test_choices_do_not_depend_on_padding(wanted: list[bool]) -> None:
    where = torch.tensor([wanted])
    log_probs = SeededDraws([9]).uniform(everywhere(1, 6, 4)).log()
    probs = SeededDraws([9]).uniform(everywhere(1, 6))
    padded = SeededDraws([4]).categorical(log_probs, where)[where]
    dense = SeededDraws([4]).categorical(log_probs[where][None], everywhere(1, sum(wanted)))
    assert torch.equal(padded, dense[0])
    padded_coins = SeededDraws([4]).bernoulli(probs, where)
    dense_coins = SeededDraws([4]).bernoulli(probs[where][None], everywhere(1, sum(wanted)))
    assert torch.equal(padded_coins[where], dense_coins[0])
    assert not padded_coins[~where].any()


def test_bernoulli_has_the_frequency_asked_for() -> None:
    coins = SeededDraws(range(40_000)).bernoulli(
        torch.tensor([0.3, 0.0, 1.0], dtype=torch.float64).expand(40_000, 3), everywhere(40_000, 3)
    )
    heads = int(coins[:, 0].sum())
    probs = torch.tensor([0.3, 0.7])
    assert p_value(torch.tensor([heads, 40_000 - heads]), probs) > ALARM
    assert not coins[:, 1].any()
    assert coins[:, 2].all()


def test_what_is_certain_or_impossible_stays_so_at_the_extremes() -> None:
    probs = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    coins = Extremes([0, 1]).bernoulli(probs, everywhere(2, 2))
    assert coins.tolist() == [[False, False], [True, True]]
    runs = probs[[0, 0, 1, 1]]
    lengths = Extremes(range(4)).run_length(runs, everywhere(4, 2))
    assert lengths.tolist() == [0, 0, 2, 2]


def run_length_probs(probs: torch.Tensor) -> torch.Tensor:
    """P(run = k): k heads, then a tail; all heads for the last."""
    heads = torch.cat([torch.ones(1, dtype=torch.float64), probs.cumprod(dim=0)])
    return heads * torch.cat([1 - probs, torch.ones(1, dtype=torch.float64)])


@pytest.mark.parametrize(
    "probs", [[0.9, 0.8, 0.5, 0.95], [0.5], [1.0, 0.5, 0.0, 0.5], [0.0, 1.0], [1.0, 1.0]], ids=str
)
def test_run_length_is_that_of_independent_coins(probs: list[float]) -> None:
    coins = torch.tensor(probs, dtype=torch.float64)
    many = coins.expand(40_000, -1)
    lengths = SeededDraws(range(40_000)).run_length(many, everywhere(*many.shape))
    counts = torch.bincount(lengths, minlength=len(probs) + 1)
    expected = run_length_probs(coins)
    assert counts[expected == 0].sum() == 0
    if (expected > 0).sum() > 1:
        assert p_value(counts, expected) > ALARM


def test_run_length_ends_with_the_real_coins_and_costs_one_number() -> None:
    where = torch.tensor([[True, True, False], [False, False, False], [True, True, True]])
    draws = SeededDraws([1, 2, 3])
    certain = torch.ones(3, 3, dtype=torch.float64)
    assert draws.run_length(certain, where).tolist() == [2, 0, 3]
    streams = SeededDraws([1, 2, 3]).uniform(everywhere(3, 2))
    following = draws.uniform(everywhere(3, 1))[:, 0]
    assert torch.equal(following, streams[[0, 1, 2], [1, 0, 1]])


def test_each_permutation_is_equally_likely() -> None:
    order = SeededDraws(range(24_000)).permutation(4)
    codes = (order * torch.tensor([64, 16, 4, 1])).sum(dim=1)
    _, counts = codes.unique(return_counts=True)
    assert len(counts) == 24
    assert p_value(counts, torch.ones(24)) > ALARM


def test_seeded_draws_are_draws() -> None:
    assert isinstance(SeededDraws([0]), Draws)


def test_seeds_of_streams_are_what_they_always_were() -> None:
    """Pinned: a change would make every resumed run another run."""
    assert [stream_seed(0), stream_seed(0, 0), stream_seed(7, 1, 2), stream_seed(-3, 10**12)] == [
        3119036373970289394,
        -1378229130088561493,
        4310879732708275361,
        -4125926319674195300,
    ]


@lawfully
@given(st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=4), unique_by=tuple))
def test_other_labels_give_other_seeds(labels: list[list[int]]) -> None:
    assert len({stream_seed(*words) for words in labels}) == len(labels)


def test_no_two_steps_or_purposes_of_a_run_share_a_seed() -> None:
    seeds = {
        stream_seed(seed, step, purpose)
        for seed in range(3)
        for step in range(500)
        for purpose in range(3)
    }
    assert len(seeds) == 3 * 500 * 3
    assert all(-(2**62) <= seed < 2**62 for seed in seeds)


def test_dropout_draws_from_its_own_seed() -> None:
    def dropped(seed: int) -> torch.Tensor:
        seed_dropout(seed)
        return torch.nn.functional.dropout(torch.ones(64), 0.5)

    first = dropped(11)
    assert not torch.equal(dropped(12), first)
    assert torch.equal(dropped(11), first)
    assert torch.equal(dropped(stream_seed(1)), dropped(stream_seed(1)))  # negative ones as well


@given(st.integers(-(2**62), 2**62), st.lists(st.integers(-(2**40), 2**40), max_size=3))
def test_the_seed_of_a_purpose_is_mixed_in_whole_words(seed: int, labels: list[int]) -> None:
    mixed = torch.zeros((), dtype=torch.int64)
    for word in (seed, *labels):
        mixed = module._mix(mixed + torch.tensor(word) * module._GAMMA + 1)
    assert stream_seed(seed, *labels) == int(mixed >> 1)


@given(st.integers(-(2**62), 2**62))
def test_numbers_one_by_one_are_those_of_the_stream(seed: int) -> None:
    at_once = SeededDraws([seed]).uniform(torch.ones(1, 9, dtype=torch.bool))[0].tolist()
    assert list(itertools.islice(module.numbers(seed), 9)) == at_once
