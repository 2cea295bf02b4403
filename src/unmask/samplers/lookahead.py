"""Look-ahead sampling: try a few ways to go on, and take one after which little is uncertain.

A step has the prediction of its state, and

    pool      the `pool_size` masked positions where the most probable token is most probable
    paths     `num_paths` of: a uniformly random set of `num_tokens` positions of the pool,
              filled with tokens drawn from the prediction
    predict   all paths, as one batch
    score     minus the entropy of the path's prediction, mean over what is still masked
    choose    one path, with probability proportional to exp(score / T)

The prediction of the chosen path is the next step's, so a step costs `num_paths` passes; the
first one costs one more. A step that reveals all that is masked has nothing to look ahead to:
it takes the first path, and costs no pass of its own.

Source: Lee et al. (2025), arXiv:2511.05563. Ours, where it leaves things open: paths are drawn
independently of one another, so two may take the same set; scores are of the predictor's own
distribution, before temperature and top-p.
"""

import math
from dataclasses import dataclass, field

import torch

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.samplers.common import columns, lookahead_state, masked_state, scores, subsets
from unmask.samplers.common.lookahead_state import LookaheadState
from unmask.samplers.common.masked_state import MaskedState, Prediction
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class Lookahead(SamplerRule):
    """How a sampler that looks ahead spends its passes."""

    name = "lookahead"
    num_paths: int = 2
    """Ways to go on that a step compares: its trunk passes."""
    num_tokens: int = 2
    """Tokens that a step reveals; fewer only if no more are masked."""
    pool_size: int = 5
    """Positions that a path may reveal, the surest ones; at least `num_tokens`."""
    choice_temperature: float = 0.1
    """T, in nats: how freely a path is chosen; 0 takes the best. Scores differ by hundredths."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the prediction."""

    def __post_init__(self) -> None:
        for name in ("num_paths", "num_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"Lookahead.{name} must be at least 1, got {getattr(self, name)}: a step "
                    "takes a path, and reveals a token or more. 2 is a good start for both."
                )
        if self.pool_size < self.num_tokens:
            raise ConfigError(
                f"Lookahead.pool_size must be at least num_tokens, got {self.pool_size} for "
                f"{self.num_tokens}: a path takes its positions from the pool. With equal sizes "
                "all paths take the same positions, and differ by their tokens only."
            )
        if not 0 <= self.choice_temperature < math.inf:
            raise ConfigError(
                "Lookahead.choice_temperature must be a number of at least 0, got "
                f"{self.choice_temperature}: it divides the scores of the paths. 0 takes the "
                "best path, 0.1 is a good start."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> LookaheadState:
        """All that is not given is masked; nothing is foreseen."""
        return lookahead_state.start(given_ids, mask_id=mask_id)

    def step(
        self, state: LookaheadState, predictor: Predictor, draws: Draws
    ) -> tuple[LookaheadState, Cost[Counts]]:
        """One path of a few, and the prediction that it leads to."""
        prediction = state.completed(predictor, state.is_masked)
        paths, revealed = self._paths(state, prediction, draws)
        chosen = self.num_paths * torch.arange(len(state.token_ids), device=predictor.device)
        looks_ahead = ~paths.is_done[chosen]  # all paths of a sequence are done, or none is
        rows = looks_ahead.nonzero().squeeze(1)
        if len(rows):
            ahead = (~paths.is_done).nonzero().squeeze(1)
            seen = masked_state.predict(predictor, paths.token_ids[ahead], paths.is_masked[ahead])
            choice = self._choose(seen, draws.rows(rows))
            chosen[rows] += choice
            place = torch.zeros_like(chosen)
            place[rows] = self.num_paths * torch.arange(len(rows), device=rows.device) + choice
            prediction = seen.select(place)  # any of them for those that are done

        passes = state.needs_pass.long() + self.num_paths * looks_ahead.long()
        cost = Cost.of_passes(passes, state.token_ids, revealed.accepted[chosen])
        return lookahead_state.reached(paths.select(chosen), prediction), cost

    def _paths(
        self, state: LookaheadState, prediction: Prediction, draws: Draws
    ) -> tuple[MaskedState, Cost[Counts]]:
        """`num_paths` states one step ahead, of one sequence after another."""
        window, log_probs = prediction.window, prediction.log_probs
        shape = (len(state.token_ids), self.num_paths, -1)
        sequence = torch.arange(len(state.token_ids), device=log_probs.device)
        sequence = sequence.repeat_interleave(self.num_paths)

        pool_size = torch.full_like(state.num_masked, self.pool_size)
        is_pool = scores.top(log_probs.amax(dim=-1), window.in_window, pool_size)
        log_weights = torch.zeros_like(log_probs[..., 0]).masked_fill(~is_pool, -torch.inf)
        num_taken = state.num_masked.clamp(max=self.num_tokens)
        is_taken = subsets.draw(
            log_weights[:, None].expand(shape), num_taken[:, None].expand(shape[:2]), draws
        ).flatten(0, 1)

        taken = columns.of_positions(is_taken)  # the columns that a path takes, side by side
        drawn_log_probs = log_probs[sequence[:, None], taken.positions]
        drawn_ids = self.filter.draw(
            drawn_log_probs.reshape(*shape, log_probs.shape[-1]),
            taken.in_window.reshape(shape),
            draws,
        ).flatten(0, 1)
        token_ids = torch.zeros_like(is_taken.long()).scatter(1, taken.positions, drawn_ids)
        every_column = window.select(sequence)
        return masked_state.reveal(state.bare.select(sequence), every_column, is_taken, token_ids)

    def _choose(self, seen: Prediction, draws: Draws) -> Counts:
        """A path for each sequence that looks ahead."""
        in_window = seen.window.in_window
        entropy = scores.entropy(seen.log_probs).masked_fill(~in_window, 0.0)
        score = -(entropy.sum(dim=1) / in_window.sum(dim=1)).reshape(-1, self.num_paths)
        if self.choice_temperature < _COLDEST:
            return score.argmax(dim=1)
        everywhere = torch.ones_like(score[:, 0], dtype=torch.bool)
        return draws.categorical(score / self.choice_temperature, where=everywhere)


_COLDEST = 1e-30  # dividing by less overflows; what is left is the best path anyway
