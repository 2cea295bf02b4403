"""vocab.json and merges.txt say what a tokenizer.json of the same says."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import CheckpointError
from unmask.vocabularies.bpe_files import read_bpe

TEXTS = [
    'The history of the world, in 1905: it\'s "new"!\n\n  x = 3;',
    "Caf\u00e9 \u2192 na\u00efve",
    "e\u0301",
]
ADDED = {"<|end|>": None, "<|mask|>": None}


def learnt(kind: str):
    """A tokenizer of the library, trained here; None where it cannot be had."""
    tokenizers = pytest.importorskip("tokenizers")
    from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

    from unmask.vocabularies.bpe_files import _QWEN2

    made = tokenizers.Tokenizer(models.BPE())
    if kind == "Qwen2Tokenizer":
        made.normalizer = normalizers.NFC()
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(_QWEN2), "isolated"),
             pre_tokenizers.ByteLevel(False, use_regex=False)]
        )  # fmt: skip
    else:
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(TEXTS * 3, trainer)
    made.add_special_tokens(list(ADDED))
    return made


def folder_of(made, kind: str, folder: Path) -> dict:
    values = json.loads(made.to_str())
    (folder / "vocab.json").write_text(json.dumps(values["model"]["vocab"]))
    merges = [" ".join(m) if isinstance(m, list) else m for m in values["model"]["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "added_tokens.json").write_text(
        json.dumps({text: made.token_to_id(text) for text in ADDED})
    )
    return {"tokenizer_class": kind}


@pytest.mark.parametrize("kind", ["Qwen2Tokenizer", "GPT2Tokenizer"])
def test_it_says_what_a_tokenizer_json_of_the_same_says(kind, tmp_path) -> None:
    made = learnt(kind)
    read = read_bpe(tmp_path, folder_of(made, kind, tmp_path))
    assert read.get_vocab() == made.get_vocab()

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=40))
    def every_text(text: str) -> None:
        for each in (text, f"{text}<|end|>{text}"):
            ids = made.encode(each, add_special_tokens=False).ids
            assert read.encode(each, add_special_tokens=False).ids == ids
            assert read.decode(ids) == made.decode(ids)

    every_text()
    for text in TEXTS:
        assert read.encode(text).ids == made.encode(text).ids


def test_what_is_damaged_is_named(tmp_path) -> None:
    settings_ = folder_of(learnt("GPT2Tokenizer"), "GPT2Tokenizer", tmp_path)
    (tmp_path / "added_tokens.json").write_text('{"<|end|>": 9999}')
    with pytest.raises(CheckpointError, match="has the id 9999, and would get"):
        read_bpe(tmp_path, settings_)
    (tmp_path / "merges.txt").write_text("zz yy\n")
    with pytest.raises(CheckpointError, match="are no tokenizer"):
        read_bpe(tmp_path, settings_)
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(CheckpointError, match="are no tokenizer"):
        read_bpe(tmp_path, settings_)
