"""Every number an exact predictor gives, against sums over all sequences in plain Python."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.draws import SeededDraws
from unmask.errors import PromptError
from unmask.predictors import exact
from unmask.predictors.exact import ExactPredictor, log_evidence
from unmask.predictors.markov import MarkovChain
from unmask.predictors.protocol import HybridPredictor
from unmask.predictors.table import JointTable
from unmask.process import orders

VOCAB, LENGTH = 3, 4
MASK = VOCAB
Sequence = tuple[int, ...]


def table_probs(table: JointTable) -> dict[Sequence, float]:
    return {
        x: math.exp(float(table.log_joint[x]))
        for x in itertools.product(range(VOCAB), repeat=LENGTH)
    }


def chain_probs(chain: MarkovChain) -> dict[Sequence, float]:
    """The definition of a chain: first tokens, then one factor per token."""
    probs = {}
    for x in itertools.product(range(VOCAB), repeat=LENGTH):
        log_prob = float(chain.log_initial[x[: chain.order]])
        for t in range(chain.order, LENGTH):
            log_prob += float(chain.log_transition[x[t - chain.order : t + 1]])
        probs[x] = math.exp(log_prob)
    return probs


PREDICTORS: dict[str, tuple[ExactPredictor, dict[Sequence, float]]] = {}
for _table in [JointTable.random(VOCAB, LENGTH, seed=1)]:
    PREDICTORS["table"] = (_table, table_probs(_table))
for _k in (1, 2, 3, 4):
    _chain = MarkovChain.random(VOCAB, order=_k, seed=_k)
    PREDICTORS[f"chain of order {_k}"] = (_chain, chain_probs(_chain))
every_predictor = pytest.mark.parametrize("name", PREDICTORS)


def marginal(probs: dict[Sequence, float], known: dict[int, int]) -> float:
    """P(x_l = known[l] for all l in known)."""
    return sum(p for x, p in probs.items() if all(x[l_] == v for l_, v in known.items()))


def conditional(probs: dict[Sequence, float], position: int, known: dict[int, int]) -> list[float]:
    return [marginal(probs, {**known, position: v}) / marginal(probs, known) for v in range(VOCAB)]


def all_partly_masked() -> torch.Tensor:
    return torch.tensor(list(itertools.product(range(VOCAB + 1), repeat=LENGTH)))


@every_predictor
def test_posterior_is_a_ratio_of_marginals(name: str) -> None:
    """For each of the (V + 1)^L ways to mask each sequence, at each masked position."""
    predictor, probs = PREDICTORS[name]
    token_ids = all_partly_masked()
    posterior = predictor.posterior(token_ids).exp()
    for row, tokens in enumerate(token_ids.tolist()):
        known = {l_: v for l_, v in enumerate(tokens) if v != MASK}
        for position in range(LENGTH):
            if position not in known:
                expected = conditional(probs, position, known)
                assert posterior[row, position].tolist() == pytest.approx(expected, abs=1e-12)


@every_predictor
def test_posterior_of_a_revealed_token_is_that_token(name: str) -> None:
    predictor, _ = PREDICTORS[name]
    token_ids = all_partly_masked()
    posterior = predictor.posterior(token_ids)
    rows, positions = (token_ids != MASK).nonzero(as_tuple=True)
    expected = log_evidence(token_ids, VOCAB)[rows, positions]
    torch.testing.assert_close(posterior[rows, positions], expected, atol=1e-12, rtol=0)


@every_predictor
def test_log_prob_is_the_marginal_of_what_is_revealed(name: str) -> None:
    predictor, probs = PREDICTORS[name]
    token_ids = all_partly_masked()
    log_prob = predictor.log_prob(token_ids)
    for row, tokens in enumerate(token_ids.tolist()):
        known = {l_: v for l_, v in enumerate(tokens) if v != MASK}
        assert log_prob[row].exp() == pytest.approx(marginal(probs, known), abs=1e-12)


@every_predictor
def test_draft_gathers_the_posterior_in_the_order_asked_for(name: str) -> None:
    predictor, _ = PREDICTORS[name]
    token_ids = torch.tensor([[MASK, 1, MASK, MASK], [2, MASK, MASK, MASK]])
    positions = torch.tensor([[3, 0], [1, 2]])
    posterior = predictor.posterior(token_ids)
    expected = torch.stack([posterior[b, positions[b]] for b in range(2)])
    assert torch.equal(predictor.draft(token_ids, positions).log_probs, expected)


@every_predictor
@settings(deadline=None, derandomize=True, max_examples=25)
@given(data=st.data())
def test_verify_conditions_on_all_that_comes_before(name: str, data: st.DataObject) -> None:
    """Column k: the law of the token at order[first + k] given those before it in the order.

    Sequences of a batch have passes of different lengths behind them; the draft saw only a
    part, at most `first`, of what is filled in; what lies ahead must not matter.
    """
    predictor, probs = PREDICTORS[name]
    batch_size = 3
    order = orders.random(
        SeededDraws(data.draw(st.lists(st.integers(0, 999), min_size=3, max_size=3))), LENGTH
    )
    filled = data.draw(
        st.lists(
            st.lists(st.integers(0, VOCAB - 1), min_size=LENGTH, max_size=LENGTH),
            min_size=batch_size,
            max_size=batch_size,
        )
    )
    first = data.draw(st.lists(st.integers(0, LENGTH - 1), min_size=3, max_size=3))
    num_seen = [data.draw(st.integers(0, i)) for i in first]
    filled_ids = torch.tensor(filled)
    is_seen = orders.inverse(order) < torch.tensor(num_seen)[:, None]
    seen_ids = filled_ids.masked_fill(~is_seen, MASK)

    draft = predictor.draft(seen_ids, order)
    target = predictor.verify(
        draft, filled_ids=filled_ids, order=order, first=torch.tensor(first), num_columns=LENGTH
    ).exp()

    assert target.shape == (batch_size, LENGTH, VOCAB)
    assert not target.isnan().any()
    for b in range(batch_size):
        for k in range(LENGTH - first[b]):
            before = order[b, : first[b] + k].tolist()
            known = {position: filled[b][position] for position in before}
            expected = conditional(probs, int(order[b, first[b] + k]), known)
            assert target[b, k].tolist() == pytest.approx(expected, abs=1e-12)


@every_predictor
def test_verify_remembers_what_the_draft_saw_wherever_it_is(name: str) -> None:
    """A token revealed out of turn (here the last of the order) counts in each column."""
    predictor, probs = PREDICTORS[name]
    order = torch.tensor([[1, 3, 0, 2]])
    draft = predictor.draft(torch.tensor([[MASK, MASK, 1, MASK]]), order)
    target = predictor.verify(
        draft,
        filled_ids=torch.tensor([[2, 0, 1, 2]]),
        order=order,
        first=torch.tensor([0]),
        num_columns=3,
    )[0].exp()
    known_before = [{2: 1}, {2: 1, 1: 0}, {2: 1, 1: 0, 3: 2}]
    for k, (position, known) in enumerate(zip([1, 3, 0], known_before, strict=True)):
        expected = conditional(probs, position, known)
        assert target[k].tolist() == pytest.approx(expected, abs=1e-12)


@every_predictor
def test_first_target_is_the_draft(name: str) -> None:
    predictor, _ = PREDICTORS[name]
    assert predictor.first_target_is_draft
    order = torch.tensor([[2, 0, 3, 1]])
    draft = predictor.draft(torch.tensor([[MASK, MASK, 1, MASK]]), order[:, 1:2])
    filled_ids = torch.tensor([[0, 2, 1, 2]])
    target = predictor.verify(
        draft, filled_ids=filled_ids, order=order, first=torch.tensor([1]), num_columns=1
    )
    torch.testing.assert_close(target, draft.log_probs)


def test_a_draft_keeps_what_its_pass_saw() -> None:
    predictor, _ = PREDICTORS["table"]
    order = torch.tensor([[0, 1, 2, 3]])
    token_ids = torch.full((1, LENGTH), MASK)
    draft = predictor.draft(token_ids, order)
    token_ids[:] = 0
    target = predictor.verify(
        draft, filled_ids=token_ids, order=order, first=torch.tensor([0]), num_columns=1
    )
    torch.testing.assert_close(target[:, 0], draft.log_probs[:, 0])


def test_selected_rows_verify_as_they_did() -> None:
    predictor, _ = PREDICTORS["table"]
    order = orders.random(SeededDraws(range(4)), LENGTH)
    filled_ids = torch.tensor([[0, 1, 2, 0], [2, 2, 1, 0], [1, 1, 1, 1], [0, 2, 0, 2]])
    first = torch.tensor([0, 1, 2, 0])
    seen_ids = filled_ids.masked_fill(orders.inverse(order) >= first[:, None], MASK)
    draft = predictor.draft(seen_ids, order)
    target = predictor.verify(
        draft, filled_ids=filled_ids, order=order, first=first, num_columns=2
    )
    rows = torch.tensor([3, 1])
    selected = predictor.select(draft, rows)
    again = predictor.verify(
        selected, filled_ids=filled_ids[rows], order=order[rows], first=first[rows], num_columns=2
    )
    assert torch.equal(selected.log_probs, draft.log_probs[rows])
    assert torch.equal(again, target[rows])


def test_drafts_that_are_impossible_together_do_not_stop_verifying() -> None:
    """x_0 = x_1 for certain, but drafted apart: refuted in column 1, and the rest is finite."""
    joint = torch.zeros(2, 2, 2, dtype=torch.float64)
    joint[0, 0, 0], joint[0, 0, 1], joint[1, 1, 1] = 0.4, 0.3, 0.3
    table = JointTable(joint.log())
    order = torch.tensor([[0, 1, 2]])
    draft = table.draft(torch.full((1, 3), 2), order)
    target = table.verify(
        draft,
        filled_ids=torch.tensor([[0, 1, 0]]),
        order=order,
        first=torch.tensor([0]),
        num_columns=3,
    )[0]
    assert target[1].exp().tolist() == [1.0, 0.0]
    torch.testing.assert_close(target[2].exp(), torch.full((2,), 0.5, dtype=torch.float64))


def test_evidence_of_probability_zero_is_refused_with_a_reason() -> None:
    table = JointTable(torch.eye(2, dtype=torch.float64).log())
    token_ids = torch.tensor([[0, 2], [0, 1]])
    message = r"sequence 1 have probability zero under this JointTable.*\[0, 1\].*Reveal other"
    with pytest.raises(PromptError, match=message):
        table.posterior(token_ids)
    with pytest.raises(PromptError, match="sequence 1"):
        table.draft(token_ids, torch.tensor([[1], [1]]))
    assert table.log_prob(token_ids).exp().tolist() == [0.5, 0.0]


@every_predictor
def test_little_memory_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, _ = PREDICTORS[name]
    order = orders.random(SeededDraws(range(5)), LENGTH)
    filled_ids = torch.randint(VOCAB, (5, LENGTH), generator=torch.Generator().manual_seed(0))
    first = torch.tensor([0, 1, 2, 3, 0])
    seen_ids = filled_ids.masked_fill(orders.inverse(order) >= first[:, None], MASK)

    def everything() -> list[torch.Tensor]:
        draft = predictor.draft(seen_ids, order)
        target = predictor.verify(
            draft, filled_ids=filled_ids, order=order, first=first, num_columns=3
        )
        return [draft.log_probs, target, predictor.log_prob(seen_ids)]

    at_once = everything()
    monkeypatch.setattr(exact, "_NUMBERS_AT_ONCE", 1)
    torch.testing.assert_close(everything(), at_once, atol=1e-13, rtol=0)


@every_predictor
def test_an_empty_batch_or_window_has_an_empty_answer(name: str) -> None:
    predictor, _ = PREDICTORS[name]
    nobody = torch.empty(0, LENGTH, dtype=torch.int64)
    assert predictor.log_prob(nobody).shape == (0,)
    draft = predictor.draft(nobody, nobody)
    assert draft.log_probs.shape == (0, LENGTH, VOCAB)
    order = orders.left_to_right(2, LENGTH)
    draft = predictor.draft(torch.full((2, LENGTH), MASK), order)
    target = predictor.verify(
        draft, filled_ids=order % VOCAB, order=order, first=torch.tensor([0, 0]), num_columns=0
    )
    assert target.shape == (2, 0, VOCAB)


@every_predictor
def test_exact_predictors_are_hybrid_predictors(name: str) -> None:
    predictor, _ = PREDICTORS[name]
    assert isinstance(predictor, HybridPredictor)
    assert predictor.vocab_size == VOCAB
    assert predictor.posterior(torch.full((1, LENGTH), MASK)).dtype == torch.float64
