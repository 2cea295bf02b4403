import math
from decimal import Decimal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.forward_recursion import of_logs
from unmask.process.windows import Cosine, Fixed, Whole, starts
from unmask.speculation.likelihood import PassTables, expected_work, log_likelihood

INF = math.inf


def random_tables(batch_size, window_sizes, seed, width=None):
    """Drafts and targets that agree with nothing; junk past the windows."""
    sizes = torch.tensor(window_sizes).repeat(batch_size, 1)
    shape = (*sizes.shape, width or int(sizes.max()))
    generator = torch.Generator().manual_seed(seed)
    log_draft, log_target = torch.rand(2, *shape, generator=generator, dtype=torch.float64).log()
    return PassTables(log_draft, log_target, sizes)


def tables_of(window, length, batch_size=3, seed=0):
    sizes = window.size(torch.arange(length), length)
    return random_tables(batch_size, sizes.tolist(), seed)


def counts(tables, number):
    return torch.full((len(tables.log_draft),), number)


def twin(tables, row, verify_rounds, num_given=0, number=float):
    return of_logs(
        tables.log_draft[row].tolist(),
        tables.log_target[row].tolist(),
        tables.window_sizes[row].tolist(),
        verify_rounds=verify_rounds,
        num_given=num_given,
        number=number,
    )


def check_against_twin(tables, verify_rounds, num_given, first_target_is_draft):
    """Every number of every row, to 1e-10; rows have their own `num_given`."""
    given_counts = torch.tensor(num_given)
    total = log_likelihood(tables, verify_rounds, given_counts)
    work = expected_work(
        tables, verify_rounds, given_counts, first_target_is_draft=first_target_is_draft
    )
    for row, its_given in enumerate(num_given):
        slow = twin(tables, row, verify_rounds, its_given)
        assert math.exp(total[row]) == pytest.approx(slow.likelihood(), rel=1e-10, abs=1e-300)
        assert slow.backward()[its_given] == pytest.approx(slow.likelihood(), rel=1e-10)
        assert work.trunk_passes[row].item() == pytest.approx(slow.trunk_passes(), abs=1e-10)
        tail_passes = slow.tail_passes(first_target_is_draft=first_target_is_draft)
        assert work.tail_passes[row].item() == pytest.approx(tail_passes, abs=1e-10)
        for place, acceptance in enumerate(work.acceptance[row].tolist()):
            if place < its_given:
                assert acceptance == 0
            else:
                assert acceptance == pytest.approx(slow.acceptance(place), abs=1e-10)
                assert 1 - acceptance == pytest.approx(slow.replacement(place), abs=1e-10)


# Against the slow twin.


@pytest.mark.parametrize("first_target_is_draft", [True, False])
@pytest.mark.parametrize("verify_rounds", [1, 2, 3, 7])
@pytest.mark.parametrize("window", [Fixed(1), Fixed(3), Whole(), Cosine(0.5)], ids=str)
def test_forwards_and_backwards_agree(window, verify_rounds, first_target_is_draft):
    tables = tables_of(window, length=6)
    check_against_twin(tables, verify_rounds, [0, 0, 0], first_target_is_draft)


@pytest.mark.parametrize("verify_rounds", [1, 2, 9])
def test_what_is_given_is_not_emitted(verify_rounds):
    tables = tables_of(Cosine(0.4), length=6, batch_size=7)
    check_against_twin(tables, verify_rounds, list(range(6)), first_target_is_draft=True)


def test_nothing_to_emit_costs_nothing():
    tables = tables_of(Whole(), length=5)
    assert log_likelihood(tables, 2, counts(tables, 5)).tolist() == [0.0, 0.0, 0.0]
    work = expected_work(tables, 2, counts(tables, 5), first_target_is_draft=False)
    for values in (work.trunk_passes, work.tail_passes, work.acceptance):
        assert not values.any()


@st.composite
def any_windows(draw):
    """Window sizes with no rule behind them, and tables wider than they need to be."""
    length = draw(st.integers(1, 7))
    sizes = [draw(st.integers(1, length - i)) for i in range(length)]
    width = draw(st.integers(max(sizes), length))
    return sizes, width


@settings(deadline=None, derandomize=True, max_examples=60)
@given(any_windows(), st.integers(1, 9), st.integers(0, 10_000), st.booleans(), st.data())
def test_any_ragged_windows(windows, verify_rounds, seed, first_target_is_draft, data):
    sizes, width = windows
    tables = random_tables(2, sizes, seed, width)
    num_given = data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=2, max_size=2))
    check_against_twin(tables, verify_rounds, num_given, first_target_is_draft)


