"""What an error head is trained on: guesses of the frozen model beside the text they stand for.

    x0 from the text,   i ~ uniform on 0..L-1 tokens revealed at random places,   M masked
    x^_l ~ draft_l( . | revealed)  for l in M,  x^_l = x0_l elsewhere        one trunk pass
    e = head(trunk features of x^)                                           one trunk pass
    loss = mean over l in M of  - y log s(e_l) - (1 - y) log s(-e_l),   y = [x^_l != x0_l]

with s the sigmoid. Only drawn tokens count: in the sampler every token that may be masked again
was drawn once. The loss is smallest where s(e_l) = P(x^_l != x0_l | x^, l in M).

It says nothing that was not known when the guess was drawn: given what is revealed, the tokens
of a guess do not depend on each other nor on x0, so P(x^_l != x0_l | revealed, x^) = 1 - c_l,
where c_l is the true probability of x^_l. On these labels no head orders tokens better than the
confidence of an exact draft. What a head can add is that it judges anew in every step, where
the sampler knows the confidence of a token from the step that drew it.

Source: Meshchaninov et al. (2025), arXiv:2510.08369, who count all positions; the remark is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from unmask.draws import Draws, SeededDraws, stream_seed
from unmask.network.error_head import ErrorHead, trunk_features
from unmask.network.hybrid import HybridTransformer
from unmask.predictors.protocol import Predictor
from unmask.process import masking
from unmask.shapes import TokenIds
from unmask.training.objective import corrupt


@dataclass(frozen=True)
class Guesses:
    """Full guesses, and where they are wrong."""

    token_ids: TokenIds
    is_drawn: Bool[Tensor, "B L"]
    """M: which of them the model drew."""
    is_error: Bool[Tensor, "B L"]
    """y; nowhere else than in M."""
    confidence: Float[Tensor, "B L"]
    """c: the draft's probability of what was drawn; meaningless elsewhere."""


def draw_guesses(
    predictor: Predictor, token_ids: TokenIds, is_masked: Bool[Tensor, "B L"], draws: Draws
) -> Guesses:
    """One trunk pass over the sequences with some tokens masked, and a token for each of them."""
    positions = torch.arange(token_ids.shape[1], device=token_ids.device).expand_as(token_ids)
    masked_ids = token_ids.masked_fill(is_masked, predictor.vocab_size)
    log_probs = predictor.draft(masked_ids, positions).log_probs
    drawn_ids = draws.categorical(log_probs, where=is_masked)
    guess_ids = torch.where(is_masked, drawn_ids, token_ids)
    confidence = log_probs.double().gather(-1, guess_ids[..., None]).squeeze(-1).exp()
    return Guesses(guess_ids, is_masked, guess_ids != token_ids, confidence)


def random_guesses(network: HybridTransformer, token_ids: TokenIds, seed: int) -> Guesses:
    """Guesses with i stratified over the batch, as the network itself was trained."""
    corruption = corrupt(stream_seed(seed, _MASKS), *token_ids.shape)
    is_masked = ~masking.is_revealed(corruption.order, corruption.num_revealed)
    seeds = [stream_seed(seed, _TOKENS, row) for row in range(len(token_ids))]
    device = network.device
    return draw_guesses(
        network, token_ids.to(device), is_masked.to(device), SeededDraws(seeds, device)
    )


_MASKS, _TOKENS = range(2)  # purposes of the random streams


def error_nats(logits: Float[Tensor, "B L"], guesses: Guesses) -> Float[Tensor, "B L"]:
    """The loss of each drawn token in nats, 0 for the others."""
    labels = guesses.is_error.to(logits.dtype)
    nats = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return nats.masked_fill(~guesses.is_drawn, 0.0)


def error_loss(logits: Float[Tensor, "B L"], guesses: Guesses) -> Float[Tensor, ""]:
    """Nats per drawn token: each counts the same, wherever it was drawn."""
    return error_nats(logits, guesses).sum() / guesses.is_drawn.sum()


def area_under_curve(score: Float[Tensor, " n"], is_error: Bool[Tensor, " n"]) -> float:
    """P(an error has a higher score than a token that is right), ties counted half.

    The area under the curve of hits against false alarms (Mann and Whitney's U); 0.5 is chance,
    and what is said where there are no errors or nothing else.
    """
    _, place, ties = score.double().unique(return_inverse=True, return_counts=True)
    rank = ties.cumsum(0) - (ties - 1) / 2  # counted from 1, the mean of ties
    num_errors = int(is_error.sum())
    num_pairs = num_errors * (len(score) - num_errors)
    if not num_pairs:
        return 0.5
    excess = rank[place][is_error].sum().item() - num_errors * (num_errors + 1) / 2
    found: float = excess / num_pairs
    return found


@dataclass(frozen=True)
class ErrorValidation:
    """How well errors are told, on the same guesses by the head and by confidence."""

    loss: float
    """Nats per drawn token of the head."""
    auc: float
    """`area_under_curve` of the head."""
    confidence_loss: float
    """The same of 1 - c as the probability of an error: the draft's own."""
    confidence_auc: float
    error_rate: float
    """Share of drawn tokens that are wrong."""
    num_tokens: int
    """Drawn tokens in all."""


@torch.inference_mode()
def validate(
    network: HybridTransformer, head: ErrorHead, batches: Sequence[Guesses]
) -> ErrorValidation:
    """Judge guesses that were drawn before."""
    scores, labels, confidence = [], [], []
    for guesses in batches:
        logits = head(trunk_features(network, guesses.token_ids))
        scores.append(logits[guesses.is_drawn])
        labels.append(guesses.is_error[guesses.is_drawn])
        confidence.append(guesses.confidence[guesses.is_drawn])
    score, label, sure = torch.cat(scores).double(), torch.cat(labels), torch.cat(confidence)
    own = torch.where(label, 1 - sure, sure).clamp(min=torch.finfo(torch.float32).tiny)
    return ErrorValidation(
        loss=F.binary_cross_entropy_with_logits(score, label.double()).item(),
        auc=area_under_curve(score, label),
        confidence_loss=-own.log().mean().item(),
        confidence_auc=area_under_curve(-sure, label),
        error_rate=label.double().mean().item(),
        num_tokens=len(label),
    )
