"""Draft and verify with two tokenizers: beside the sampler of one, and by hand."""

import itertools

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from tests.spellings import Letters
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.pair import DrafterVerifierPair, TwoVocabularyPair
from unmask.process.blocks import LeftToRight
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.draft_verify_across import DraftVerifyAcross
from unmask.samplers.engine import Engine, Request
from unmask.samplers.threshold import Threshold
from unmask.samplers.wrappers.early_stop import EarlyStop
from unmask.speculation.filters import Filter
from unmask.speculation.retokenise import transcribe

MASK = 64
DRAFTER = Threshold(threshold=0.1, blocks=LeftToRight(6), filter=Filter(temperature=0.0))
SMALL, LARGE = (random_network(CONFIGS["llada"], seed=seed) for seed in (1, 0))
ALPHABET = [chr(ord("A") + n) for n in range(63)]
LETTERS = Letters(("", *ALPHABET))
"""Every token a character of its own; 0 ends a text."""
EIGHT = Letters(("", *("abcdef\u20ac\u2603"[n % 8] for n in range(63))))
"""The drafter's, of few characters."""
PAIRS = Letters(
    ("", *(a + b for a, b in itertools.product("abcdef", repeat=2)), *"abcdef", *[""] * 21)
)
"""The verifier's: most tokens are two characters, and two of the eight have none."""
PROMPTS = [[3, 1, 4], [7], [], [9, 9, 5, 2, 6]]


def across(prompt, spellings=(LETTERS, LETTERS), **choices) -> DraftVerifyAcross:
    return DraftVerifyAcross(
        drafter_spelling=spellings[0], verifier_spelling=spellings[1], drafter=DRAFTER,
        verifier_prompt=tuple(prompt), **choices,
    )  # fmt: skip


def results(sampler_of, predictor, length: int = 12, num_slots: int = 4) -> list:
    requests = [
        Request(
            given_ids=torch.tensor([*prompt, *[MASK] * (length - len(prompt))]),
            sampler=sampler_of(prompt),
            seed=seed,
        )
        for seed, prompt in enumerate(PROMPTS)
    ]
    found = Engine(predictor, num_slots=num_slots).run(requests)
    return sorted(found, key=lambda result: result.number)


@pytest.mark.parametrize(
    ("rule", "view", "acceptance"),
    [
        ("exact", "in-place", "position"),
        ("confidence", "pre-draft", "prefix"),
        ("disagreement", "shadow", "position"),
        ("confidence", "shadow", "prefix"),
    ],
)
def test_with_one_tokenizer_it_is_draft_and_verify(rule, view, acceptance) -> None:
    """Where both spell every token as one character, prompts the same: token for token."""
    choices = {
        "rule": rule, "view": view, "acceptance": acceptance, "threshold": 0.05,
        "num_draft_passes": 2,
    }  # fmt: skip
    plain = DraftVerify(drafter=DRAFTER, num_committed=0, **choices)
    expected = results(lambda prompt: plain, DrafterVerifierPair(SMALL, LARGE))
    found = results(lambda prompt: across(prompt, **choices), TwoVocabularyPair(SMALL, LARGE))
    for one, other in zip(expected, found, strict=True):
        assert one.token_ids.tolist() == other.token_ids.tolist()
        assert one.cost == other.cost


def rounds(sampler, given_ids):
    """The canvas before each round, and after."""
    draws = SeededDraws([0])
    state = sampler.init(given_ids, mask_id=MASK, draws=draws)
    while not state.is_done.all():
        before = state.token_ids[0].tolist()
        state, info = sampler.step(state, TwoVocabularyPair(SMALL, LARGE), draws)
        yield before, state.token_ids[0].tolist(), info


