"""Data made ready: token ids in files that are mapped into memory, not read.

    data.json             what it is: the vocabulary, and of each part how much, and its SHA-256
    train.safetensors     token_ids [n], in the smallest type; bounds [R+1], where records begin
    valid.safetensors
    test.safetensors

Documents of a text stand one behind the other, each with the vocabulary's separator behind it;
records (records.py) stand without ends. Which part a document or a record is in is drawn by
hashing it (sequences.py), unless its file is for one part; a file that is one document is cut at
90 and 95 % of its bytes. Rows of a dataset (dataset_stream.py) are documents, or records.

Making it ready goes from piece to piece of some 64 MB. After each there is a shard of every part
and a note of how far it came, so that a run that was cut short goes on; at the end the shards
become one file each.
"""

import hashlib
import json
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from unmask.data.dataset_stream import DatasetStream, is_stream
from unmask.data.documents import documents
from unmask.data.files import read_as_text
from unmask.data.normalise import Normalise
from unmask.data.records import read_clusters, read_records
from unmask.data.sequences import PARTS, Part, SequenceCorpus, Sequences, part_of
from unmask.data.text import Corpus
from unmask.errors import CheckpointError, ConfigError, DataError, OutputError, UnmaskError
from unmask.files.atomic import PARTIAL, replacing
from unmask.files.lock import LOCK_FILE, locked
from unmask.files.tensors import read_json, read_tensors, write_json, write_tensors
from unmask.vocabularies.named import vocabulary_in
from unmask.vocabularies.vocabulary import Vocabulary

DATA_FILE = "data.json"
_FORMAT = "unmask-data-1"
_PROGRESS_FILE = "progress.json"
_PIECE = 2**26
"""Bytes of text, about, between one note of how far it came and the next."""
_LEARNT_FROM = 2**27
"""Bytes of a dataset from which a vocabulary is learnt, at most."""
Kind = Literal["text", "sequences"]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Files, and what is to be made of them."""

    files: Sequence[Path | str]
    """Split into parts."""
    of_part: Mapping[Part, Sequence[Path | str]] = field(default_factory=dict)
    """Files of one part alone. If some are for validation or testing, `files` are for training."""
    clusters: Path | str = ""
    """Which record represents each (`read_clusters`): a cluster is never in two parts."""
    column: str = ""
    """Of a table: the one that holds the sequences."""
    normalise: Normalise = Normalise.AS_IS
    most_bytes: int | None = None
    """Stop behind the document or record with which there are as many."""

    def __post_init__(self) -> None:
        if any(map(is_stream, self.every)) and (len(self.every) > 1 or self.clusters):
            raise ConfigError("a dataset is prepared alone: without other files and clusters.")
        if self.most_bytes is not None and self.most_bytes < 1:
            raise ConfigError(f"most_bytes must be at least 1, got {self.most_bytes}.")

    @property
    def every(self) -> list[Path | str]:
        """All files, in the order in which they are read."""
        return [*self.files, *(path for part in PARTS for path in self.of_part.get(part, ()))]

    def texts(self) -> Iterator[str]:
        """What a vocabulary is learnt from: the records, or the lines, that are for training."""
        most = self.most_bytes or (_LEARNT_FROM if self.stream_name else None)
        for part, item in _up_to(most, _every_item(self)):
            if part == "train":
                text = item.text.decode(errors="replace")
                yield from [text] if item.name is not None else text.splitlines(keepends=True)

    def usual_vocabulary(self) -> str:
        """The one that is usual for such files, by name; "" if there is none."""
        if self.stream_name:
            return DatasetStream(self.stream_name, self.column).usual_vocabulary
        for path in self.every[:1]:
            records = read_records(path, column=self.column)
            return records.usual_vocabulary if records else ""
        raise ConfigError("name a file at least, to be made ready for training.")

    def to_json(self) -> dict[str, Any]:
        """What tells them from others: their places, sizes and ages."""
        paths = [str(path) for path in (*self.every, *([self.clusters] if self.clusters else []))]
        return {
            "files": [[path, *_size_and_age(path)] for path in paths],
            "parts": {part: [str(p) for p in paths] for part, paths in self.of_part.items()},
            "column": self.column,
            "normalise": self.normalise.value,
            "most_bytes": self.most_bytes,
        }

    @property
    def stream_name(self) -> str:
        """The dataset, if it is one."""
        return next((str(path) for path in self.every if is_stream(path)), "")


def _size_and_age(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat()
    except OSError:  # a member of an archive, perhaps; reading it will tell
        return 0, 0
    return found.st_size, found.st_mtime_ns


class _Item(NamedTuple):
    """A document or a record."""

    text: bytes
    where: str
    part: Part | None
    """None: it is drawn."""
    name: str | None
    """A record's id; None: it is a document."""


