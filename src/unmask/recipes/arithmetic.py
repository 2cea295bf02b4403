"""What the `arithmetic` models learn: word problems and drills, and a tokenizer for them."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from unmask.data.arithmetic import DRILL_QUESTION, as_typed, begun, blanked, drill, problem
from unmask.dllm.config import DllmConfig
from unmask.dllm.generation_config import GENERATION_FILE, GenerationDefaults
from unmask.dllm.new_tokenizer import new_tokenizer
from unmask.dllm.tokenizer import TOKENIZER_FILES, tokenizer_of
from unmask.draws import numbers
from unmask.models.chat import ChatModel
from unmask.network.adapted import TailConfig
from unmask.training.config import Orders
from unmask.training.question_task import Example, QuestionTask
from unmask.training.tail_task import TailTask

_SHARES: dict[str, float] = {
    "single": 0.2, "easy": 0.3, "medium": 0.25, "long": 0.1, "hard": 0.15,
}  # fmt: skip
_NUM_FOR_TOKENIZER = 2000
_OF_LEVEL = 0x6C76  # tells the draw of a lesson's level from those of its problem
_USUAL = GenerationDefaults(max_new_tokens=64, block_length=8)

_STORIES = ("drill",) + ("begun",) * 4 + ("blanked",) + ("plain",) * 2
_MIXED = ("drill",) + ("begun",) * 5 + ("blanked",) + ("plain",)
_DRILLS = ("drill",) * 5 + ("begun",) * 2 + ("plain",)
_WHOLE = ("plain",)


@dataclass(frozen=True)
class ArithmeticLessons:
    """Copying, then sums, both on single operations; then problems of the other levels."""

    num_stories: int = 40_000
    """Examples with a single operation, mostly stories, where numbers are to be copied."""
    num_drills: int = 160_000
    """Examples behind them with a single operation, mostly drills, until sums are known."""
    kinds: tuple[str, ...] = _MIXED
    """Of the lessons behind those; each is one of these, at random."""

    @property
    def num_single(self) -> int:
        """Examples before those of any level."""
        return self.num_stories + self.num_drills

    def training(self, seed: int, num_seen: int) -> Example:
        """Levels are mixed within a batch."""
        if num_seen < self.num_stories:
            return lesson("single", seed)
        if num_seen < self.num_single:
            return lesson("single", seed, _DRILLS)
        return lesson(_level(seed ^ _OF_LEVEL), seed, self.kinds)

    def validation(self, seed: int) -> Example:
        """Held out in wording, in things and in numbers."""
        made = problem(_level(seed), seed=seed, held_out=True)
        return Example(made.question, (made.answer,))


_EVERY_LEVEL = ArithmeticLessons(num_stories=0, num_drills=0)


def lesson(level: str, seed: int, kinds: tuple[str, ...] = _STORIES) -> Example:
    """One of a level, and of one of the kinds."""
    kind = kinds[seed % len(kinds)]
    if kind == "drill":
        return Example(DRILL_QUESTION, ("", *drill(level, seed=seed)))
    made = problem(level, seed=seed)
    question = as_typed(made.question, seed=seed >> 7)
    if kind == "begun":
        shown, learnt, behind = begun(made.answer, seed=seed >> 3)
        return Example(question, ("", shown, learnt), behind)
    if kind == "blanked":
        return Example(question, ("", *blanked(made.answer)))
    return Example(question, (made.answer,))


def arithmetic_task(config: DllmConfig, begin: Path | None = None) -> QuestionTask:
    """The task, with a tokenizer learnt from problems.

    Of a model in `begin` that is trained further: with its tokenizer, and problems of all levels
    from the first step on.
    """
    if begin is None:
        problems = (problem(_level(seed), seed=seed) for seed in range(_NUM_FOR_TOKENIZER))
        texts = [f"{made.question}\n{made.answer}" for made in problems]
        files = new_tokenizer([*texts, "user", "assistant"], config.vocab_size)
    else:
        files = {
            name: (begin / name).read_text(encoding="utf-8")
            for name in TOKENIZER_FILES
            if (begin / name).exists()
        }
    usual = {GENERATION_FILE: json.dumps(asdict(_USUAL)) + "\n"}
    lessons = ArithmeticLessons() if begin is None else _EVERY_LEVEL
    return QuestionTask(lessons, tokenizer_of(files), config, files | usual)


def arithmetic_tail_task(tail: TailConfig, model: ChatModel, orders: Orders) -> TailTask:
    """The task for the tail of a model, in the tokens of that model.

    Of whole answers, so that an example asks for all that follows what the trunk was shown.
    """
    config = model.trunk.config
    lessons = replace(_EVERY_LEVEL, kinds=_WHOLE)
    questions = QuestionTask(lessons, model.tokenizer, config, {}, orders=orders)
    return TailTask(questions, model.trunk, tail)


def _level(seed: int) -> str:
    drawn = next(numbers(seed))
    for level in _SHARES:
        drawn -= _SHARES[level]
        if drawn < 0:
            return level
    return "hard"
