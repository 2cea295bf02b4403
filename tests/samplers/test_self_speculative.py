"""The sampler's exact output distribution, by enumeration of every choice it can make."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import (
    check_law,
    largest_difference,
    law_by_enumeration,
    law_by_recursion,
    mean_of,
    of_tokens,
    outcomes_by_enumeration,
)
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.table import JointTable
from unmask.process.masking import mask_after
from unmask.process.windows import Cosine, Fixed, Whole
from unmask.samplers.common import ordered_state
from unmask.samplers.likelihood import law_of, pass_tables
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly
from unmask.speculation.filters import Filter

WINDOWS = [Fixed(1), Fixed(2), Whole(), Cosine(0.5)]
ORDER = [2, 0, 3, 1]


@pytest.mark.parametrize("first_target_is_draft", [True, False])
@pytest.mark.parametrize("verify_rounds", [1, 2, 3])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize(("vocab_size", "length"), [(2, 3), (3, 3), (2, 4)])
def test_likelihood_and_work_are_those_of_the_sampler(
    vocab_size, length, window, verify_rounds, first_target_is_draft
):
    predictor = ArbitraryHybrid(vocab_size, length, 0, first_target_is_draft)
    order = [o for o in ORDER if o < length]
    sampler = SelfSpeculative(window=window, verify_rounds=verify_rounds)
    check_law(predictor, sampler, [vocab_size] * length, order)


@pytest.mark.parametrize("verify_rounds", [1, 2])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_likelihood_and_work_are_those_of_the_sampler_with_a_prompt(window, verify_rounds):
    predictor = ArbitraryHybrid(2, 4, seed=1)
    sampler = SelfSpeculative(window=window, verify_rounds=verify_rounds)
    check_law(predictor, sampler, given=[1, 2, 2, 0], order=ORDER)
    check_law(predictor, sampler, given=[2, 0, 2, 2], order=ORDER)


@pytest.mark.parametrize("verify_rounds", [1, 2, 3])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_likelihood_and_work_of_four_tokens_of_three_kinds(window, verify_rounds):
    sampler = SelfSpeculative(window=window, verify_rounds=verify_rounds)
    check_law(ArbitraryHybrid(3, 4, seed=2), sampler, [3] * 4, ORDER)


@pytest.mark.parametrize("first_target_is_draft", [True, False])
@pytest.mark.parametrize("verify_rounds", [1, 2, 4])
@pytest.mark.parametrize("patience", [0.0, 0.2, 0.5, 1.0])
def test_likelihood_and_work_where_a_pass_ends_when_its_patience_does(
    patience, verify_rounds, first_target_is_draft
):
    predictor = ArbitraryHybrid(2, 4, 0, first_target_is_draft)
    for window in (Whole(), Cosine(0.6)):
        sampler = SelfSpeculative(window=window, verify_rounds=verify_rounds, patience=patience)
        check_law(predictor, sampler, [2] * 4, ORDER)
    check_law(predictor, sampler, [2, 0, 2, 2], ORDER)


@pytest.mark.parametrize("first_target_is_draft", [True, False])
@pytest.mark.parametrize("verify_rounds", [1, 3])
@pytest.mark.parametrize("threshold", [0.55, 0.65, 0.8, 1.0])
def test_likelihood_and_work_where_a_window_ends_before_an_unsure_draft(
    threshold, verify_rounds, first_target_is_draft
):
    predictor = ArbitraryHybrid(2, 4, 0, first_target_is_draft)
    choices = {"verify_rounds": verify_rounds, "threshold": threshold}
    for window in (Whole(), Fixed(2)):
        check_law(predictor, SelfSpeculative(window=window, **choices), [2] * 4, ORDER)
    others = {"order": "confident", "patience": 0.3, "filter": Filter(temperature=0.7)}
    for name, value in others.items():
        sampler = SelfSpeculative(window=Fixed(3), **choices, **{name: value})
        check_law(predictor, sampler, [2] * 4, [0, 1, 2, 3])
        check_law(predictor, sampler, [2, 0, 2, 2], [0, 1, 2, 3])


def test_a_threshold_ends_windows_where_the_draft_is_unsure():
    """Or the test above would not show that windows may depend on what is revealed."""
    predictor, length = ArbitraryHybrid(2, 4, 0), 4
    token_ids = torch.tensor(list(itertools.product(range(2), repeat=length)))
    order = torch.tensor([ORDER]).expand(len(token_ids), -1)
    widths = []
    for threshold in (0.0, 0.65, 1.0):
        law = law_of(SelfSpeculative(window=Whole(), threshold=threshold), length)
        widths.append(pass_tables(predictor, law, token_ids, order, order[:, 0] * 0).window_sizes)
    assert (widths[0] == length - torch.arange(length)).all()
    assert len(set(widths[1][:, 1].tolist())) > 1
    assert (widths[2] == 1).all()


def test_what_is_sure_enough_is_at_the_threshold_or_above():
    rows = torch.tensor(
        [[0.6, 0.9, 0.8, 0.9], [0.9, 0.7, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9]]
    ).double()
    log_probs = torch.stack([rows, 1 - rows], dim=-1).log()
    assert ordered_state.num_sure(log_probs, 0.79).tolist() == [4, 1, 4]
    assert ordered_state.num_sure(log_probs, 0.85).tolist() == [2, 1, 4]


def test_patience_ends_passes_at_different_places_on_different_ways():
    """Or the test above would not show that windows may depend on the tokens."""
    predictor, length = ArbitraryHybrid(2, 4, 0), 4
    law = law_of(SelfSpeculative(window=Whole(), patience=0.5), length)
    token_ids = torch.tensor(list(itertools.product(range(2), repeat=length)))
    order = torch.tensor([ORDER]).expand(len(token_ids), -1)
    sizes = pass_tables(predictor, law, token_ids, order, order[:, 0] * 0).window_sizes
    assert len(set(sizes[:, 0].tolist())) > 1
    assert (sizes >= 1).all() and (sizes <= length - torch.arange(length)).all()


def test_no_patience_settles_what_draft_and_target_agree_on():
    """p = q everywhere: nothing is doubted, so the window alone ends a pass."""
    table = JointTable.random(vocab_size=2, length=3, seed=5)
    independent = JointTable(torch.zeros(2, 2, 2).double() - math.log(8))
    given, order = [2, 2, 2], [1, 2, 0]
    for predictor, num_passes in ((independent, 1), (table, 2)):
        sampler = SelfSpeculative(window=Whole(), verify_rounds=3, patience=0.0)
        outcomes = law_by_enumeration(predictor, sampler, given, order)
        assert mean_of(outcomes, 1) == pytest.approx(num_passes)


@pytest.mark.parametrize("verify_rounds", [1, 2])
@pytest.mark.parametrize("window", [*WINDOWS, Fixed(3)], ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_likelihood_and_work_where_confident_drafts_come_first(window, verify_rounds, seed):
    """The order is then a function of the sequence: other tokens, another order."""
    predictor = ArbitraryHybrid(2, 4, seed)
    sampler = SelfSpeculative(window=window, verify_rounds=verify_rounds, order="confident")
    check_law(predictor, sampler, [2] * 4, [0, 1, 2, 3])
    check_law(predictor, sampler, [2, 0, 2, 2], [0, 1, 2, 3])
    patient = replace(sampler, patience=0.3)
    check_law(predictor, patient, [2] * 4, [0, 1, 2, 3])


def test_confident_orders_differ_from_one_sequence_to_the_next():
    predictor, law = ArbitraryHybrid(2, 4, 0), SelfSpeculative(window=Fixed(2), order="confident")
    begins = ordered_state.begin(
        "confident", torch.full((16, 4), 2), mask_id=2, draws=SeededDraws([0])
    )
    token_ids = torch.tensor(list(itertools.product(range(2), repeat=4)))
    seen = set()
    for row in token_ids:
        state, revealed = begins.select(torch.tensor([0])), 0
        while revealed < 4:
            state = ordered_state.open_window("confident", state, predictor, law.window).state
            revealed += 2
            counts = torch.tensor([revealed])
            masked_ids = mask_after(row[None], state.order, counts, 2)
            state = replace(state, token_ids=masked_ids, num_revealed=counts, num_chosen=counts)
        seen.add(tuple(state.order[0].tolist()))
    assert len(seen) > 1


@pytest.mark.parametrize("filter", [Filter(temperature=0.7), Filter(top_p=0.8)], ids=str)
def test_likelihood_is_the_samplers_own_under_filters(filter):
    sampler = SelfSpeculative(window=Fixed(2), verify_rounds=2, filter=filter)
    check_law(ArbitraryHybrid(3, 3, seed=3), sampler, [3] * 3, [1, 2, 0])


@pytest.mark.parametrize("verify_rounds", [1, 2])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_an_exact_predictor_is_sampled_exactly(window, verify_rounds):
    """Its drafts and targets are true conditionals, so the law is the joint in any window."""
    table = JointTable.random(vocab_size=2, length=3, seed=5)
    sampler = SelfSpeculative(window=window, verify_rounds=verify_rounds)
    exact = of_tokens(law_by_enumeration(table, sampler, [2, 2, 2], [1, 2, 0]))
    for row in itertools.product(range(2), repeat=3):
        joint = table.log_prob(torch.tensor([row])).exp().item()
        assert exact[row] == pytest.approx(joint, abs=1e-10)


def test_a_window_of_one_is_the_draft_alone_one_token_at_a_time():
    predictor = ArbitraryHybrid(3, 3, seed=6)
    order = [1, 2, 0]
    token_ids, total, _ = law_by_recursion(
        predictor, SelfSpeculative(window=Fixed(1)), [3] * 3, order
    )
    for row, log_prob in zip(token_ids, total, strict=True):
        seen, expected = torch.full((1, 3), 3), 0.0
        for position in order:
            draft = predictor.draft(seen, torch.tensor([[position]]))
            expected += draft.log_probs[0, 0, row[position]].item()
            seen[0, position] = row[position]
        assert log_prob.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_as_many_rounds_as_tokens_is_target_only_sampling(window):
    """Enumerated for target-only, recursion for N >= W, and for more rounds than tokens."""
    predictor = ArbitraryHybrid(2, 4, seed=7)
    outcomes = law_by_enumeration(predictor, TargetOnly(window=window), [2] * 4, ORDER)
    for rounds in (4, 9):
        sampler = SelfSpeculative(window=window, verify_rounds=rounds)
        token_ids, total, _ = law_by_recursion(predictor, sampler, [2] * 4, ORDER)
        assert largest_difference(outcomes, token_ids, total) < 1e-10


def test_the_whole_sequence_from_one_pass_is_the_product_of_its_targets():
    predictor = ArbitraryHybrid(2, 4, seed=8)
    sampler = SelfSpeculative(window=Whole(), verify_rounds=4)
    token_ids, total, work = law_by_recursion(predictor, sampler, [2] * 4, ORDER)
    order = torch.tensor([ORDER]).expand(len(token_ids), -1)
    draft = predictor.draft(torch.full_like(token_ids, 2), order)
    target = predictor.verify(
        draft, filled_ids=token_ids, order=order, first=order[:, 0] * 0, num_columns=4
    )
    expected = target.gather(-1, token_ids.gather(1, order)[..., None]).sum((1, 2))
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(work.trunk_passes, torch.ones_like(total))


def test_rounds_only_save_passes_once_they_cover_the_window():
    predictor = ArbitraryHybrid(2, 4, seed=9)
    laws = [
        law_by_recursion(
            predictor, SelfSpeculative(window=Fixed(3), verify_rounds=n), [2] * 4, ORDER
        )
        for n in (1, 2, 3)
    ]
    torch.testing.assert_close(laws[1][1], laws[2][1])
    assert (laws[0][1] - laws[1][1]).abs().max() > 0.01  # a window not covered is another law


def test_temperature_zero_takes_the_best_token_and_always_agrees_with_target_only():
    predictor = ArbitraryHybrid(3, 3, seed=10)
    greedy = Filter(temperature=0.0)
    outcomes = [
        law_by_enumeration(predictor, s, [3] * 3, [1, 2, 0])
        for s in (
            SelfSpeculative(window=Whole(), verify_rounds=3, filter=greedy),
            TargetOnly(window=Whole(), filter=greedy),
        )
    ]
    assert [len(outcome) for outcome in outcomes] == [1, 1]
    (first, *_), (second, *_) = (next(iter(outcome)) for outcome in outcomes)
    assert first == second


def test_a_random_order_is_averaged_over():
    """With the order drawn too: p(x) = mean over orders of p(x | order)."""
    predictor = ArbitraryHybrid(2, 3, seed=11)
    sampler = SelfSpeculative(window=Fixed(2), verify_rounds=1)
    exact = of_tokens(outcomes_by_enumeration(predictor, sampler, [2] * 3))
    laws = [
        law_by_recursion(predictor, sampler, [2] * 3, list(order))
        for order in itertools.permutations(range(3))
    ]
    mean = torch.stack([total.exp() for _, total, _ in laws]).mean(0)
    for row, one in zip(map(tuple, laws[0][0].tolist()), mean.tolist(), strict=True):
        assert one == pytest.approx(exact[row], abs=1e-10)


def test_no_verify_round_is_refused():
    with pytest.raises(ConfigError, match="verify_rounds must be at least 1, got 0"):
        SelfSpeculative(verify_rounds=0)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_a_threshold_is_a_probability(threshold):
    with pytest.raises(ConfigError, match="threshold must be from 0 to 1.*0.9 is careful"):
        SelfSpeculative(threshold=threshold)


@pytest.mark.parametrize("patience", [-0.1, math.nan])
def test_patience_below_nothing_is_refused(patience):
    with pytest.raises(ConfigError, match="patience must be a number of at least 0.*inf leaves"):
        SelfSpeculative(patience=patience)


def test_acceptances_and_rejections_add_up_to_the_tokens_revealed():
    predictor = ArbitraryHybrid(2, 4, seed=12)
    exact = law_by_enumeration(predictor, SelfSpeculative(window=Whole()), [2, 1, 2, 2], ORDER)
    assert all(accepted <= 3 for *_, accepted in exact)
    assert math.isclose(sum(exact.values()), 1.0)
