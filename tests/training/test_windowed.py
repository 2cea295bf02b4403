"""What a causal trunk is taught: windows, what is given first, losses by the definition."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.test_stream import TINY, random_stream, sequences
from tests.training.small_run import (
    SMALL,
    assert_same_tensors,
    corpus,
    ignore,
    saved_tensors,
    timeless_rows,
    with_trainer,
)
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.process.orders import check_is_permutation
from unmask.training.config import TrainerConfig
from unmask.training.loop import new_state, resume, train
from unmask.training.objective import losses
from unmask.training.task import TextTask
from unmask.training.windowed import (
    WindowedCorruption,
    even_windows,
    given_patterns,
    in_windows,
    random_partition,
)
from unmask.vocabularies.characters import text8

CAUSAL = replace(
    SMALL,
    model=replace(SMALL.model, reach="causal", max_window=8, fills_in=True, first_target="stream"),
    trainer=replace(SMALL.trainer, given_share=0.5, draft_weight=0.5),
)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**40), st.integers(1, 40), st.integers(1, 16))
def test_a_partition_is_windows_one_behind_the_other_none_too_long(seed, length, max_window):
    start = random_partition(SeededDraws([seed]), length, max_window)
    assert start[0] == 0 and (start <= torch.arange(length)).all()
    for first in start.unique().tolist():
        slots = (start == first).nonzero().squeeze(1)
        assert slots.tolist() == list(range(first, first + len(slots)))
        assert len(slots) <= max_window


def test_every_size_holds_an_equal_share_of_the_tokens():
    sizes = []
    for seed in range(300):
        start = random_partition(SeededDraws([seed]), 400, 16)
        counts = start.unique(return_counts=True)[1][1:-1]  # the ends are cut
        sizes.append(counts)
    counts = torch.cat(sizes)
    assert set(counts.tolist()) == {4, 8, 16}
    shares = [float((counts == size).sum() * size / counts.sum()) for size in (4, 8, 16)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.03)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**40), st.integers(2, 60))
def test_what_is_given_comes_first_and_something_is_left_to_learn(seed, length):
    made = in_windows(seed, 12, length, max_window=4, given_share=0.8)
    check_is_permutation(made.order)
    assert (made.num_given < length).all()
    for order, num in zip(made.order.tolist(), made.num_given.tolist(), strict=True):
        assert order[:num] == sorted(order[:num]) and order[num:] == sorted(order[num:])


def test_the_share_of_examples_with_something_given():
    is_given = given_patterns(SeededDraws([1]), 4000, 32, 0.25).any(dim=1)
    assert is_given.double().mean().item() == pytest.approx(0.25, abs=0.04)
    assert not in_windows(1, 50, 32, max_window=4).num_given.any()


@torch.no_grad()
@pytest.mark.parametrize("first_target", ["stream", "draft"])
def test_losses_are_means_over_what_is_learnt(first_target):
    """Against the three predictions read off one by one."""
    config = replace(TINY, first_target=first_target)
    network, (token_ids, order) = random_stream(config), sequences(3, config)
    num_given = torch.tensor([0, 3, 7])
    start = even_windows(1, TINY.length, 4).window_start
    corruption = WindowedCorruption(order, num_given, torch.full((3,), TINY.length), start)
    found = losses(network, token_ids, corruption)
    stream, draft, target = (x.log_softmax(-1) for x in network(token_ids, order, start))
    sums = {"stream": 0.0, "draft": 0.0, "target": 0.0}
    num = 0
    for b in range(3):
        for slot in range(int(num_given[b]), TINY.length):
            token = token_ids[b, order[b, slot]]
            nats = [-x[b, slot, token].item() for x in (stream, draft, target)]
            if slot % 4 == 0:
                nats[1] = nats[0] if first_target == "stream" else nats[1]
                nats[2] = nats[1]
            for name, value in zip(sums, nats, strict=True):
                sums[name] += value
            num += 1
    for name, total in sums.items():
        assert getattr(found, name).mean().item() == pytest.approx(total / num, abs=1e-10)
    trainer = TrainerConfig(stream_weight=2.0, draft_weight=0.5, target_weight=0.25)
    weighted = (2 * sums["stream"] + 0.5 * sums["draft"] + 0.25 * sums["target"]) / num
    assert found.total(trainer).item() == pytest.approx(weighted, abs=1e-10)


def task_of(recipe):
    return TextTask(
        corpus(),
        recipe.model.length,
        recipe.trainer.orders,
        text8(),
        max_window=recipe.model.max_window,
        given_share=recipe.trainer.given_share,
    )


def run(recipe, folder, observe=ignore):
    state = new_state(recipe.model, recipe.optimizer, recipe.trainer)
    resume(state, folder)
    train(
        state,
        task_of(recipe),
        folder,
        optimizer=recipe.optimizer,
        trainer=recipe.trainer,
        observe=observe,
    )
    return state


def test_a_run_of_a_causal_trunk_goes_on_bit_for_bit(tmp_path):
    run(CAUSAL, tmp_path / "whole")
    hasty = with_trainer(CAUSAL, minutes=1e-9)  # a step a session
    for _ in range(5):
        run(hasty, tmp_path / "parts")
    run(CAUSAL, tmp_path / "parts")
    assert_same_tensors(saved_tensors(tmp_path / "parts"), saved_tensors(tmp_path / "whole"))


def test_batches_made_ahead_are_the_same(tmp_path):
    run(CAUSAL, tmp_path / "alone")
    run(with_trainer(CAUSAL, workers=2), tmp_path / "ahead")
    assert timeless_rows(tmp_path / "ahead") == timeless_rows(tmp_path / "alone")
    assert_same_tensors(saved_tensors(tmp_path / "ahead"), saved_tensors(tmp_path / "alone"))


def test_a_run_by_the_clock_ends_with_its_time(tmp_path):
    """The rate has fallen to nothing by then, however many steps there were."""
    recipe = with_trainer(CAUSAL, schedule="time", minutes=0.03)
    state = run(recipe, tmp_path)
    assert state.progress.seconds >= 60 * 0.03
    assert state.progress.step > 0
    rows = timeless_rows(tmp_path)
    assert rows[-1]["step"] == rows[-2]["step"] == state.progress.step  # validated, reported
    shares = [group["lr"] / group["peak_lr"] for o in state.optimizers for group in o.param_groups]
    assert max(shares) < 0.2
    again = run(recipe, tmp_path)
    assert again.progress.step == state.progress.step  # there is no time left


def test_a_clock_needs_its_minutes():
    with pytest.raises(ConfigError, match="schedule 'time' needs TrainerConfig.minutes"):
        TrainerConfig(schedule="time")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_window": 0}, "max_window must be at least 1 with a tail"),
        ({"max_window": 17}, "max_window must be from 0 to the length"),
        ({"tail_rotary": "halves"}, "tail_rotary, of a causal trunk|tail_rotary of a causal"),
        ({"first_target": "start-track"}, "first_target of a causal trunk"),
        ({"reach": "whole"}, "max_window is of causal trunks"),
        ({"num_trunk_blocks": 0}, "num_trunk_blocks must be at least 1"),
    ],
    ids=str,
)
def test_configs_that_cannot_be(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(CAUSAL.model, **change)
