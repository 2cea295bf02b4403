import pytest
import torch

from tests.training.small_run import SMALL, corpus, task
from unmask.errors import ConfigError, MissingExtraError
from unmask.training.loop import new_state
from unmask.training.session import Session, is_main_process, own_rows


@pytest.mark.parametrize("num_processes", [1, 2, 4])
def test_the_processes_share_a_batch_between_them(num_processes: int) -> None:
    shares = [own_rows(8, process, num_processes) for process in range(num_processes)]
    assert {len(share) for share in shares} == {8 // num_processes}
    assert torch.cat(shares).tolist() == list(range(8))


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size is 8, which 3 processes .*a multiple"):
        own_rows(8, 0, 3)


def test_the_launcher_says_which_process_is_the_main_one(monkeypatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert is_main_process()
    monkeypatch.setenv("RANK", "0")
    assert is_main_process()
    monkeypatch.setenv("RANK", "1")
    assert not is_main_process()


def test_without_accelerate_the_way_to_get_it_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "accelerate", None)
    state = new_state(SMALL.model, SMALL.optimizer, SMALL.trainer)
    with pytest.raises(MissingExtraError, match=r"pip install 'unmask\[train\]'"):
        Session(
            state,
            task(SMALL, corpus()),
            tmp_path / "run",
            optimizer=SMALL.optimizer,
            trainer=SMALL.trainer,
        )
    assert not (tmp_path / "run").exists()
