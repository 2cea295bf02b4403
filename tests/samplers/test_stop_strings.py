"""A text that stops is the text that would have been, cut; and it takes fewer passes."""

from collections.abc import Sequence

import pytest
import torch

import unmask
from tests.samplers.test_engine import CHAIN, CHOICES
from unmask.draws import SeededDraws
from unmask.errors import ConfigError, PromptError
from unmask.samplers.engine import Engine, Request
from unmask.samplers.registry import SAMPLERS
from unmask.samplers.sampler import Samples, sample
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.wino import Wino
from unmask.samplers.wrappers.early_stop import EarlyStop
from unmask.samplers.wrappers.stop_strings import StopStrings, settled

MASK = CHAIN.vocab_size
STOPS = ("dd", "ba")
LENGTH, PROMPT = 12, 2


def text_of(token_ids: torch.Tensor) -> str:
    return "".join("abcde"[n] for n in token_ids.tolist())


def cut(text: str, stops: Sequence[str] = STOPS) -> str:
    return text[: min([place for stop in stops if (place := text.find(stop)) >= 0], default=None)]


def given_ids(num_rows: int) -> torch.Tensor:
    ids = torch.full((num_rows, LENGTH), MASK)
    ids[:, :PROMPT] = torch.tensor([3, 3])  # a stop string that is given is none
    return ids


def run(sampler, num_rows: int = 6) -> Samples:
    return sample(CHAIN, sampler, given_ids(num_rows), SeededDraws(range(num_rows)))


def new_text(samples: Samples, row: int) -> str:
    return text_of(settled(samples.token_ids[row, PROMPT:], MASK))


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_what_stops_is_what_would_have_been_up_to_there(choice) -> None:
    stopping = StopStrings(sampler=choice, stops=STOPS, text_of=text_of)
    whole, stopped = run(choice), run(stopping)
    num_saved = 0
    for row in range(6):
        ids = settled(stopped.token_ids[row, PROMPT:], MASK)
        num_kept, kept = stopping.cut(ids) or (len(ids), text_of(ids))
        assert kept == cut(new_text(whole, row))
        assert text_of(ids[:num_kept]) == kept or num_kept == len(ids)
        passes = [each.cost.trunk.passes[row] for each in (stopped, whole)]
        assert passes[0] <= passes[1]
        num_saved += int(passes[1] - passes[0])
    assert num_saved == 0 if type(choice).takes_back else num_saved >= 0


def test_from_left_to_right_passes_are_saved() -> None:
    choice = SemiAutoregressive(num_steps=10, block_length=1)
    stopping = StopStrings(sampler=choice, stops=STOPS, text_of=text_of)
    whole, stopped = run(choice), run(stopping)
    for row in range(6):
        kept = cut(new_text(whole, row))
        has_stop = kept != new_text(whole, row)
        expected = len(kept) + 2 if has_stop else LENGTH - PROMPT
        assert stopped.cost.trunk.passes[row] == expected
    assert stopped.cost.trunk.passes.sum() < whole.cost.trunk.passes.sum()


def test_samplers_that_take_back_say_so() -> None:
    assert {name for name, each in SAMPLERS.items() if getattr(each, "takes_back", True)} == {
        "wino", "remdm", "star-shaped"
    }  # fmt: skip
    within = EarlyStop(sampler=Wino(), end_ids=(1,))
    assert not StopStrings(sampler=within, stops=("a",), text_of=text_of).ends_early


@pytest.mark.parametrize("choice", CHOICES[::4], ids=lambda choice: choice.name)
def test_in_an_engine_each_stops_as_it_does_alone(choice) -> None:
    stopping = StopStrings(sampler=choice, stops=STOPS, text_of=text_of)
    alone = run(stopping)
    wanted = [Request(given_ids=given_ids(1)[0], sampler=stopping, seed=n) for n in range(6)]
    for result in Engine(CHAIN, num_slots=5).run(wanted):
        assert result.token_ids.tolist() == alone.token_ids[result.number].tolist()
        assert result.cost == alone.cost.each()[result.number]


@pytest.mark.parametrize("stops", [(), ("",), ("a", "")])
def test_a_stop_string_that_says_nothing_is_refused(stops: tuple) -> None:
    with pytest.raises(ConfigError, match="stop strings are texts of at least one character"):
        StopStrings(sampler=CHOICES[0], stops=stops, text_of=text_of)


def test_models_stop() -> None:
    model = unmask.load("text8s")
    (whole,) = model.generate("the history of ", length=80, seed=1)
    stop = whole.text[30:34]
    (stopped,) = model.generate("the history of ", length=80, seed=1, stop=stop)
    assert stopped.text == whole.text[: whole.text.index(stop, 15)]
    assert stopped.token_ids == whole.token_ids[: len(stopped.text)]
    assert stopped.num_tokens == len(stopped.text) - 15
    assert stopped.trunk_passes < whole.trunk_passes
    *_, last = model.stream("the history of ", length=80, seed=1, stop=[stop])
    assert last.sample is not None and last.sample.text == stopped.text
    with pytest.raises(PromptError, match="this template has more behind its blanks"):
        model.generate(template="the ___ of", stop="a")


def test_chat_models_stop() -> None:
    model = unmask.load("arithmetic")
    question = "Tom has 3 apples and buys 4 more. How many apples does he have?"
    whole = model.chat(question)
    stopped, same = model.chat([question, question], stop=["####", "\n\n\n"])
    assert stopped.text == same.text == whole.text[: whole.text.index("####")]
    assert 0 < stopped.num_tokens < whole.num_tokens
    lines = [unmask.Prompt(id=1, chat=question, stop="####"), unmask.Prompt(id=2, chat=question)]
    answers = {each.prompt.id: each.sample.text for each in unmask.answer_prompts(model, lines)}
    assert answers == {1: stopped.text, 2: whole.text}


def test_a_stop_within_the_last_token_is_cut_too() -> None:
    words = {0: "one ", 1: "two##", 2: "three"}

    def words_of(token_ids: torch.Tensor) -> str:
        return "".join(words[n] for n in token_ids.tolist())

    stopping = StopStrings(sampler=CHOICES[0], stops=("##",), text_of=words_of)
    assert stopping.cut(torch.tensor([0, 1])) == (2, "one two")
    assert stopping.cut(torch.tensor([1, 0, 2])) == (1, "two")
    assert stopping.cut(torch.tensor([0, 2])) is None
