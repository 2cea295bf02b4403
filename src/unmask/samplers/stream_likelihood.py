"""The likelihood of the stream's law, that of every sampler that is lossless.

    log p(x) = sum_s log stream_s(x_sigma(s) | x_sigma(0..s-1))

exactly, from one pass: the slots of a causal trunk do not see what comes later.
"""

import torch
from jaxtyping import Float

from unmask.predictors.stream import StreamPredictor
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.lossless import Lossless
from unmask.samplers.lossless_branching import LosslessBranching
from unmask.shapes import Counts, Order, TokenIds

StreamLaw = Lossless | LosslessBranching | Autoregressive
"""The samplers that follow the stream's law."""


def stream_nats(
    predictor: StreamPredictor,
    sampler: StreamLaw,
    token_ids: TokenIds,
    order: Order,
    num_given: Counts,
) -> Float[torch.Tensor, "B L"]:
    """-log p of the token at each slot of the order, under the sampler's filter; 0 if given."""
    batch_size, length = token_ids.shape
    last = torch.full((batch_size,), length - 1, device=token_ids.device)
    found = predictor.extend(
        token_ids, order, first=last, window=0 * last, num_columns=0, num_laws=length
    )
    law = sampler.filter(found.law_log_probs)
    nats = -law.double().gather(-1, token_ids.gather(1, order)[..., None]).squeeze(-1)
    slots = torch.arange(length, device=token_ids.device)
    return nats.masked_fill(slots < num_given[:, None], 0.0)