def test_entries_past_the_window_are_ignored():
    tables = random_tables(2, [2, 1, 2, 1], seed=3, width=4)
    other = random_tables(2, [2, 1, 2, 1], seed=4, width=4)
    outside = torch.arange(4) >= tables.window_sizes[..., None]
    mixed = PassTables(
        torch.where(outside, other.log_draft, tables.log_draft),
        torch.where(outside, -INF, tables.log_target),
        tables.window_sizes,
    )
    for first, second in zip(
        [log_likelihood(tables, 2, counts(tables, 0)), *all_work(tables, 2)],
        [log_likelihood(mixed, 2, counts(mixed, 0)), *all_work(mixed, 2)],
        strict=True,
    ):
        torch.testing.assert_close(first, second, rtol=1e-14, atol=0)


def all_work(tables, verify_rounds):
    work = expected_work(tables, verify_rounds, counts(tables, 0), first_target_is_draft=False)
    return [work.trunk_passes, work.tail_passes, work.acceptance]


# The limits of section 4 of the method.


def test_a_window_of_one_is_the_first_target_of_every_pass():
    """prod_d q_(d-1)(d); every token costs a trunk pass, and a tail pass unless target = draft."""
    tables = tables_of(Fixed(1), length=8)
    for rounds in (1, 4):
        total = log_likelihood(tables, rounds, counts(tables, 0))
        torch.testing.assert_close(total, tables.log_target[:, :, 0].sum(dim=1))
        for saves, tail_passes in ((True, 0.0), (False, 8.0)):
            work = expected_work(tables, rounds, counts(tables, 0), first_target_is_draft=saves)
            assert work.trunk_passes.tolist() == pytest.approx([8.0] * 3)
            assert work.tail_passes.tolist() == pytest.approx([tail_passes] * 3)


@pytest.mark.parametrize("window", [Fixed(3), Cosine(0.4), Whole()], ids=str)
def test_rounds_that_cover_the_window_make_it_autoregressive(window):
    """The law is a product over windows, each under its own trunk pass, for every N >= W."""
    length = 9
    tables = tables_of(window, length)
    begins = starts(window, length)
    expected = sum(
        tables.log_target[:, i, : int(tables.window_sizes[0, i])].sum(dim=1) for i in begins
    )
    for rounds in (length, length + 5):
        total = log_likelihood(tables, rounds, counts(tables, 0))
        torch.testing.assert_close(total, expected)
        trunk_passes, tail_passes, acceptance = all_work(tables, rounds)
        assert trunk_passes.tolist() == pytest.approx([len(begins)] * 3)
        # A round per replaced token, and one that ends the window if the last token stays.
        last = [i + int(tables.window_sizes[0, i]) - 1 for i in begins]
        torch.testing.assert_close(
            tail_passes, (1 - acceptance).sum(dim=1) + acceptance[:, last].sum(dim=1)
        )


def test_the_whole_sequence_from_one_pass():
    """W = D and N >= D: prod_d q_0(d)."""
    tables = tables_of(Whole(), length=7)
    total = log_likelihood(tables, 7, counts(tables, 0))
    torch.testing.assert_close(total, tables.log_target[:, 0].sum(dim=1))


def test_where_draft_and_target_agree_nothing_is_rejected():
    tables = tables_of(Cosine(0.3), length=9)
    tables = PassTables(tables.log_target, tables.log_target, tables.window_sizes)
    trunk_passes, tail_passes, acceptance = all_work(tables, 1)
    num_windows = len(starts(Cosine(0.3), 9))
    assert trunk_passes.tolist() == pytest.approx([num_windows] * 3)
    assert tail_passes.tolist() == pytest.approx([num_windows] * 3)
    assert acceptance.flatten().tolist() == pytest.approx([1.0] * 27)


# Far from one.


def test_two_thousand_unlikely_tokens():
    """log p is near -120,000: no underflow, and the work is that of decimal arithmetic."""
    length = 2_000
    tables = tables_of(Fixed(6), length, batch_size=2, seed=1)
    tables = PassTables(tables.log_draft - 60, tables.log_target - 60, tables.window_sizes)
    total = log_likelihood(tables, 3, counts(tables, 0))
    assert (total < -100_000).all()
    trunk_passes, tail_passes, acceptance = all_work(tables, 3)
    for row in range(2):
        slow = twin(tables, row, 3, number=Decimal)
        assert total[row].item() == pytest.approx(float(slow.likelihood().ln()), rel=1e-12)
        assert trunk_passes[row].item() == pytest.approx(float(slow.trunk_passes()), rel=1e-9)
        in_decimals = slow.tail_passes(first_target_is_draft=False)
        assert tail_passes[row].item() == pytest.approx(float(in_decimals), rel=1e-9)
    assert (acceptance >= 0).all() and (acceptance <= 1 + 1e-9).all()


