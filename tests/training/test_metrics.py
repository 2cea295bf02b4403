import errno
import json

import pytest

from unmask.errors import OutputError
from unmask.training.metrics import MetricsFile


def filled(tmp_path, *steps: int) -> MetricsFile:
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    for step in steps:
        metrics.append(step=step, bits=1 / 3)
    return metrics


def test_rows_come_back_as_they_were_written(tmp_path) -> None:
    assert MetricsFile(tmp_path / "none").rows() == []
    assert filled(tmp_path, 1, 2).rows() == [
        {"step": 1, "bits": 1 / 3},
        {"step": 2, "bits": 1 / 3},
    ]


def test_rows_of_later_steps_are_cut(tmp_path) -> None:
    metrics = filled(tmp_path, 1, 2, 3, 3, 4)
    metrics.cut_after(3)
    assert [row["step"] for row in metrics.rows()] == [1, 2, 3, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize("torn", ['{"step": 3, "bi', '{"step": 3', "{", "\0\0\0\0"])
def test_a_line_torn_by_a_crash_is_dropped_and_the_next_is_whole(tmp_path, torn: str) -> None:
    metrics = filled(tmp_path, 1, 2)
    with metrics.path.open("a") as file:
        file.write(torn)
    assert [row["step"] for row in metrics.rows()] == [1, 2]
    metrics.cut_after(5)
    metrics.append(step=3)
    lines = metrics.path.read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]


def test_cutting_no_file_makes_an_empty_one(tmp_path) -> None:
    MetricsFile(tmp_path / "metrics.jsonl").cut_after(0)
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_a_full_disk_is_reported_with_the_way_to_go_on(tmp_path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left.*--resume auto") as caught:
        MetricsFile(tmp_path / "metrics.jsonl").append(step=1)
    assert caught.value.__cause__.errno == errno.ENOSPC
