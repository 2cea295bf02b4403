import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.speculation import filters
from unmask.speculation.filters import Filter

INF = math.inf
EASY = settings(deadline=None, derandomize=True, max_examples=100)


@st.composite
def distributions(draw):
    """Log-probabilities of 1 to 8 tokens; some may be impossible, some equal."""
    weight = st.one_of(st.just(0.0), st.sampled_from([0.25, 1.0]), st.floats(1e-6, 1.0))
    weights = draw(st.lists(weight, min_size=1, max_size=8).filter(lambda w: sum(w) > 0))
    probs = torch.tensor(weights, dtype=torch.float64)
    return (probs / probs.sum()).log()


temperatures = st.floats(0.05, 5.0)
shares = st.floats(0.01, 1.0)


def slow_temperature(probs, temperature):
    powers = [p ** (1 / temperature) if p > 0 else 0.0 for p in probs]
    return [power / sum(powers) for power in powers]


def slow_top_p(probs, top_p):
    """Take tokens from the most probable on, the first of equals first, until it is enough."""
    kept, mass = [], 0.0
    for token in sorted(range(len(probs)), key=lambda token: (-probs[token], token)):
        if mass >= top_p:
            break
        kept.append(token)
        mass += probs[token]
    return [p / mass if token in kept else 0.0 for token, p in enumerate(probs)]


def partial_masses(probs):
    """The masses at which top-p takes one token more."""
    falling = sorted(probs, reverse=True)
    return [sum(falling[:n]) for n in range(len(probs) + 1)]


def is_clear_cut(probs, top_p):
    """Whether rounding cannot decide which tokens top-p keeps."""
    return all(abs(mass - top_p) > 1e-9 for mass in partial_masses(probs))


# Against slow transcriptions.


@EASY
@given(distributions(), temperatures)
def test_temperature_is_a_power_of_the_probabilities(log_probs, temperature):
    filtered = Filter(temperature=temperature)(log_probs).exp().tolist()
    assert filtered == pytest.approx(slow_temperature(log_probs.exp().tolist(), temperature))


@EASY
@given(distributions(), shares)
def test_top_p_is_its_slow_transcription(log_probs, top_p):
    probs = log_probs.exp().tolist()
    assume(top_p == 1 or is_clear_cut(probs, top_p))
    filtered = Filter(top_p=top_p)(log_probs).exp().tolist()
    assert filtered == pytest.approx(slow_top_p(probs, top_p), abs=1e-12)


@EASY
@given(distributions(), temperatures, shares)
def test_temperature_comes_before_top_p(log_probs, temperature, top_p):
    warmed = slow_temperature(log_probs.exp().tolist(), temperature)
    assume(is_clear_cut(warmed, top_p))
    filtered = Filter(temperature=temperature, top_p=top_p)(log_probs).exp().tolist()
    assert filtered == pytest.approx(slow_top_p(warmed, top_p), abs=1e-12)


# Laws.


@EASY
@given(distributions(), st.one_of(st.just(0.0), temperatures), shares)
def test_the_result_is_a_distribution_over_tokens_that_were_possible(
    log_probs, temperature, top_p
):
    filtered = Filter(temperature=temperature, top_p=top_p)(log_probs)
    assert filtered.shape == log_probs.shape and filtered.dtype == log_probs.dtype
    assert filtered.logsumexp(dim=-1).item() == pytest.approx(0.0, abs=1e-9)
    assert not filtered[log_probs == -INF].isfinite().any()


@EASY
@given(distributions(), st.floats(0.01, 0.99))
def test_top_p_keeps_the_fewest_tokens_that_hold_so_much(log_probs, top_p):
    probs = log_probs.exp()
    kept = Filter(top_p=top_p)(log_probs) > -INF
    assert probs[kept].sum() >= top_p - 1e-9
    assert probs[kept].sum() - probs[kept].min() < top_p + 1e-9
    if not kept.all():
        assert probs[kept].min() >= probs[~kept].max()


@EASY
@given(distributions(), shares)
def test_top_p_does_not_move_what_it_keeps_apart(log_probs, top_p):
    filtered = Filter(top_p=top_p)(log_probs)
    kept = filtered > -INF
    shift = (filtered - log_probs)[kept]
    torch.testing.assert_close(shift, shift[:1].expand_as(shift), atol=1e-9, rtol=0)


@EASY
@given(distributions())
def test_the_default_is_the_identity(log_probs):
    assert torch.equal(Filter()(log_probs), log_probs)
    assert torch.equal(Filter(temperature=1.0, top_p=1.0)(log_probs), log_probs)


@EASY
@given(distributions(), shares)
def test_temperature_zero_takes_the_first_of_the_best(log_probs, top_p):
    filtered = Filter(temperature=0.0, top_p=top_p)(log_probs).tolist()
    best = max(range(len(log_probs)), key=lambda token: (log_probs[token].item(), -token))
    assert filtered == [0.0 if token == best else -INF for token in range(len(log_probs))]