def test_scaling_the_probabilities_of_a_place_scales_the_likelihood():
    """Every path emits each token once, so a factor there leaves all the work alone."""
    tables = tables_of(Cosine(0.4), length=8)
    factor = torch.linspace(-300, -1, 8, dtype=torch.float64)
    place = torch.arange(8)[:, None] + torch.arange(tables.log_draft.shape[2])
    shift = factor[place.clamp(max=7)]
    scaled = PassTables(tables.log_draft + shift, tables.log_target + shift, tables.window_sizes)
    torch.testing.assert_close(
        log_likelihood(scaled, 2, counts(tables, 0)),
        log_likelihood(tables, 2, counts(tables, 0)) + factor.sum(),
    )
    for before, after in zip(all_work(tables, 2), all_work(scaled, 2), strict=True):
        torch.testing.assert_close(before, after)


def test_a_hair_between_draft_and_target_loses_no_digits():
    """x needs a rejection at its first place: p(x) = r_0(0) q_1(1), r_0(0) = q (1 - p/q)."""
    log_target = torch.tensor([[[-2.0, -INF], [-3.0, 0.0]]], dtype=torch.float64)
    tables = PassTables(log_target - 2.0**-40, log_target, torch.tensor([[2, 1]]))
    expected = -2.0 + math.log(-math.expm1(-(2.0**-40))) - 3.0
    assert log_likelihood(tables, 1, counts(tables, 0)).item() == pytest.approx(
        expected, rel=1e-14
    )


# What cannot be emitted.


def test_impossible_sequences_are_told_apart_and_leave_their_neighbours_alone():
    tables = tables_of(Fixed(3), length=6, batch_size=5, seed=5)
    log_draft, log_target = tables.log_draft.clone(), tables.log_target.clone()
    place_2 = ([0, 1, 2], [2, 1, 0])
    # No pass can emit row 1: neither draft nor target gives place 2. Nor row 3: its target.
    log_draft[1][place_2] = log_target[1][place_2] = log_target[3][place_2] = -INF
    # Row 2 is emitted with a replacement there, since the draft never gives it.
    log_draft[2][place_2] = -INF
    # Row 4 only by a pass that ends before place 1.
    log_draft[4], log_target[4, 0, 1] = log_target[4] - 1, -INF
    broken = PassTables(log_draft, log_target, tables.window_sizes)

    for rounds in (1, 2, 5):
        total = log_likelihood(broken, rounds, counts(broken, 0))
        assert not total.isnan().any()
        assert (total == -INF).tolist() == [False, True, False, True, rounds > 1]
        trunk_passes, tail_passes, acceptance = all_work(broken, rounds)
        assert acceptance[2, 2] == 0
        for row in (~total.isinf()).nonzero()[:, 0].tolist():
            slow = twin(broken, row, rounds)
            assert math.exp(total[row]) == pytest.approx(slow.likelihood(), rel=1e-10)
            assert trunk_passes[row].item() == pytest.approx(slow.trunk_passes(), abs=1e-10)
            in_loops = slow.tail_passes(first_target_is_draft=False)
            assert tail_passes[row].item() == pytest.approx(in_loops, abs=1e-10)
            for place in range(6):
                in_loops = slow.acceptance(place)
                assert acceptance[row, place].item() == pytest.approx(in_loops, abs=1e-10)


def test_without_verify_rounds_windows_follow_upon_each_other_and_drafts_are_kept():
    window, length = Fixed(3), 8
    tables = tables_of(window, length)
    given_counts = torch.tensor([0, 2, 8])
    total = log_likelihood(tables, 0, given_counts)
    work = expected_work(tables, 0, given_counts, first_target_is_draft=False)
    for row, begins in enumerate(([0, 3, 6], [2, 5], [])):
        kept = [
            tables.log_draft[row, start, k].item()
            for start in begins
            for k in range(min(3, length - start))
        ]
        assert total[row].item() == pytest.approx(sum(kept), abs=1e-12)
        assert work.trunk_passes[row].item() == pytest.approx(len(begins))
        assert work.acceptance[row].sum().item() == pytest.approx(len(kept))
    assert not work.tail_passes.any()