def _items(sources: Sources, path: Path | str, part: Part | None = None) -> Iterator[_Item]:
    records = read_records(path, column=sources.column)
    if records is not None:
        for record in records.each:
            yield _Item(record.text, record.where, part, record.id)
        return
    texts = list(documents(read_as_text(path), str(path)))
    if sources.normalise is Normalise.TEXT8:
        texts = [sources.normalise.apply(b"\n".join(texts))]
    if len(texts) > 1 or part is not None:
        for number, text in enumerate(texts, start=1):
            yield _Item(text, f"{path}, document {number}", part, None)
        return
    for text, its_part in zip(_cut(texts[0]), PARTS, strict=True):
        yield _Item(text, str(path), its_part, None)


def _cut(text: bytes) -> list[bytes]:
    """At 90 and 95 % of a text, before a space or the end of a line."""
    places = [0]
    for share in (90, 95):
        place = len(text) * share // 100
        near = text[place : place + 2**12]
        gaps = [n for n in (near.find(b" "), near.find(b"\n")) if n >= 0]
        places.append(place + min(gaps, default=_not_within(near)))
    places.append(len(text))
    return [text[begin:end] for begin, end in zip(places, places[1:], strict=False)]


def _not_within(near: bytes) -> int:
    """Where the next character of UTF-8 begins."""
    return next((n for n, byte in enumerate(near) if byte & 0xC0 != 0x80), 0)


def _of_stream(stream: DatasetStream, how: Normalise) -> Iterator[tuple[Part, _Item]]:
    """The rows of a dataset: documents, or records without a name."""
    name = "" if stream.usual_vocabulary else None
    for text, where in stream.texts():
        text = how.apply(text)
        yield part_of(text, "", None), _Item(text, where, None, name)


def _up_to(
    most: int | None, items: Iterable[tuple[Part, _Item]], done: int = 0
) -> Iterator[tuple[Part, _Item]]:
    """As many as have that many bytes, of which some are done; None: all."""
    for each in items:
        if most is not None and done >= most:
            return
        done += len(each[1].text)
        yield each


def _every_item(sources: Sources) -> Iterator[tuple[Part, _Item]]:
    """All of them, with the part of each; those that would be in two parts are left out."""
    if sources.stream_name:
        stream = DatasetStream(sources.stream_name, sources.column)
        yield from _of_stream(stream, sources.normalise)
        return
    clusters = read_clusters(sources.clusters) if sources.clusters else None
    held: set[str] = set()
    for part in ("valid", "test"):
        for path in sources.of_part.get(part, ()):
            names = (item.name or "" for item in _items(sources, path))
            held |= {(clusters or {}).get(name, name) for name in names if name}
    kinds = set[bool]()
    for path in sources.every:
        own = next((p for p in PARTS if path in sources.of_part.get(p, ())), None)
        if own is None and any(sources.of_part.get(p) for p in ("valid", "test")):
            own = "train"
        for item in _items(sources, path, own):
            kinds.add(item.name is None)
            if len(kinds) > 1:
                raise DataError(f"{path} is a text, and others are records: prepare them apart.")
            if item.part == "train" and item.name:
                if (clusters or {}).get(item.name, item.name) in held:
                    continue
            yield item.part or part_of(item.text, item.name or "", clusters), item


@dataclass(frozen=True)
class PartSize:
    """How much there is of a part."""

    num_tokens: int
    num_records: int
    sha256: str


@dataclass(frozen=True)
class Prepared:
    """A folder of data that is ready."""

    folder: Path
    kind: Kind
    vocabulary: Vocabulary
    parts: Mapping[Part, PartSize]

    def corpus(self) -> Corpus:
        """Of a text. Raises `DataError` if it is something else, or its files are damaged."""
        self._check_is("text")
        return Corpus(**{part: self._part(part)["token_ids"] for part in PARTS})

    def sequences(self) -> SequenceCorpus:
        """Of records. Raises `DataError` if it is something else, or its files are damaged."""
        self._check_is("sequences")
        found = {part: self._part(part) for part in PARTS}
        return SequenceCorpus(
            **{part: Sequences(f["token_ids"], f["bounds"]) for part, f in found.items()}
        )

    def _check_is(self, kind: Kind) -> None:
        if self.kind != kind:
            raise DataError(f"{self.folder} holds {self.kind}, and {kind} is wanted here.")

    def _part(self, part: Part) -> dict[str, Tensor]:
        path = self.folder / f"{part}.safetensors"
        try:
            found = read_tensors(path)
        except CheckpointError as error:
            raise DataError(f"{error} Prepare the data again.") from error
        size, ids, bounds = self.parts[part], found.get("token_ids"), found.get("bounds")
        is_fine = (
            ids is not None
            and bounds is not None
            and ids.ndim == bounds.ndim == 1
            and ids.dtype == _TORCH_TYPES[self.vocabulary.id_type]
            and bounds.dtype == torch.int64
            and (len(ids), len(bounds)) == (size.num_tokens, size.num_records + 1)
            and bounds[0] == 0
            and bounds[-1] == len(ids)
            and bool((bounds.diff() >= 0).all())
            and (not len(ids) or int(ids.numpy().max()) < self.vocabulary.vocab_size)
        )
        if not is_fine:
            raise DataError(
                f"{path} is not what {DATA_FILE} says of it: it was damaged, or is another one's. "
                "Prepare the data again."
            )
        return found

    def check(self) -> None:
        """Raise `DataError` if a file has another checksum than when it was written."""
        for part, size in self.parts.items():
            path = self.folder / f"{part}.safetensors"
            try:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise DataError(f"{path} cannot be read: {error.strerror}.") from error
            if found != size.sha256:
                raise DataError(
                    f"{path} has another checksum than when it was written: it was damaged or "
                    "changed since. Prepare the data again."
                )


