from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import CheckpointError
from unmask.files.tensors import in_eight_bits, read_tensors, write_tensors


@given(st.integers(0, 2**31), st.floats(1e-6, 1e6))
def test_a_matrix_comes_back_within_half_a_step_of_each_row(seed: int, size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = size * torch.randn(5, 7, generator=generator)
    matrix[3] = 0.0
    found = in_eight_bits({"w": matrix, "norm": matrix[0]})
    assert found["w"].dtype == torch.int8 and torch.equal(found["norm"], matrix[0])
    back = found["w"].float() * found["w.scale"][:, None]
    step = matrix.abs().amax(dim=1, keepdim=True) / 127
    assert ((back - matrix).abs() <= step / 2 * 1.001).all() and (back[3] == 0).all()


def test_a_file_is_read_as_float32_again(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    matrix = torch.randn(64, 64)
    write_tensors(path, {"w": matrix})
    whole = path.stat().st_size
    write_tensors(path, in_eight_bits({"w": matrix, "b": matrix[0]}))
    found = read_tensors(path)
    assert set(found) == {"w", "b"} and found["w"].dtype == torch.float32
    assert (found["w"] - matrix).abs().max() < 0.02 and path.stat().st_size < 0.35 * whole


@pytest.mark.parametrize(
    "tensors",
    [
        {"w.scale": torch.ones(2)},
        {"w": torch.ones(2, 3), "w.scale": torch.ones(2)},
        {"w": torch.ones(2, 3, dtype=torch.int8), "w.scale": torch.ones(3)},
        {"w": torch.ones(2, dtype=torch.int8), "w.scale": torch.ones(2)},
        {"w": torch.ones(2, 3, dtype=torch.int8), "w.scale": torch.ones(2).long()},
    ],
)
def test_a_scale_that_fits_nothing_is_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor]
) -> None:
    write_tensors(tmp_path / "w.safetensors", tensors)
    with pytest.raises(CheckpointError, match="scale of no matrix"):
        read_tensors(tmp_path / "w.safetensors")
