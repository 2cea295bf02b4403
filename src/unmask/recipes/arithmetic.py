"""What the `arithmetic` models learn: word problems and drills, and a tokenizer for them."""

from dataclasses import dataclass

import torch

from unmask.data.arithmetic import DRILL_QUESTION, LEVELS, begun, blanked, drill, problem
from unmask.dllm.adapted import TailConfig
from unmask.dllm.config import DllmConfig
from unmask.dllm.new_tokenizer import new_tokenizer
from unmask.dllm.tokenizer import tokenizer_of
from unmask.draws import SeededDraws
from unmask.large_model import LargeModel
from unmask.training.config import Orders
from unmask.training.question_task import Lesson, QuestionTask
from unmask.training.tail_task import TailTask

_SHARES: dict[str, float] = {"easy": 0.7, "medium": 0.2, "hard": 0.1}
_NUM_FOR_TOKENIZER = 400


@dataclass(frozen=True)
class ArithmeticLessons:
    """First drills alone, at first easy ones; then problems of the three levels beside drills.

    Of eight of the latter one is a drill, two have their answers begun, three blanked.
    """

    easy_steps: int = 1000
    """Steps of easy drills alone."""
    drill_steps: int = 2000
    """Steps of drills alone, the easy ones among them."""

    def training(self, seed: int, step: int) -> Lesson:
        level, kind = "easy" if step < self.easy_steps else _level(seed), seed % 8
        if step < self.drill_steps or kind == 0:
            return Lesson(DRILL_QUESTION, ("", *drill(level, seed=seed)))
        made = problem(level, seed=seed)
        if kind <= 2:
            return Lesson(made.question, ("", *begun(made.answer, seed=seed >> 3)))
        if kind <= 5:
            return Lesson(made.question, ("", *blanked(made.answer)))
        return Lesson(made.question, (made.answer,))

    def validation(self, seed: int) -> Lesson:
        """Held out in wording and in numbers."""
        made = problem(_level(seed), seed=seed, held_out=True)
        return Lesson(made.question, (made.answer,))


def arithmetic_task(config: DllmConfig) -> QuestionTask:
    """The task, with a tokenizer learnt from the first training problems."""
    lessons = ArithmeticLessons()
    first = (lessons.training(n, lessons.drill_steps) for n in range(_NUM_FOR_TOKENIZER))
    texts = [f"{lesson.question}\n{lesson.answer}" for lesson in first]
    files = new_tokenizer([*texts, "user", "assistant"], config.vocab_size)
    return QuestionTask(lessons, tokenizer_of(files), config, files)


def arithmetic_tail_task(tail: TailConfig, model: LargeModel, orders: Orders) -> TailTask:
    """The task for the tail of a model, in the tokens of that model."""
    config = model.trunk.config
    lessons = ArithmeticLessons(easy_steps=0, drill_steps=0)  # the trunk knows how to add
    questions = QuestionTask(lessons, model.tokenizer, config, {}, orders=orders)
    return TailTask(questions, model.trunk, tail)


def _level(seed: int) -> str:
    drawn = SeededDraws([seed]).uniform(torch.ones(1, 1, dtype=torch.bool)).item()
    for level in LEVELS:
        drawn -= _SHARES[level]
        if drawn < 0:
            return level
    return "hard"
