"""Tensors in safetensors, settings in JSON; written whole or not at all.

Reading them runs no code. A matrix may be kept in eight bits, a whole number q and a scale for
each row, which is a quarter of float32 and is read as float32 again:

    w_ij  ~  s_i q_ij,     s_i = max_j |w_ij| / 127,     |error| <= s_i / 2.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask.errors import CheckpointError
from unmask.files.atomic import replacing
from unmask.files.reading import check_is_regular, dumps, loads, read_text

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """One safetensors file, whole or not at all."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as draft:
        draft.touch()
        mode = draft.stat().st_mode  # safetensors would let nobody but the owner read the file
        try:
            save_file(contiguous, draft, metadata={"format": "pt"})
        except SafetensorError as error:  # how safetensors reports a full disk
            raise OSError(str(error)) from error
        draft.chmod(mode)


_SCALE = ".scale"


def in_eight_bits(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices as whole numbers, with a scale for each row beside them; the rest as it is."""
    found = dict[str, Tensor]()
    for name, tensor in tensors.items():
        if tensor.ndim != 2 or not tensor.is_floating_point():
            found[name] = tensor
            continue
        exact = tensor.detach().float()
        scale = exact.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        found[name] = (exact / scale[:, None]).round().to(torch.int8)
        found[name + _SCALE] = scale
    return found


def _widened(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The matrices that `in_eight_bits` made, in float32. Raises `CheckpointError`."""
    scales = {name: tensors.pop(name) for name in list(tensors) if name.endswith(_SCALE)}
    for name, scale in scales.items():
        own = name.removesuffix(_SCALE)
        whole = tensors.get(own)
        if (
            whole is None
            or whole.dtype != torch.int8
            or whole.ndim != 2
            or scale.shape != whole.shape[:1]
            or scale.dtype != torch.float32
        ):
            raise CheckpointError(
                f"{path}: {name!r} is the scale of no matrix in eight bits. Fetch or write it "
                "again."
            )
        tensors[own] = whole.float() * scale[:, None]
    return tensors


_MOST_BYTES = 2**44


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file.

    Raises:
        CheckpointError: the file is missing, cut short or damaged.
    """
    try:
        check_is_regular(path, most=_MOST_BYTES)
        tensors: dict[str, Tensor] = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} does not exist. A model folder needs {CONFIG_FILE} and {WEIGHTS_FILE}."
        ) from error
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({error}). Fetch or write it again."
        ) from error
    for name, tensor in tensors.items():
        check_is_finite(name, tensor, path)
    return _widened(tensors, path)


def check_is_finite(name: str, tensor: Tensor, source: Path) -> None:
    """Raise `CheckpointError` if something in a tensor is no number, or infinite."""
    if not tensor.is_floating_point() or not tensor.numel():
        return
    smallest, largest = tensor.aminmax()  # one look at it, and NaN comes through
    if not (smallest.isfinite() and largest.isfinite()):
        raise CheckpointError(
            f"{source}: the tensor {name!r} holds what is no number, or infinite. A training that "
            "diverged leaves such weights. Fetch them again, or take an earlier checkpoint."
        )


def write_json(path: Path, value: dict[str, Any]) -> None:
    """One JSON file, whole or not at all."""
    with replacing(path) as draft:
        draft.write_text(dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object.

    Raises:
        CheckpointError: the file is missing or is not a JSON object.
    """
    try:
        value = loads(read_text(path))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read as JSON ({error}). A model folder needs {CONFIG_FILE} and "
            f"{WEIGHTS_FILE}."
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} must hold a JSON object, found a {type(value).__name__}.")
    return value


def weights_fingerprint(network: torch.nn.Module) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the weights, each rounded to bf16.

    So it is the same in whatever precision a network was opened; one whose weights were put into
    another form since says what it was before (`known_fingerprint`).
    """
    known: str | None = getattr(network, "known_fingerprint", None)
    if known:
        return known
    return fingerprint_of(network.state_dict())


def fingerprint_of(weights: Mapping[str, Tensor]) -> str:
    """`weights_fingerprint` of the network that has these."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(bytes_of(tensor))
    return digest.hexdigest()[:16]


def bytes_of(tensor: Tensor) -> bytes:
    """What is hashed of a tensor: its values rounded to bf16."""
    rounded = tensor.detach().cpu().bfloat16().contiguous()
    return rounded.view(torch.int16).numpy().tobytes()


def check_fits(model: torch.nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Raise `CheckpointError` if names or shapes of weights differ from a network's; says which.

    The network may be one on the device meta, which has no room for weights.
    """
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if wanted != found:
        differing = sorted(n for n in wanted.keys() | found if wanted.get(n) != found.get(n))
        name = differing[0]
        raise CheckpointError(
            f"{source} does not fit its {CONFIG_FILE}: {len(differing)} tensors differ, first "
            f"{name!r}: the config asks for {wanted.get(name, 'none')}, the file has "
            f"{found.get(name, 'none')}. The two files come from different models."
        )


def load_weights(model: torch.nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Fill a network with weights that must fit it exactly. Raises as `check_fits`."""
    check_fits(model, tensors, source)
    model.load_state_dict(tensors)
