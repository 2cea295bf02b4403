"""A folder as LLaDA and Dream are published: config.json, safetensors, tokenizer.json.

Weights lie in model.safetensors, or in several files that model.safetensors.index.json lists.
Each tensor goes from its file straight to the type and the device it is wanted in, so that the
model is never held twice. Opening a folder runs no code of its own.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from unmask.dllm.config import DllmConfig
from unmask.dllm.network import DllmNetwork
from unmask.dllm.weight_names import published_names
from unmask.errors import CheckpointError, ConfigError
from unmask.files.tensors import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    check_is_finite,
    fingerprint_of,
    read_json,
    write_json,
    write_tensors,
)
from unmask.network.tail_folder import mark_of

INDEX_FILE = "model.safetensors.index.json"


def read_config(folder: Path) -> DllmConfig:
    """What config.json says. Raises `CheckpointError` if it is not of such a model."""
    try:
        return DllmConfig.from_json(read_json(folder / CONFIG_FILE))
    except ConfigError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: {error}") from error


def read_network(
    folder: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> DllmNetwork:
    """The network of a folder.

    Raises:
        CheckpointError: a file is missing or damaged; or tensors are missing, not expected, or
            of another shape than config.json says: lists them.
    """
    config = read_config(folder)
    files = _files(folder)
    _check_tensors(folder, _wanted(config), files)
    with torch.device("meta"):
        network = DllmNetwork(config)
    ours = {theirs: name for name, theirs in published_names(config).items()}
    weights: dict[str, Tensor] = {}
    is_rounded = dtype == torch.float16  # which has not the range of what is published
    for file in sorted(set(files.values())):
        with _opened(file, device) as tensors:
            for name in tensors.keys():  # noqa: SIM118  (safe_open is no mapping)
                if name in ours:
                    found = _weight(name, tensors, file)
                    weights[ours[name]] = found if is_rounded else found.to(dtype)
    if config.tied:
        weights["unembedding.weight"] = weights["embedding.weight"]
    if is_rounded:
        network.known_fingerprint, network.known_mark = fingerprint_of(weights), mark_of(weights)
        weights = {name: weight.to(dtype) for name, weight in weights.items()}
    network.load_state_dict(weights, assign=True)
    if config.tied:
        network.unembedding.weight = network.embedding.weight
    return network.eval().requires_grad_(False)


def write_network(
    folder: Path, config: DllmConfig, weights: dict[str, Tensor], *, num_files: int = 1
) -> None:
    """Write config.json and the weights, in one file or in several with their index.

    Raises `OutputError` if the folder cannot be written to.
    """
    names = published_names(config)
    theirs = {names[ours]: weights[ours] for ours in names}
    write_json(folder / CONFIG_FILE, config.to_json())
    if num_files == 1:
        write_tensors(folder / WEIGHTS_FILE, theirs)
        return
    groups = [list(theirs)[n::num_files] for n in range(num_files)]
    index: dict[str, str] = {}
    for number, group in enumerate(groups, start=1):
        file = f"model-{number:05d}-of-{num_files:05d}.safetensors"
        write_tensors(folder / file, {name: theirs[name] for name in group})
        index |= dict.fromkeys(group, file)
    total = sum(value.numel() * value.element_size() for value in theirs.values())
    write_json(folder / INDEX_FILE, {"metadata": {"total_size": total}, "weight_map": index})


def _files(folder: Path) -> dict[str, Path]:
    """Where each tensor lies."""
    if not (folder / INDEX_FILE).exists():
        with _opened(folder / WEIGHTS_FILE) as tensors:
            return dict.fromkeys(tensors.keys(), folder / WEIGHTS_FILE)
    index = read_json(folder / INDEX_FILE).get("weight_map")
    if not isinstance(index, dict) or not all(
        isinstance(file, str) and Path(file).name == file for file in index.values()
    ):
        raise CheckpointError(
            f"{folder / INDEX_FILE} has no weight_map of tensors and files beside it. "
            "Fetch it again."
        )
    return {name: folder / file for name, file in index.items()}


def _troubles(wanted: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> list[str]:
    """What keeps tensors of these shapes from being the weights that are wanted."""
    troubles = [f"{name} is missing" for name in wanted if name not in found]
    troubles += [
        f"{name} is not expected" for name in found if name not in wanted and not _is_idle(name)
    ]
    troubles += [
        f"{name} has shape {list(found[name])} instead of {list(shape)}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    return troubles


def _shapes_and_kinds(files: dict[str, Path]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Of every tensor, from the heads of the files alone."""
    found = {}
    for file in sorted(set(files.values())):
        with _opened(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118
                head = tensors.get_slice(name)
                found[name] = tuple(head.get_shape()), str(head.get_dtype())
    return found


def _wanted(config: DllmConfig) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by its published name."""
    one = replace(config, num_blocks=1)  # all blocks are alike: no network of all is made for it
    with torch.device("meta"):
        shapes = {n: tuple(v.shape) for n, v in DllmNetwork(one).state_dict().items()}
    return {
        theirs: shapes[re.sub(r"^blocks\.\d+\.", "blocks.0.", ours)]
        for ours, theirs in published_names(config).items()
    }


def tensor_kinds(folder: Path, config: DllmConfig) -> tuple[dict[str, int], list[str]]:
    """How many tensors there are of each type, and what would keep them from being loaded.

    Raises `CheckpointError` if a file is missing or damaged.
    """
    found = _shapes_and_kinds(_files(folder))
    kinds = Counter(kind for _, kind in found.values())
    troubles = _troubles(_wanted(config), {name: shape for name, (shape, _) in found.items()})
    if quantised := sorted(name for name, (_, kind) in found.items() if kind[0] not in "FB"):
        troubles.insert(0, f"{quantised[0]} is of {found[quantised[0]][1]}: quantised weights")
    return dict(kinds), troubles[:8]


_TYPES = {"BF16": torch.bfloat16, "F16": torch.float16}


def dtype_of_files(folder: Path, config: DllmConfig) -> torch.dtype:
    """The type that most tensors of a folder have, where it is one of 16 bits; else float32.

    Raises `CheckpointError` if a file is missing or damaged.
    """
    kinds, _ = tensor_kinds(folder, config)
    return _TYPES.get(max(kinds, key=lambda kind: kinds[kind]), torch.float32)


def _check_tensors(
    folder: Path, wanted: dict[str, tuple[int, ...]], files: dict[str, Path]
) -> None:
    """Raise `CheckpointError`, with a list, unless names and shapes are those wanted."""
    found = {name: shape for name, (shape, _) in _shapes_and_kinds(files).items()}
    troubles = _troubles(wanted, found)
    if troubles:
        more = f", and {len(troubles) - 8} more" if len(troubles) > 8 else ""
        raise CheckpointError(
            f"the weights in {folder} do not fit its {CONFIG_FILE}: "
            f"{'; '.join(troubles[:8])}{more}. Fetch the folder again, whole, from one source."
        )


def _weight(name: str, tensors: Any, file: Path) -> Tensor:
    tensor: Tensor = tensors.get_tensor(name)
    if not tensor.is_floating_point():
        raise CheckpointError(
            f"{file}: the tensor {name!r} is of {str(tensor.dtype).removeprefix('torch.')}: these "
            "weights are quantised, and only float weights are read. Fetch the model they were "
            "made from."
        )
    check_is_finite(name, tensor, file)
    return tensor


def _is_idle(name: str) -> bool:
    """Whether a tensor is one that nobody reads: a tied head, angles that are worked out."""
    return name.endswith(_IDLE)


def _is_pointer(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(40).startswith(b"version https://git-lfs")
    except OSError:
        return False


_IDLE = (
    "lm_head.weight", "transformer.ff_out.weight", "rotary_emb.inv_freq", "rotary_emb.cos_cached",
    "rotary_emb.sin_cached", "rotary_pos_emb.inv_freq",
)  # fmt: skip


@contextmanager
def _opened(file: Path, device: torch.device | str = "cpu") -> Iterator[Any]:
    try:
        with safe_open(file, framework="pt", device=str(device)) as tensors:
            yield tensors
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{file} does not exist. A model folder needs {CONFIG_FILE} and {WEIGHTS_FILE}, or "
            f"{INDEX_FILE} and all files that it lists."
        ) from error
    except (SafetensorError, OSError) as error:
        if _is_pointer(file):
            raise CheckpointError(
                f"{file} is a pointer of git-lfs and not the weights. Fetch them: `git lfs pull` "
                "in its folder, or from the hub."
            ) from error
        raise CheckpointError(
            f"{file} is not a whole safetensors file ({error}). Fetch it again."
        ) from error
