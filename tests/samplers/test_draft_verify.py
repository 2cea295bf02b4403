"""Draft and verify: what the rules do to whole sequences, and that every sequence ends."""

import itertools
from dataclasses import replace

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from unmask.caching.policies import Delayed, Dual, Prefix
from unmask.cost import Cost, Work
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.markov import MarkovChain
from unmask.predictors.pair import DrafterVerifierPair
from unmask.process.blocks import LeftToRight
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.engine import Engine, Request
from unmask.samplers.klass import Klass
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.threshold import Threshold
from unmask.samplers.wino import Wino
from unmask.samplers.wrappers.cached import Cached
from unmask.shapes import PAD
from unmask.speculation.acceptance_rules import divergence
from unmask.speculation.filters import Filter

MASK = 64
GREEDY = Filter(temperature=0.0)
DRAFTER = Threshold(threshold=0.1, blocks=LeftToRight(6), filter=GREEDY)
AT_ONCE = Threshold(threshold=0.0, filter=GREEDY)
JUDGED = DraftVerify(drafter=AT_ONCE, num_draft_passes=1, num_committed=0)
"""Everything is drafted in one pass and judged in the next."""
ONE_BY_ONE = Threshold(threshold=2.0, filter=GREEDY)
NETWORK, OTHER = (random_network(CONFIGS["llada"], seed=seed) for seed in (0, 1))
RULES = ("trust", "exact", "confidence", "kl", "reverse-kl", "disagreement")
VIEWS = ("in-place", "pre-draft", "shadow")


def cached(cache, sampler=DRAFTER) -> Cached:
    return Cached(sampler=sampler, cache=cache, shape=NETWORK.kv_cache_shape)


def generated(sampler, predictor=NETWORK, num_slots: int = 5) -> dict:
    lengths = [(3, 13), (1, 11), (6, 14), (0, 9), (9, 10)]
    requests = [
        Request(
            given_ids=torch.tensor(
                [*range(7 * seed, 7 * seed + prompt), *[MASK] * (size - prompt)]
            ),
            sampler=sampler,
            seed=seed,
        )
        for seed, (prompt, size) in enumerate(lengths)
    ]
    results = Engine(predictor, num_slots=num_slots).run(requests)
    return {result.request.seed: result for result in results}


def tokens(results: dict) -> dict[int, list[int]]:
    return {seed: result.token_ids.tolist() for seed, result in results.items()}


def after_a_round(sampler, predictor) -> torch.Tensor:
    """Twelve masks, after one step."""
    draws = SeededDraws([0])
    state = sampler.init(torch.full((1, 12), MASK), mask_id=MASK, draws=draws)
    return sampler.step(state, predictor, draws)[0].token_ids[0]


def judged_at_once(drafter) -> tuple[torch.Tensor, torch.Tensor]:
    """Twelve tokens drafted in one pass, and what `NETWORK` gives all tokens in their places."""
    drafted_ids, place = after_a_round(AT_ONCE, drafter), torch.arange(12)[None]
    said = NETWORK.shadowed(drafted_ids[None], place[:, :1], place).of_shadows
    return drafted_ids, said[0].exp()


def test_what_is_drafted_one_by_one_the_same_model_confirms() -> None:
    """K = 1, exact, the view before the draft: nothing is rejected, each pass is made twice."""
    sampler = DraftVerify(
        drafter=ONE_BY_ONE, num_draft_passes=1, rule="exact", view="pre-draft", num_committed=0
    )
    verified, plain = generated(sampler), generated(ONE_BY_ONE)
    assert tokens(verified) == tokens(plain)
    for seed, result in plain.items():
        assert verified[seed].trunk_passes == 2 * result.trunk_passes
        assert verified[seed].cost.trunk.pairs == 2 * result.cost.trunk.pairs


def test_a_rule_that_rejects_nothing_leaves_the_drafts() -> None:
    for rule, bounds in (("confidence", {"threshold": 0.0}), ("kl", {"kl_bound": float("inf")})):
        sampler = DraftVerify(drafter=DRAFTER, rule=rule, num_committed=0, **bounds)
        assert tokens(generated(sampler)) == tokens(generated(DRAFTER))


