"""Questions as training examples: what is given, what is hidden, what is written."""

import math
import re
from dataclasses import replace

import pytest
import torch

import unmask
from tests.large_model_folder import write_large_model
from unmask.data.arithmetic import DRILL_QUESTION
from unmask.dllm.folder import read_network
from unmask.dllm.network import new_network
from unmask.dllm.tokenizer import read_tokenizer
from unmask.errors import ConfigError
from unmask.network.adapted import TailConfig
from unmask.recipes.arithmetic import ArithmeticLessons, arithmetic_tail_task, arithmetic_task
from unmask.recipes.recipe import preset
from unmask.shapes import PAD
from unmask.training.objective import corrupt_answers, losses
from unmask.training.question_task import Example

CONFIG = replace(
    preset("arithmetic").model, width=16, hidden=32, num_blocks=1, num_heads=2, num_key_heads=2
)
LATER = ArithmeticLessons().num_single + 5
"""A step with lessons of every kind."""


@pytest.fixture(scope="module")
def task():
    return arithmetic_task(CONFIG)


def test_an_example_is_a_chat_and_its_answer_up_to_the_canvas(task) -> None:
    token_ids, corruption = task.batch(seed=1, step=LATER, size=16)
    for row in range(16):
        length = int((token_ids[row] != PAD).sum())
        own = token_ids[row, :length]
        assert (token_ids[row, length:] == PAD).all() and (own != PAD).all()
        text = task.tokenizer.decode(own, with_special=True)
        prompt, answer = text.split("assistant<|end_header_id|>\n\n")
        assert prompt.startswith("<|startoftext|><|start_header_id|>user")
        assert answer.rstrip().endswith("<|endoftext|>")
        is_drill = "Complete the sums." in prompt
        assert ("#### " in answer) != is_drill
        num_given = len(task.tokenizer.encode(text[: -len(answer)]))
        assert (length - num_given) % task.canvas == 0
        assert corruption.num_revealed[row] >= num_given
        assert sorted(corruption.order[row, :num_given].tolist()) == list(range(num_given))


def test_what_is_shown_of_an_answer_is_never_hidden(task) -> None:
    token_ids, corruption = task.batch(seed=1, step=LATER, size=64)
    num_drills = num_blanked = 0
    for row in range(64):
        order, first = corruption.order[row].tolist(), int(corruption.num_revealed[row])
        own = token_ids[row, : int(corruption.length[row])]
        text = task.tokenizer.decode(own[sorted(order[first : len(own)])])
        if "Complete the sums." in task.tokenizer.decode(own):
            num_drills += 1
            assert re.fullmatch(r"(\d*(>>)?)*", text), text
            given = set(order[:first])
            assert all(
                place in given
                for place, token in enumerate(own.tolist())
                if task.tokenizer.decode(torch.tensor([token])).strip() in {"<<", "+", "="}
            )
        elif len(own) == int((token_ids[row] != PAD).sum()):  # else it is begun: below
            num_blanked += bool(re.fullmatch(r"\d+", text))
    assert 2 < num_drills < 20
    assert 0 < num_blanked < 20


def test_what_is_behind_a_begun_answer_is_hidden_and_not_learnt(task) -> None:
    token_ids, corruption = task.batch(seed=1, step=LATER, size=32)
    num_begun = 0
    for row in range(32):
        num_learnt, length = int(corruption.length[row]), int((token_ids[row] != PAD).sum())
        if num_learnt == length:
            continue
        num_begun += 1
        order, first = corruption.order[row], int(corruption.num_revealed[row])
        learnt = sorted(order[first:num_learnt].tolist())
        assert set(learnt) < set(range(num_learnt)) and first < num_learnt
        assert sorted(order[num_learnt:length].tolist()) == list(range(num_learnt, length))
        shown = task.tokenizer.decode(token_ids[row, :num_learnt])
        assert learnt[0] >= num_learnt - 24 and "assistant" in shown
        behind = task.tokenizer.decode(token_ids[row, num_learnt:length], with_special=True)
        assert behind.endswith("<|endoftext|>")
    assert 4 < num_begun < 24


def test_a_tail_learns_whole_answers_as_they_are_read(tmp_path) -> None:
    model = unmask.load(str(write_large_model(tmp_path / "model", length=600)))
    task = arithmetic_tail_task(TailConfig(), model, "left-to-right").lessons
    made = [task.lessons.training(seed, step) for seed in range(8) for step in range(10)]
    assert all(len(each.pieces) == 1 and not each.behind for each in made)
    assert {each.answer.count("<<") for each in made} >= {2, 3}
    token_ids, corruption = task.batch(seed=1, step=0, size=8)
    for row in range(8):
        order, first = corruption.order[row], int(corruption.num_revealed[row])
        learnt = order[first : int((token_ids[row] != PAD).sum())].tolist()
        assert learnt == sorted(learnt)


def test_a_run_begins_with_single_operations_and_easy_drills() -> None:
    lessons = ArithmeticLessons()

    def made(step: int) -> list[Example]:
        return [lessons.training(seed, step) for seed in range(60)]

    for step, num_stories in (
        (0, range(30, 58)),
        (lessons.num_stories - 1, range(30, 58)),
        (lessons.num_stories, range(10, 35)),
        (lessons.num_single - 1, range(10, 35)),
    ):
        numbers = [int(n) for each in made(step) for n in re.findall(r"\d+", each.answer)]
        assert max(numbers) <= 300
        stories = [each for each in made(step) if each.question != DRILL_QUESTION]
        assert len(stories) in num_stories
        assert all(each.answer.count("=") == 1 for each in stories)
    later = [each for each in made(lessons.num_single) if each.question != DRILL_QUESTION]
    assert {each.answer.count("=") for each in later} == {1, 2, 3, 4, 5}