def test_ties_go_to_the_lowest_id():
    quarters = torch.full((2, 4), 0.25, dtype=torch.float64).log()
    assert (Filter(top_p=0.5)(quarters) > -INF).tolist() == [[True, True, False, False]] * 2
    assert (Filter(temperature=0.0)(quarters) > -INF).tolist() == [[True] + [False] * 3] * 2


def test_every_distribution_of_a_batch_is_filtered_on_its_own():
    logits = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    log_probs = logits.log_softmax(dim=-1)
    filter = Filter(temperature=0.8, top_p=0.7)
    together = filter(log_probs)
    for b in range(3):
        for k in range(5):
            torch.testing.assert_close(together[b, k], filter(log_probs[b, k]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [1e-300, 1e-50, 1e-30, 1e-6])
def test_a_temperature_next_to_zero_is_temperature_zero(temperature, dtype):
    log_probs = torch.tensor([[0.2, 0.5, 0.3, 0.0]], dtype=dtype).log()
    assert Filter(temperature=temperature)(log_probs).exp().tolist() == [[0.0, 1.0, 0.0, 0.0]]


# Fast ways, and their slow twins.


@pytest.mark.parametrize("num_likely", [1, 2, 3, 5])
@EASY
@given(st.lists(distributions(), min_size=1, max_size=4), shares)
def test_a_few_likely_tokens_say_what_sorting_all_says(num_likely, rows, top_p):
    """Ties and impossible tokens among them, and rows that the likely tokens do not settle."""
    width = max(len(row) for row in rows)
    log_probs = torch.stack([F.pad(row, (0, width - len(row)), value=-INF) for row in rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filters, "_NUM_LIKELY", width)
        of_all = Filter(top_p=top_p)(log_probs)
        patch.setattr(filters, "_NUM_LIKELY", num_likely)
        assert torch.equal(Filter(top_p=top_p)(log_probs), of_all)


@pytest.mark.parametrize("top_p", [0.3, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("spread", "num_sorted"), [(0.5, [2]), (8.0, [])])
def test_only_predictions_that_are_not_sure_are_sorted(
    monkeypatch, spread, num_sorted, dtype, top_p
):
    """Two of the six predictions are spread; in bf16 many tokens are equals."""
    logits = torch.randn(2, 3, 5000, generator=torch.Generator().manual_seed(0))
    logits *= torch.tensor([spread, 12.0, 8.0])[:, None]
    log_probs = logits.log_softmax(dim=-1).to(dtype)
    sort_all, found = filters._dropped, []

    def noting(rows, top_p):
        found.append(len(rows))
        return sort_all(rows, top_p)

    monkeypatch.setattr(filters, "_dropped", noting)
    filtered = Filter(top_p=top_p)(log_probs)
    assert found == num_sorted
    monkeypatch.setattr(filters, "_NUM_LIKELY", 5000)
    assert torch.equal(filtered, Filter(top_p=top_p)(log_probs))
    assert found == [*num_sorted, 6]


@EASY
@given(st.lists(distributions(), min_size=1, max_size=4), st.lists(st.booleans(), min_size=4))
def test_a_greedy_draw_is_one_from_its_table(rows, wanted):
    width = max(len(row) for row in rows)
    log_probs = torch.stack([F.pad(row, (0, width - len(row)), value=-INF) for row in rows])[None]
    where = torch.tensor([wanted[: len(rows)]])
    greedy, table = Filter(temperature=0.0), Filter(temperature=0.0)(log_probs)
    slow, fast, given_table = SeededDraws([3]), SeededDraws([3]), SeededDraws([3])
    expected = slow.categorical(table, where)
    assert torch.equal(greedy.draw(log_probs, where, fast), expected)
    assert torch.equal(greedy.draw_filtered(table, where, given_table), expected)
    one = torch.ones(1, 1, dtype=torch.bool)
    assert slow.uniform(one) == fast.uniform(one) == given_table.uniform(one)


@EASY
@given(distributions(), temperatures, shares)
def test_any_other_draw_is_from_the_filtered_distribution(log_probs, temperature, top_p):
    filter = Filter(temperature=temperature, top_p=top_p)
    many, where = log_probs.expand(1, 20, -1), torch.ones(1, 20, dtype=torch.bool)
    expected = SeededDraws([3]).categorical(filter(many), where)
    assert torch.equal(filter.draw(many, where, SeededDraws([3])), expected)
    assert torch.equal(filter.draw_filtered(filter(many), where, SeededDraws([3])), expected)


# Errors.


@pytest.mark.parametrize("temperature", [-0.1, INF, math.nan])
def test_a_temperature_that_cannot_be_is_refused(temperature):
    with pytest.raises(ConfigError, match=f"at least 0, got {temperature}.*1 samples the model"):
        Filter(temperature=temperature)


@pytest.mark.parametrize("top_p", [0.0, -0.5, 1.01, math.nan])
def test_a_share_that_cannot_be_is_refused(top_p):
    with pytest.raises(
        ConfigError, match=f"top-p must be above 0 and at most 1, got {top_p}.*keeps"
    ):
        Filter(top_p=top_p)