def test_a_rule_that_rejects_everything_rejects_each_position_so_often() -> None:
    plain = generated(DRAFTER)
    for most in (0, 1, 3):
        sampler = DraftVerify(
            drafter=DRAFTER,
            rule="confidence",
            threshold=1.1,
            num_draft_passes=100,
            max_remasked=most,
            num_committed=0,
        )
        for seed, result in generated(sampler).items():
            # Drafts of the same canvas are the same: every round is the first once more.
            expected = (most + 1) * (plain[seed].trunk_passes + 1)
            assert result.trunk_passes == expected
        assert tokens(generated(sampler)) == tokens(plain)


@pytest.mark.parametrize(("rule", "view"), list(itertools.product(RULES, VIEWS)))
def test_sequences_are_the_same_in_any_batch(rule: str, view: str) -> None:
    for drafter in (DRAFTER, cached(Delayed(3, 6))):
        sampler = DraftVerify(
            drafter=drafter, num_draft_passes=2, rule=rule, view=view, threshold=0.1, kl_bound=0.02
        )
        alone, some = generated(sampler, num_slots=1), generated(sampler, num_slots=3)
        assert tokens(alone) == tokens(some)
        for seed, result in alone.items():
            assert (result.token_ids != MASK).all()
            assert result.cost.trunk.pairs == some[seed].cost.trunk.pairs
            assert result.trunk_passes == some[seed].trunk_passes


def test_the_rules_and_views_differ() -> None:
    found = {
        (rule, view): str(
            tokens(
                generated(
                    DraftVerify(
                        drafter=DRAFTER, rule=rule, view=view, threshold=0.1, kl_bound=0.02,
                        num_draft_passes=2, num_committed=0,
                    )
                )
            )
        )
        for rule in RULES
        for view in VIEWS
    }  # fmt: skip
    assert len(set(found.values())) > 6


def test_trust_puts_the_verifiers_best_token_in_the_drafts_place() -> None:
    """One round over everything: what comes out is what the verifier says of it."""
    sampler = replace(JUDGED, rule="trust", view="in-place")
    drafted, trusted = tokens(generated(AT_ONCE)), tokens(generated(sampler))
    for seed, token_ids in drafted.items():
        said = NETWORK.draft(torch.tensor([token_ids]), torch.arange(len(token_ids))[None])
        best = said.log_probs.argmax(-1)[0].tolist()
        prompt = {0: 3, 1: 1, 2: 6, 3: 0, 4: 9}[seed]
        assert trusted[seed] == token_ids[:prompt] + best[prompt:]
    assert trusted != drafted


def test_a_prefix_is_kept_up_to_the_first_rejection() -> None:
    """Everything is drafted at once; the bound is what half of it reaches."""
    drafted_ids, said = judged_at_once(NETWORK)
    reached = said.gather(-1, drafted_ids[:, None]).squeeze()
    bound, seen = reached.median().item(), {}
    for acceptance in ("position", "prefix"):
        sampler = replace(JUDGED, rule="confidence", threshold=bound, acceptance=acceptance)
        seen[acceptance] = (after_a_round(sampler, NETWORK) == MASK).tolist()
    assert seen["position"] == (reached < bound).tolist()
    first = seen["position"].index(True)
    assert seen["prefix"] == [False] * first + [True] * (12 - first)
    assert False in seen["position"][first:]


def test_a_verifier_that_puts_its_own_tokens_has_the_last_word() -> None:
    """One token a round, each replaced where the models differ: the verifier's own text."""
    in_order = Threshold(threshold=2.0, blocks=LeftToRight(1), filter=GREEDY)
    sampler = DraftVerify(
        drafter=in_order,
        num_draft_passes=1,
        rule="exact",
        view="pre-draft",
        replaced_from=0.0,
        num_committed=0,
    )
    verified = tokens(generated(sampler, DrafterVerifierPair(OTHER, NETWORK)))
    assert verified == tokens(generated(in_order, NETWORK))
    assert verified != tokens(generated(in_order, OTHER))


@pytest.mark.parametrize("acceptance", ["position", "prefix"])
def test_only_the_first_rejected_token_is_replaced_and_only_by_one_that_is_sure(
    acceptance: str,
) -> None:
    drafted_ids, said = judged_at_once(OTHER)
    differs = (said.argmax(-1) != drafted_ids).tolist()
    first = differs.index(True)
    sure, best = (each[first].item() for each in said.max(dim=-1))
    for replaced_from, expected in ((sure - 1e-4, best), (sure + 1e-4, MASK)):
        sampler = replace(JUDGED, rule="exact", acceptance=acceptance, replaced_from=replaced_from)
        token_ids = after_a_round(sampler, DrafterVerifierPair(OTHER, NETWORK))
        assert token_ids[first].item() == expected
        for n in range(first + 1, 12):
            is_masked = differs[n] or acceptance == "prefix"
            assert (token_ids[n] == MASK) == is_masked
    assert any(differs[first + 1 :])


