"""How far a sampler's law q lies from a distribution p that is known exactly.

On an exact predictor (a Markov chain, say) every draft is a true conditional of p, so the
divergence of q from p is all the sampler's own. Its way w to a sequence x is the sets of
positions S_1, S_2, ... that it reveals, pass by pass. If a set depends on chance, and on what
was revealed before, but not on the tokens drawn in the same pass,

    q(x, w) = prod_t rule(S_t | revealed)  prod_t prod_{i in S_t} draft_t(x_i).

With the same rule let p(x, w) = p(x) prod_t rule(S_t | revealed): drawn from p, uncovered along
such a way. In the ratio of the two the rule cancels, and by the chain rule of the divergence

    E_q [ sum_t sum_{i in S_t} log draft_t(x_i)  -  log p(x) ]
        =  KL(q(x, w) || p(x, w))  =  KL(q(x) || p(x))  +  E_q KL(q(w | x) || p(w | x)).

So the mean over samples of what stands in brackets is the divergence itself where the rule
leaves nothing to chance (w follows from x), and an upper bound where it draws.

A sampler that verifies has q = p on an exact predictor: each of its tokens follows a target,
which is a true conditional too. Rules that look at the drawn tokens (the confidence of the
token drawn) or take tokens back have no such formula.

Source: docs/exact-quality.md; the chain rule: Cover & Thomas (2006), "Elements of information
theory", theorem 2.5.3.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws, SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.exact import ExactPredictor
from unmask.predictors.protocol import Draft
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.dilated import Dilated
from unmask.samplers.entropy_bounded import EntropyBounded
from unmask.samplers.first_hitting import FirstHitting
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.learned_policy import LearnedPolicy
from unmask.samplers.sampler import Sampler, sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly
from unmask.samplers.top_k import TopK
from unmask.shapes import Counts, TokenIds, WindowIds
from unmask.speculation.filters import Filter

Reading = Literal["zero", "equal", "at most", "unknown"]
"""What the mean log-ratio of a sampler says of its divergence."""


class LogRatios(NamedTuple):
    """Samples of one sampler on an exact predictor."""

    nats: Float[Tensor, " n"]
    """log q(x, w) - log p(x, w) of each; their mean is the divergence, or a bound on it."""
    trunk_passes: Counts
    """Made for each."""


def reading_of(sampler: Sampler) -> Reading:
    """Whether the mean log-ratio is the divergence, a bound on it, or of no use."""
    if isinstance(sampler, SelfSpeculative | TargetOnly):
        return "zero" if sampler.filter == Filter() else "unknown"
    if isinstance(sampler, FixedPartition):
        return "at most" if sampler.order in ("random", "spaced") else "equal"
    if isinstance(sampler, TopK):
        return "at most" if sampler.choice_temperature > 0 else "equal"
    if isinstance(sampler, EntropyBounded | Dilated):
        return "equal"
    if isinstance(sampler, Ancestral | FirstHitting | LearnedPolicy):
        return "at most"
    return "unknown"


def _ignore(num_samples: int) -> None:
    pass


def log_ratios(
    predictor: ExactPredictor,
    sampler: Sampler,
    *,
    length: int,
    num_samples: int,
    seed: int,
    batch_size: int = 64,
    observe: Callable[[int], None] = _ignore,
) -> LogRatios:
    """Samples with the seeds seed, seed + 1, ...; `observe` is told how many are done.

    Raises `ConfigError` for a sampler whose `reading_of` is neither "equal" nor "at most".
    """
    parts = []
    for seeds in torch.arange(seed, seed + num_samples).split(batch_size):
        shape = (len(seeds), length)
        given_ids = torch.full(shape, predictor.vocab_size, device=predictor.device)
        draws = SeededDraws(seeds.tolist(), predictor.device)
        parts.append(log_ratios_of(predictor, sampler, given_ids, draws))
        observe(sum(len(part.nats) for part in parts))
    nats, trunk_passes = (torch.cat(column) for column in zip(*parts, strict=True))
    return LogRatios(nats, trunk_passes)


def log_ratios_of(
    predictor: ExactPredictor, sampler: Sampler, given_ids: TokenIds, draws: Draws
) -> LogRatios:
    """One sample for each row of `given_ids`; p is then conditioned on what is given.

    Raises `ConfigError` as `log_ratios` does.
    """
    if reading_of(sampler) not in ("equal", "at most"):
        raise ConfigError(
            f"there is no formula for the way that {type(sampler).__name__} takes: it does not "
            "choose positions before it draws their tokens, or it verifies what it drew. "
            "Estimate its divergence from samples, or choose another sampler."
        )
    watched = _Watched(predictor, sampler, given_ids)
    samples = sample(watched, sampler, given_ids, draws, watched.note)
    log_prob = predictor.log_prob(samples.token_ids) - predictor.log_prob(given_ids)
    return LogRatios(watched.log_prob - log_prob, samples.trunk_passes)


class _Watched:
    """A predictor that adds up, step by step, the log-probability of what a sampler draws."""

    def __init__(self, predictor: ExactPredictor, sampler: Any, given_ids: TokenIds) -> None:
        self.vocab_size, self.device = predictor.vocab_size, predictor.device
        self.log_prob = torch.zeros(len(given_ids), dtype=torch.float64, device=given_ids.device)
        self._predictor, self._filter = predictor, sampler.filter
        self._token_ids = given_ids.clone()
        self._seen, self._posterior = given_ids[:0], torch.empty(0)

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        self._seen, self._posterior = token_ids.clone(), self._predictor.posterior(token_ids)
        return Draft(self._posterior.take_along_dim(positions[..., None], dim=1), None)

    def note(self, state: Any, cost: Cost[Counts], rows: Tensor) -> None:
        before, after = self._token_ids[rows], state.token_ids
        is_revealed = before != after
        changed = is_revealed.any(dim=1).nonzero().squeeze(1)
        if not len(changed):
            return  # a step that reveals nothing may have made no pass
        # The pass was about all sequences, or about those that it changed.
        passed = changed if len(self._seen) == len(rows) else torch.arange(len(self._seen))
        assert torch.equal(self._seen[passed], before[changed]), "a pass saw something else"
        drawn = after[changed].clamp(max=self.vocab_size - 1)[..., None]
        log_probs = self._filter(self._posterior[passed]).gather(-1, drawn).squeeze(-1)
        total = log_probs.masked_fill(~is_revealed[changed], 0.0).sum(dim=1)
        self.log_prob[rows[changed]] += total
        self._token_ids[rows] = after


def bits_per_token(nats: Float[Tensor, " n"], length: int) -> Float[Tensor, " n"]:
    """Nats of whole sequences as bits of each of their tokens."""
    return nats.double() / (length * math.log(2))
