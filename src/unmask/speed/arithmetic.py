"""How much arithmetic a step of training is, and how long a GPU that is not here would take.

The operations are counted while the step runs, two for each multiplication of a matrix product,
forwards and backwards; nothing else is counted. A GPU then takes

    operations / (0.4 times its peak),

where the peak is that of its data sheet for dense products in bf16, and 0.4 a share that well-kept
training code reaches on networks of some size: small ones reach less.
"""

from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from unmask.errors import ConfigError, did_you_mean

PEAKS = {
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX4090": 165e12,
    "T4": 65e12,
}
"""Operations per second, dense products in bf16 (T4: fp16), by the makers' data sheets."""
_SHARE = 0.4


def count_operations(step: Callable[[], torch.Tensor]) -> int:
    """Of the matrix products of a loss and its gradients."""
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):  # fused kernels are not all counted
        step().backward()
    return int(counter.get_total_flops())


def seconds_on(gpu: str, operations: float) -> float:
    """What a GPU would take. Raises `ConfigError` if nothing is known of it."""
    known = {name.lower(): name for name in PEAKS}
    name = known.get(gpu.lower().replace(" ", "").replace("-", ""))
    if name is None:
        raise ConfigError(
            f"nothing is known of the GPU {gpu!r:.40}.{did_you_mean(gpu, PEAKS)} Choose one of: "
            f"{', '.join(PEAKS)}."
        )
    return operations / (_SHARE * PEAKS[name])