def test_each_verification_reveals_the_surest_masks() -> None:
    """A drafter of one token per pass, and two more per verification."""
    sampler = DraftVerify(
        drafter=ONE_BY_ONE, num_draft_passes=1, rule="trust", view="in-place", num_committed=2
    )
    for result in generated(sampler).values():
        num_wanted = int((result.request.given_ids == MASK).sum())
        assert result.trunk_passes == 2 * -(-num_wanted // 3)


def test_two_models_draft_and_verify() -> None:
    sampler = DraftVerify(drafter=DRAFTER, rule="exact", view="shadow", num_committed=0)
    team = DrafterVerifierPair(OTHER, NETWORK)
    assert tokens(generated(sampler, team)) != tokens(generated(sampler, NETWORK))
    unchecked = DraftVerify(drafter=DRAFTER, rule="confidence", threshold=0.0, num_committed=0)
    assert tokens(generated(unchecked, team)) == tokens(generated(DRAFTER, OTHER))


class Counting:
    """A predictor that counts what is asked of it, one sequence at a time."""

    def __init__(self, network) -> None:
        self._network, self.passes, self.tokens, self.pairs = network, 0, 0, 0

    def __getattr__(self, name: str):
        return getattr(self._network, name)

    def draft(self, token_ids, positions):
        self._note(token_ids.numel(), token_ids.numel())
        return self._network.draft(token_ids, positions)

    def shadowed(self, token_ids, positions, shadows):
        # Something was drafted in every round, so none of the columns is padding.
        self._note(token_ids.numel() + shadows.numel(), token_ids.numel())
        return self._network.shadowed(token_ids, positions, shadows)

    def _note(self, num_queries: int, num_keys: int) -> None:
        self.passes += 1
        self.tokens += num_queries
        self.pairs += num_queries * num_keys


@pytest.mark.parametrize("view", VIEWS)
def test_what_two_models_cost_is_told_apart(view: str) -> None:
    sampler = DraftVerify(drafter=DRAFTER, view=view, threshold=0.05, num_committed=2)
    drafter, verifier = Counting(OTHER), Counting(NETWORK)
    found = generated(sampler, DrafterVerifierPair(drafter, verifier), num_slots=1).values()

    def spent(found) -> Cost:
        return sum((result.cost for result in found), start=Cost.none())

    def ran(counting: Counting) -> Work:
        return Work(counting.passes, counting.tokens, counting.pairs)

    assert (spent(found).drafter, spent(found).trunk) == (ran(drafter), ran(verifier))
    assert drafter.passes > verifier.passes
    one = Counting(NETWORK)
    found = generated(sampler, DrafterVerifierPair(one, one), num_slots=1).values()
    assert (spent(found).drafter, spent(found).trunk) == (Work.none(), ran(one))


def test_to_other_samplers_a_team_is_its_verifier() -> None:
    team = DrafterVerifierPair(OTHER, NETWORK)
    wino = Wino(draft_threshold=0.08, keep_threshold=0.05, block_length=8, filter=GREEDY)
    for sampler in (DRAFTER, cached(Dual(6)), wino):
        by_team, by_verifier = generated(sampler, team), generated(sampler, NETWORK)
        assert tokens(by_team) == tokens(by_verifier) != tokens(generated(sampler, OTHER))
        for seed, result in by_team.items():
            assert result.cost.trunk.pairs == by_verifier[seed].cost.trunk.pairs
            assert result.cost.drafter.passes == 0


def test_a_verifier_without_shadows_is_refused() -> None:
    dream = random_network(CONFIGS["Dream"])
    for predictor in (
        dream,
        DrafterVerifierPair(NETWORK, dream),
        DrafterVerifierPair(NETWORK, MarkovChain.random(64, 1, 0)),
    ):
        for sampler in (DraftVerify(drafter=DRAFTER), Wino()):
            with pytest.raises(ConfigError, match="cannot be asked about tokens that are there"):
                generated(sampler, predictor)
        generated(
            DraftVerify(drafter=DRAFTER, view="in-place"), DrafterVerifierPair(NETWORK, dream)
        )


@pytest.mark.parametrize("rule", ["kl", "reverse-kl"])
def test_a_divergence_is_from_what_the_draft_was_drawn_from(rule: str) -> None:
    """One model drafts everything at once, another judges; the bound is the median distance."""
    given_ids, place, draws = torch.full((1, 12), MASK), torch.arange(12)[None], SeededDraws([0])
    everything = Threshold(threshold=0.0, filter=GREEDY)
    drafted_from = OTHER.draft(given_ids, place).log_probs
    drafted_ids = drafted_from.argmax(-1)
    said = NETWORK.shadowed(drafted_ids, place[:, :1], place).of_shadows
    pair = (said, drafted_from) if rule == "kl" else (drafted_from, said)
    distance = divergence(*pair)[0]
    sampler = DraftVerify(
        drafter=everything,
        num_draft_passes=1,
        rule=rule,
        kl_bound=distance.median().item(),
        num_committed=0,
    )
    state = sampler.init(given_ids, mask_id=MASK, draws=draws)
    state, _ = sampler.step(state, DrafterVerifierPair(OTHER, NETWORK), draws)
    assert (state.token_ids[0] == MASK).tolist() == (distance > distance.median()).tolist()


@pytest.mark.parametrize("view", ["in-place", "shadow"])
@pytest.mark.parametrize("cache", [Prefix(6), Dual(6), Delayed(4, 6)], ids=str)
def test_the_verifiers_pass_renews_what_the_drafter_remembers(cache, view) -> None:
    sampler = DraftVerify(
        drafter=cached(cache),
        num_draft_passes=2,  # within a block: no whole pass of its own comes last
        rule="confidence",
        threshold=0.0,  # nothing is rejected, so nothing is forgotten
        view=view,
    )
    given_ids, draws = torch.tensor([[3, 1, 4] + [MASK] * 12]), SeededDraws([0])
    state = sampler.init(given_ids, mask_id=MASK, draws=draws)
    state, info = sampler.step(state, NETWORK, draws)
    memory = state.drafter.memory
    assert (memory.run_ids != PAD).all()
    same = memory.run_ids == state.token_ids
    whole = NETWORK.forward_cached(
        memory.run_ids, torch.tensor([[3]]), is_query=torch.ones_like(same), memory=memory
    )
    torch.testing.assert_close(memory.keys_values, whole.memory.keys_values)
    assert state.drafter.age.tolist() == [1]
    num_shadows = 5 if view == "shadow" else 0
    assert info.trunk.tokens.item() < 15 * info.trunk.passes.item() + num_shadows


@pytest.mark.parametrize("view", ["in-place", "shadow"])
def test_what_is_rejected_is_forgotten_and_a_block_begins_without_a_whole_pass(view) -> None:
    drafter = cached(Dual(3), Threshold(threshold=1.0, blocks=LeftToRight(3)))
    sampler = DraftVerify(
        drafter=drafter, num_draft_passes=4, rule="confidence", threshold=0.5, view=view
    )
    given_ids, draws = torch.tensor([[3, 1, 4] + [MASK] * 12]), SeededDraws([0])
    state = sampler.init(given_ids, mask_id=MASK, draws=draws)
    state, _ = sampler.step(state, NETWORK, draws)
    memory, is_masked = state.drafter.memory, state.token_ids == MASK
    is_rejected = state.num_remasked > 0
    assert is_rejected.any() and (is_masked & ~is_rejected).any() and not state.is_done.any()
    assert (memory.run_ids[is_rejected] == PAD).all()
    assert (memory.run_ids[~is_rejected] != PAD).all()
    following = drafter.step(state.drafter, NETWORK, draws)[1]
    assert following.trunk.tokens.item() == 3
    assert following.trunk.pairs.item() <= 3 * (15 - is_rejected.sum().item() + 3)


@pytest.mark.parametrize("drafter", [Klass(threshold=0.05), SemiAutoregressive(num_steps=20)])
def test_other_samplers_can_draft(drafter) -> None:
    for result in generated(DraftVerify(drafter=drafter, threshold=0.05)).values():
        assert (result.token_ids != MASK).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_draft_passes": 0}, "num_draft_passes must be at least 1, got 0"),
        ({"threshold": -0.1}, "threshold must be a number of at least 0"),
        ({"kl_bound": float("nan")}, "kl_bound must be a number of at least 0, got nan"),
        ({"replaced_from": -1.0}, "replaced_from must be a number of at least 0"),
        ({"max_remasked": -1}, "max_remasked must be at least 0"),
        ({"num_committed": -1}, "num_committed must be at least 0"),
    ],
)
def test_choices_that_cannot_work_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DraftVerify(**values)