def test_a_step_has_its_own_examples_and_always_the_same(task) -> None:
    one, again, next_one = (
        task.batch(seed=1, step=step, size=4) for step in (LATER, LATER, LATER + 1)
    )
    assert torch.equal(one[0], again[0]) and torch.equal(one[1].order, again[1].order)
    assert one[0].shape != next_one[0].shape or not torch.equal(one[0], next_one[0])
    assert task.batch(seed=2, step=LATER, size=4)[0].tolist() != one[0].tolist()


class OneLesson:
    """The same question and answer, whatever the seed."""

    def __init__(self, answer: str) -> None:
        self.lesson = Example("how many?", (answer,))

    def training(self, seed: int, num_seen: int) -> Example:
        return self.lesson

    def validation(self, seed: int) -> Example:
        return self.lesson


def test_the_room_of_an_answer_does_not_tell_how_long_it_is(task) -> None:
    def rooms(answer: str) -> list[float]:
        """Shares of examples by their length, in canvases."""
        token_ids, _ = replace(task, lessons=OneLesson(answer)).batch(seed=0, step=0, size=500)
        num_canvases = (token_ids != PAD).sum(dim=1) // task.canvas
        return [(num_canvases == n).double().mean().item() for n in range(9)]

    short, long = rooms("1"), rooms("1" * 40)
    first = next(n for n, share in enumerate(short) if share)
    assert short[first : first + 5] == pytest.approx([0.36, 0.28, 0.2, 0.12, 0.04], abs=0.06)
    assert long[first : first + 5] == pytest.approx([0, 0.64, 0.2, 0.12, 0.04], abs=0.07)


def test_a_lesson_that_is_too_long_gives_way_to_another(task) -> None:
    class Mixed(OneLesson):
        def training(self, seed: int, num_seen: int) -> Example:
            return Example("how many?", ("1" if seed % 2 else "1 " * 400,))

    token_ids, corruption = replace(task, lessons=Mixed("")).batch(seed=0, step=0, size=64)
    assert token_ids.shape[1] <= CONFIG.length and len(corruption.order) == 64


@pytest.mark.parametrize("seed", range(3))
def test_answers_are_hidden_to_every_degree_and_padding_comes_last(seed: int) -> None:
    num_given, length = torch.tensor([3, 1, 0, 5] * 8), torch.tensor([7, 9, 4, 6] * 8)
    found = corrupt_answers(seed, torch.arange(9) < num_given[:, None], length)
    assert (found.order.sort(dim=1).values == torch.arange(9)).all()
    for row in range(32):
        first, last = int(num_given[row]), int(length[row])
        assert sorted(found.order[row, :first].tolist()) == list(range(first))
        assert sorted(found.order[row, last:].tolist()) == list(range(last, 9))
        assert first <= found.num_revealed[row] < last
    share = (found.num_revealed - num_given) / (length - num_given)
    assert share.min() < 0.1 and share.max() > 0.7
    assert len({tuple(row.tolist()) for row in found.order[2::4]}) > 4


def test_answers_can_be_revealed_in_reading_order() -> None:
    num_given, length = torch.tensor([3, 1] * 8), torch.tensor([7, 9] * 8)
    is_given = torch.arange(9) < num_given[:, None]
    found = corrupt_answers(0, is_given, length, "left-to-right")
    assert (found.order == torch.arange(9)).all()
    anyhow = corrupt_answers(0, is_given, length)
    assert torch.equal(found.num_revealed, anyhow.num_revealed)


def test_the_loss_is_the_mean_over_what_is_hidden(task) -> None:
    network = new_network(CONFIG, seed=1).double()
    token_ids, corruption = task.batch(seed=3, step=0, size=4)
    found = losses(network, token_ids, corruption)
    assert torch.equal(found.draft, found.target)
    for row in range(4):
        first, last = int(corruption.num_revealed[row]), int(corruption.length[row])
        hidden = corruption.order[row, first:last]
        masked = token_ids[row, :last].clone()
        masked[hidden] = CONFIG.mask_id
        states = network.hidden_states(masked[None])[0]
        log_probs = network.unembedding(network.norm(states[hidden])).log_softmax(-1)
        nats = -log_probs.gather(1, token_ids[row, hidden][:, None]).mean()
        assert found.draft[row].item() == pytest.approx(nats.item(), abs=1e-12)
    assert found.draft.mean().item() == pytest.approx(math.log(544), rel=0.2)


def test_a_question_too_long_for_the_model_is_refused(task) -> None:
    short = replace(task, config=replace(CONFIG, length=64))
    with pytest.raises(
        ConfigError, match=r"has \d+ tokens, the model takes 64. Set --model.length"
    ):
        short.batch(seed=0, step=LATER, size=8)


def test_what_is_written_is_a_published_folder(task, tmp_path) -> None:
    network = new_network(CONFIG)
    task.write(tmp_path, CONFIG, network.state_dict())
    assert torch.equal(read_network(tmp_path).embedding.weight, network.embedding.weight)
    tokenizer = read_tokenizer(tmp_path, CONFIG)
    assert tokenizer.encode("12 apples").tolist() == task.tokenizer.encode("12 apples").tolist()
