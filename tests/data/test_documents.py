"""A file's documents, and what stands between them in a corpus."""

import gzip
import json
from pathlib import Path

import pytest

from unmask.data.documents import documents
from unmask.data.normalise import Normalise
from unmask.data.text import load_corpus
from unmask.errors import DataError
from unmask.vocabularies.byte_pairs import learn_byte_pairs
from unmask.vocabularies.characters import text8
from unmask.vocabularies.raw_bytes import Bytes

WIKI = b"""<doc id="12" url="x" title="A">
First.

Two <b> lines.
</doc>
<doc id="13" url="y" title="B">
Second.
</doc>
"""


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"one text\n<doc>\n", [b"one text\n<doc>\n"]),
        (WIKI, [b"First.\n\nTwo <b> lines.", b"Second."]),
        (b'{"text": "a\\nb", "id": 1}\n\n{"text": "c"}\n', [b"a\nb", b"c"]),
        (b'{"texts": 1}\nrest', [b'{"texts": 1}\nrest']),
        (b"{ no json", [b"{ no json"]),
        (b"<doc of mine", [b"<doc of mine"]),
    ],
)
def test_files_are_known_by_how_they_begin(data: bytes, expected: list[bytes]) -> None:
    assert list(documents(data, "file")) == expected


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        ("{", "file, line 2 is no JSON"),
        ('{"text": 3}', 'file, line 2 must be an object with a text under "text"'),
        ("[1]", "must be an object"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_a_line_without_text_is_refused(second: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        list(documents(f'{{"text": "a"}}\n{second}\n'.encode(), "file"))


def test_a_separator_stands_behind_each_document(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl.gz"
    lines = [f"number {n}\nof {n * n}\n" for n in range(40)]
    path.write_bytes(gzip.compress("\n".join(json.dumps({"text": t}) for t in lines).encode()))
    vocabulary = learn_byte_pairs(lines, 270)
    corpus = load_corpus(path, vocabulary)
    ids = [*corpus.train.tolist(), *corpus.valid.tolist(), *corpus.test.tolist()]
    assert ids.count(vocabulary.separator_id) == 40 and ids[-1] == vocabulary.separator_id
    assert vocabulary.decode_known(ids) == "<|endoftext|>".join([*lines, ""])


def test_without_a_separator_they_follow_one_another(tmp_path: Path) -> None:
    (tmp_path / "wiki.txt").write_bytes(WIKI * 5)
    corpus = load_corpus(tmp_path / "wiki.txt", Bytes())
    whole = bytes([*corpus.train.tolist(), *corpus.valid.tolist(), *corpus.test.tolist()])
    assert whole == b"First.\n\nTwo <b> lines.Second." * 5
    corpus = load_corpus(tmp_path / "wiki.txt", text8(), normalise=Normalise.TEXT8)
    assert text8().decode(corpus.train).startswith("first two b lines second first")