@pytest.mark.parametrize(
    ("view", "acceptance"),
    [("in-place", "position"), ("pre-draft", "position"), ("shadow", "prefix")],
)
def test_each_verdict_is_that_of_the_verifiers_own_tokens(view, acceptance) -> None:
    """Against a slow twin that works the round out from the canvas before it."""
    prompt, own_prompt, threshold = [3, 1, 4], [30, 31], 0.02
    sampler = across(
        own_prompt, (EIGHT, PAIRS), view=view, acceptance=acceptance, threshold=threshold,
        num_draft_passes=3, max_remasked=3,
    )  # fmt: skip
    given_ids = torch.tensor([[*prompt, *[MASK] * 21]])
    remasked, num_rejected, num_pairs = [0] * 24, 0, 0
    for before, after, info in rounds(sampler, given_ids):
        draws = SeededDraws([0])
        state = DRAFTER.init(given_ids, mask_id=MASK, draws=draws)
        state = state.rewritten(torch.tensor([before]), mask_id=MASK)
        for _ in range(3):
            if not state.is_done.all():
                state, _ = DRAFTER.step(state, SMALL, draws)
        drafted = state.token_ids[0].tolist()
        new = [n for n in range(24) if before[n] == MASK != drafted[n]]
        made = transcribe(drafted[3:], EIGHT, PAIRS)
        row = own_prompt + made.token_ids
        wrong, num_judged = set(), 0
        judged = [
            place for place, sources in enumerate(made.sources)
            if made.token_ids[place] != PAIRS.mask_id and any(n + 3 in new for n in sources)
        ]  # fmt: skip
        for place in judged:
            token, at = made.token_ids[place], torch.tensor([[2 + place]])
            num_judged += 1
            num_pairs += len(made.sources[place]) > 1
            if view == "shadow":
                said = LARGE.shadowed(torch.tensor([row]), at, at).of_shadows
            else:
                seen = list(row)
                if view == "pre-draft":
                    seen = [PAIRS.mask_id if n - 2 in judged else t for n, t in enumerate(row)]
                said = LARGE.draft(torch.tensor([seen]), at).log_probs
            if said[0, 0, token].exp() < threshold:
                wrong |= {n + 3 for n in made.sources[place] if n + 3 in new}
        if acceptance == "prefix" and wrong:
            wrong = {n for n in new if n >= min(wrong)}
        wrong = {n for n in wrong if remasked[n] < 3}
        for n in wrong:
            remasked[n] += 1
        assert after == [MASK if n in wrong else token for n, token in enumerate(drafted)]
        num_run = len(row) + (num_judged if view == "shadow" else 0)
        assert info.trunk.passes.item() == (num_judged > 0)
        assert info.trunk.tokens.item() == num_run * (num_judged > 0)
        assert info.trunk.pairs.item() == num_run * len(row) * (num_judged > 0)
        num_rejected += len(wrong)
    assert num_rejected and num_pairs


def test_what_was_accepted_never_changes() -> None:
    for view in ("in-place", "shadow"):
        sampler = across([30, 31], (EIGHT, PAIRS), view=view, threshold=0.03, num_draft_passes=2)
        num_rounds = 0
        for before, after, _ in rounds(sampler, torch.tensor([[3, 1, 4] + [MASK] * 21])):
            for was, is_now in zip(before, after, strict=True):
                assert was in (MASK, is_now)
            num_rounds += 1
        assert num_rounds > 3 and MASK not in after


def test_sequences_are_the_same_in_any_batch() -> None:
    def sampler_of(prompt):
        return across([5], (EIGHT, PAIRS), threshold=0.03)

    team = TwoVocabularyPair(SMALL, LARGE)
    alone = results(sampler_of, team, num_slots=1)
    together = results(sampler_of, team, num_slots=4)
    for one, other in zip(alone, together, strict=True):
        assert one.token_ids.tolist() == other.token_ids.tolist()
        assert one.cost.trunk.pairs == other.cost.trunk.pairs


def test_an_answer_ends_in_the_drafters_tokens() -> None:
    def sampler_of(prompt):
        return EarlyStop(
            sampler=across(prompt, (EIGHT, PAIRS), threshold=0.0), end_ids=tuple(range(30))
        )

    for result in results(sampler_of, TwoVocabularyPair(SMALL, LARGE)):
        assert MASK not in result.token_ids.tolist()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"num_draft_passes": 0}, "num_draft_passes must be at least 1"),
        ({"threshold": float("nan")}, "threshold must be at least 0, got nan"),
        ({"max_remasked": -1}, "max_remasked must be at least 0"),
    ],
)
def test_choices_that_cannot_work_are_refused(choices, message) -> None:
    with pytest.raises(ConfigError, match=message):
        across([], **choices)


def test_a_spelling_of_another_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="verifier_spelling has the mask 3, the verifier 64"):
        results(lambda prompt: across(prompt, (LETTERS, Letters(("", "a", "b")))),
                TwoVocabularyPair(SMALL, LARGE))  # fmt: skip


def test_a_verifier_without_shadows_is_refused() -> None:
    dream = random_network(CONFIGS["Dream"])
    with pytest.raises(ConfigError, match="cannot be asked about tokens that are there"):
        results(lambda prompt: across(prompt), TwoVocabularyPair(SMALL, dream))