_TORCH_TYPES: dict[type, torch.dtype] = {
    np.uint8: torch.uint8, np.uint16: torch.uint16, np.uint32: torch.uint32
}  # fmt: skip


def is_prepared(path: Path | str) -> bool:
    """Whether data that is ready lies there, or lay half ready."""
    folder = Path(path)
    return folder.is_dir() and any((folder / n).exists() for n in (DATA_FILE, _PROGRESS_FILE))


def open_prepared(path: Path | str) -> Prepared:
    """Data that is ready. Raises `DataError` if it is not whole, or its notes are damaged."""
    folder = Path(path)
    if not (folder / DATA_FILE).exists():
        raise DataError(
            f"{folder} was not made ready to its end. Go on with it by the command that was begun "
            "(unmask data prepare)."
        )
    try:
        values = read_json(folder / DATA_FILE)
        vocabulary = vocabulary_in(folder, values["vocabulary"])
        parts = {part: PartSize(**values["parts"][part]) for part in PARTS}
        kind = values["kind"]
        if values.get("format") != _FORMAT or kind not in ("text", "sequences"):
            raise KeyError("format")
    except (CheckpointError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder / DATA_FILE} does not say what data this is ({error}). Prepare it again."
        ) from error
    return Prepared(folder, cast(Kind, kind), vocabulary, parts)


def prepare(
    sources: Sources,
    out: Path | str,
    vocabulary: Callable[[], Vocabulary],
    *,
    observe: Callable[[int], None] = lambda num_bytes: None,
) -> Prepared:
    """Make files ready for training, in a new folder, or go on in one that is half ready.

    `vocabulary` is asked for one if the folder has none yet. `observe` is told how many bytes of
    text were encoded.

    Raises:
        DataError: a file cannot be read, or has what the vocabulary has not; nothing is left.
        OutputError: there is something else in the folder, or it cannot be written to; what is
            ready by then is kept.
    """
    folder = Path(out)
    _check_is_free(folder, sources)
    is_new = not (folder / _PROGRESS_FILE).exists()
    with locked(folder):
        try:
            _encode(sources, folder, vocabulary, observe)
        except OutputError:
            raise
        except UnmaskError:
            if is_new:  # what was wrong is in the data, or with the vocabulary
                shutil.rmtree(folder, ignore_errors=True)
            raise
        return _finish(folder)


def _check_is_free(folder: Path, sources: Sources) -> None:
    if (folder / DATA_FILE).exists():
        raise OutputError(f"{folder} holds data that is ready. Choose another --out.")
    if (folder / _PROGRESS_FILE).exists():
        if read_json(folder / _PROGRESS_FILE).get("sources") != sources.to_json():
            raise OutputError(
                f"{folder} is half ready, of other files, or of files that changed since. Remove "
                "it, or choose another --out."
            )
        return
    left = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    # What a process leaves that was killed before its first note.
    foreign = [name for name in left if name != LOCK_FILE and not name.endswith(PARTIAL)]
    if foreign or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"{folder} is there already, and is not empty. Choose another --out.")


