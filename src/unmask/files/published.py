"""Weights as they are published: safetensors, in one file or in several with an index.

Names and shapes are compared from the heads of the files before any weight is read, and each
tensor goes from its file straight to the type and the device it is wanted in, so that a model is
never held twice. Reading them runs no code; pickled weights are refused, with how to convert them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from unmask.errors import CheckpointError
from unmask.files.tensors import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    check_is_finite,
    read_json,
    write_json,
    write_tensors,
)

INDEX_FILE = "model.safetensors.index.json"
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_MOST_TROUBLES = 8


class Head(NamedTuple):
    """What the head of a file says of a tensor."""

    file: Path
    name: str
    """As it is spelled there."""
    shape: tuple[int, ...]
    kind: str
    """Its type, as safetensors spells it: F32, BF16."""


@dataclass(frozen=True)
class PublishedWeights:
    """The tensors of a folder by their usual names, of which only the heads were read."""

    folder: Path
    heads: Mapping[str, Head]
    idle: Sequence[str] = ()
    """How the names of tensors end that nobody reads."""

    @classmethod
    def of(
        cls, folder: Path, idle: Sequence[str] = (), spelled: Callable[[str], str] = str
    ) -> "PublishedWeights":
        """Those of a folder; `spelled` gives the usual name of a tensor that has several.

        Raises `CheckpointError` if a file is missing or damaged.
        """
        heads = dict[str, Head]()
        for file in sorted(set(_files(folder).values())):
            with _opened(file) as tensors:
                for name in tensors.keys():  # noqa: SIM118  (safe_open is no mapping)
                    head = tensors.get_slice(name)
                    shape, kind = tuple(head.get_shape()), str(head.get_dtype())
                    heads[spelled(name)] = Head(file, name, shape, kind)
        return cls(folder, heads, idle)

    def troubles(self, wanted: Mapping[str, tuple[int, ...]]) -> list[str]:
        """What keeps them from being weights of these names and shapes; at most eight."""
        quantised = [
            f"{name} is of {head.kind}: quantised weights"
            for name, head in sorted(self.heads.items())
            if head.kind[0] not in "FB"
        ]
        return [*quantised[:1], *self._misfits(wanted)][:_MOST_TROUBLES]

    def kinds(self) -> dict[str, int]:
        """How many tensors there are of each type."""
        return dict(Counter(head.kind for head in self.heads.values()))

    def _misfits(self, wanted: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Names that are missing or not expected, and other shapes."""
        found = self.heads
        misfits = [f"{name} is missing" for name in wanted if name not in found]
        misfits += [
            f"{name} is not expected"
            for name in found
            if name not in wanted and not name.endswith(tuple(self.idle))
        ]
        misfits += [
            f"{name} has shape {list(found[name].shape)} instead of {list(shape)}"
            for name, shape in wanted.items()
            if name in found and found[name].shape != shape
        ]
        return misfits

    def read(
        self,
        wanted: Mapping[str, tuple[int, ...]],
        dtype: torch.dtype | None,
        device: torch.device | str = "cpu",
    ) -> dict[str, Tensor]:
        """The wanted tensors, by their usual names; `dtype` None leaves them as they are.

        Raises:
            CheckpointError: some are missing, not expected, or of another shape: lists them; or
                one is quantised, or holds what is no number.
        """
        self._check(wanted)
        weights = dict[str, Tensor]()
        for file in sorted({self.heads[name].file for name in wanted}):
            with _opened(file, device) as tensors:
                for name in wanted:
                    if self.heads[name].file == file:
                        found = _weight(self.heads[name].name, tensors, file)
                        weights[name] = found if dtype is None else found.to(dtype)
        return weights

    def _check(self, wanted: Mapping[str, tuple[int, ...]]) -> None:
        misfits = self._misfits(wanted)
        if misfits:
            more = len(misfits) - _MOST_TROUBLES
            raise CheckpointError(
                f"the weights in {self.folder} do not fit its {CONFIG_FILE}: "
                f"{'; '.join(misfits[:_MOST_TROUBLES])}"
                f"{f', and {more} more' if more > 0 else ''}. Fetch the folder again, whole, "
                "from one source."
            )


def write_published(folder: Path, weights: Mapping[str, Tensor], *, num_files: int = 1) -> None:
    """Write weights under their published names, in one file or in several with their index.

    Raises `OutputError` if the folder cannot be written to.
    """
    if num_files == 1:
        write_tensors(folder / WEIGHTS_FILE, dict(weights))
        return
    groups = [list(weights)[n::num_files] for n in range(num_files)]
    index: dict[str, str] = {}
    for number, group in enumerate(groups, start=1):
        file = f"model-{number:05d}-of-{num_files:05d}.safetensors"
        write_tensors(folder / file, {name: weights[name] for name in group})
        index |= dict.fromkeys(group, file)
    total = sum(value.numel() * value.element_size() for value in weights.values())
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


def _is_pointer(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(40).startswith(b"version https://git-lfs")
    except OSError:
        return False


@contextmanager
def _opened(file: Path, device: torch.device | str = "cpu") -> Iterator[Any]:
    try:
        with safe_open(file, framework="pt", device=str(device)) as tensors:
            yield tensors
    except FileNotFoundError as error:
        pickled = [name for name in _PICKLED if (file.parent / name).exists()]
        if pickled:
            raise CheckpointError(
                f"{file.parent} has its weights in {pickled[0]}, a pickled file, which runs code "
                "when it is opened and is not read here. Convert it where you trust it: "
                "`AutoModelForMaskedLM.from_pretrained(FOLDER).save_pretrained(NEW)` of "
                "transformers writes safetensors; or fetch the folder's safetensors."
            ) from error
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
