"""The trunk in 8-bit integers, for a CPU that multiplies them faster than floats.

Dynamic quantisation: weights are rounded once, to 255 levels per matrix; the inputs of each
product are rounded as they come. Embeddings, attention, norms and the tail stay as they are. The
law changes by what rounding does: on text8s-any the drafts move by about 0.02 nats of KL a
position, a hundred times as much as in bf16, and where a CPU has bf16 products they are no faster
(docs/performance.md).
"""

import warnings

import torch

from unmask.errors import ConfigError
from unmask.files.tensors import weights_fingerprint
from unmask.network.hybrid import HybridTransformer


def quantise_trunk(network: HybridTransformer) -> None:
    """Replace the trunk's matrices by 8-bit ones, in place. For sampling only.

    Raises:
        ConfigError: the network is not on a CPU, not in float32, or torch cannot quantise.
    """
    if network.device.type != "cpu" or network.embedding.weight.dtype != torch.float32:
        raise ConfigError(
            "8-bit products start from float32 weights on a CPU; this network is "
            f"{network.embedding.weight.dtype} on {network.device}. On a GPU use bf16."
        )
    try:
        from torch.ao.quantization import quantize_dynamic
    except ImportError as error:
        raise ConfigError(
            f"torch {torch.__version__} has no dynamic quantisation (torch.ao). Use bf16, or a "
            "torch that has it (2.13 does)."
        ) from error
    network.known_fingerprint = weights_fingerprint(network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is moving it to torchao, and says so
        network.trunk = quantize_dynamic(network.trunk, {torch.nn.Linear}, dtype=torch.qint8)