def _encode(
    sources: Sources,
    folder: Path,
    vocabulary: Callable[[], Vocabulary],
    observe: Callable[[int], None],
) -> None:
    """Shards of all that has none yet."""
    note: dict[str, Any] = {"sources": sources.to_json(), "vocabulary": None, "kind": "text",
                            "num_items": 0, "num_bytes": 0, "num_shards": 0,
                            "position": None}  # fmt: skip
    if (folder / _PROGRESS_FILE).exists():
        note = read_json(folder / _PROGRESS_FILE)
    else:
        write_json(folder / _PROGRESS_FILE, note)  # before all else, which it is told from
    if note["vocabulary"] is not None:
        known = vocabulary_in(folder, note["vocabulary"])
    else:
        known = vocabulary()
        for name, content in known.files().items():
            with replacing(folder / name) as draft:
                draft.write_text(content, encoding="utf-8")
        note["vocabulary"] = known.to_json()
        write_json(folder / _PROGRESS_FILE, note)
    stream = None
    if sources.stream_name:
        stream = DatasetStream(sources.stream_name, sources.column)
        if note["position"] is not None:
            stream.go_to(note["position"])
        items = _of_stream(stream, sources.normalise)
        observe(note["num_bytes"])
    else:
        items = _every_item(sources)
        for _, item in islice(items, note["num_items"]):
            observe(len(item.text))
    for piece in _pieces(_up_to(sources.most_bytes, items, note["num_bytes"])):
        note["kind"] = "text" if piece[0][1].name is None else "sequences"
        for part in PARTS:
            rows = [
                _ids(item, known, has_separator=note["kind"] == "text")
                for its_part, item in piece
                if its_part == part
            ]
            path = folder / f"{part}-{note['num_shards']:05}.safetensors"
            found = Sequences.of(rows or [np.zeros(0, dtype=known.id_type)][:0])
            ids = found.token_ids if rows else torch.zeros(0, dtype=_TORCH_TYPES[known.id_type])
            write_tensors(path, {"token_ids": ids, "bounds": found.bounds})
        num_bytes = sum(len(item.text) for _, item in piece)
        note["num_items"] += len(piece)
        note["num_bytes"] += num_bytes
        note["num_shards"] += 1
        note["position"] = stream.position if stream else None
        write_json(folder / _PROGRESS_FILE, note)
        observe(num_bytes)
    if not note["num_items"]:
        raise DataError("there is nothing to learn from in these files: no document, no record.")


def _ids(item: _Item, vocabulary: Vocabulary, *, has_separator: bool) -> np.ndarray:
    ids = vocabulary.encode_bytes(item.text, source=item.where)
    if not has_separator or vocabulary.separator_id is None:
        return ids
    return np.append(ids, np.array([vocabulary.separator_id], dtype=ids.dtype))


def _pieces(items: Iterable[tuple[Part, _Item]]) -> Iterator[list[tuple[Part, _Item]]]:
    piece, size = list[tuple[Part, _Item]](), 0
    for each in items:
        piece.append(each)
        size += len(each[1].text)
        if size >= _PIECE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _finish(folder: Path) -> Prepared:
    """One file for each part in the place of its shards, and the note that says what they are."""
    note = read_json(folder / _PROGRESS_FILE)
    parts = {}
    for part in PARTS:
        shards = [folder / f"{part}-{n:05}.safetensors" for n in range(note["num_shards"])]
        parts[part] = vars(_merge(shards, folder / f"{part}.safetensors"))
    values = {"format": _FORMAT, "kind": note["kind"], "vocabulary": note["vocabulary"],
              "parts": parts, "sources": note["sources"]}  # fmt: skip
    write_json(folder / DATA_FILE, values)
    for part in PARTS:
        for number in range(note["num_shards"]):
            (folder / f"{part}-{number:05}.safetensors").unlink(missing_ok=True)
    (folder / _PROGRESS_FILE).unlink(missing_ok=True)
    for partial in folder.glob(f".*{PARTIAL}"):  # of a process that was killed
        partial.unlink(missing_ok=True)
    return open_prepared(folder)


def _merge(shards: Sequence[Path], path: Path) -> PartSize:
    """One safetensors file of what is in several, which may be more than fits into memory."""
    sizes, ends, dtype = list[int](), [torch.zeros(1, dtype=torch.int64)], torch.uint8
    for shard in shards:
        found = read_tensors(shard)
        dtype = found["token_ids"].dtype
        ends.append(found["bounds"][1:] + sum(sizes))
        sizes.append(len(found["token_ids"]))
    bounds, num_tokens = torch.cat(ends), sum(sizes)
    num_bytes = num_tokens * dtype.itemsize
    room = len(bounds) * 8
    header = json.dumps(
        {  # the widest type first, so that it lies where its type wants it
            "bounds": {"dtype": "I64", "shape": [len(bounds)], "data_offsets": [0, room]},
            "token_ids": {
                "dtype": f"U{8 * dtype.itemsize}",
                "shape": [num_tokens],
                "data_offsets": [room, room + num_bytes],
            },
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    digest = hashlib.sha256()
    with replacing(path) as draft, draft.open("wb") as file:

        def write(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        write(struct.pack("<Q", len(header)) + header)
        write(bounds.numpy().tobytes())
        for shard in shards:
            write(read_tensors(shard)["token_ids"].numpy().tobytes())
    return PartSize(num_tokens, len(bounds) - 1, digest.hexdigest())
