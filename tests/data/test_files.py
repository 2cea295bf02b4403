import bz2
import codecs
import gzip
import lzma
import zipfile
from pathlib import Path

import pytest

from unmask.data.files import read_as_text, read_bytes
from unmask.errors import DataError

TEXT = b"the quick brown fox " * 500


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("a.txt", bytes),
        ("a", bytes),
        ("a.text8", bytes),
        ("a.txt.gz", gzip.compress),
        ("A.GZ", gzip.compress),
        ("a.xz", lzma.compress),
        ("a.bz2", bz2.compress),
    ],
)
def test_the_name_says_how_a_file_is_compressed(tmp_path, name, compress) -> None:
    (tmp_path / name).write_bytes(compress(TEXT))
    assert read_bytes(tmp_path / name) == TEXT
    assert read_bytes(str(tmp_path / name)) == TEXT
    assert read_bytes(tmp_path / name, beginning=100) == TEXT[:100]
    assert read_bytes(tmp_path / name, beginning=10**6) == TEXT


def test_a_zip_gives_its_only_member_or_the_one_named(tmp_path) -> None:
    one = write_zip(tmp_path / "one.zip", {"dir/": b"", "dir/a": TEXT, "__MACOSX/dir/._a": b"x"})
    assert read_bytes(one) == TEXT
    two = write_zip(tmp_path / "two.zip", {"a": b"first", "b": TEXT})
    assert read_bytes(two, "b") == TEXT and read_bytes(two, "b", beginning=9) == TEXT[:9]


def test_a_member_may_be_named_by_the_path(tmp_path) -> None:
    path = write_zip(tmp_path / "two.zip", {"a.txt": b"first", "dir/b.txt": TEXT})
    assert read_bytes(path / "dir/b.txt") == TEXT and read_bytes(str(path / "a.txt")) == b"first"
    with pytest.raises(DataError, match="has no member 'c'"):
        read_bytes(path / "c")


def test_a_zip_of_many_members_wants_one_named(tmp_path) -> None:
    path = write_zip(tmp_path / "many.zip", {f"m{i}": b"x" for i in range(12)})
    with pytest.raises(DataError, match="holds 12 files .*: 'm0', 'm1', .*'m9' and 2 more"):
        read_bytes(path)
    with pytest.raises(DataError, match="has no member 'm99'. It has: 'm0'"):
        read_bytes(path, "m99")


@pytest.mark.parametrize(
    ("name", "compress"),
    [("a.gz", gzip.compress), ("a.xz", lzma.compress), ("a.bz2", bz2.compress)],
)
@pytest.mark.parametrize("damage", ["cut", "changed", "another format"])
def test_a_damaged_file_is_called_so(tmp_path, name, compress, damage) -> None:
    data = bytearray(compress(TEXT))
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "changed":
        data[len(data) // 2] ^= 0xFF
    else:
        data = bytearray(b"plain text")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=rf"{name} is damaged or not a \{Path(name).suffix} file"):
        read_bytes(tmp_path / name)


@pytest.mark.parametrize("damage", ["cut", "changed", "another format"])
def test_a_damaged_zip_is_called_so(tmp_path, damage) -> None:
    data = bytearray(write_zip(tmp_path / "a.zip", {"a": TEXT}).read_bytes())
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "changed":
        data[40] ^= 0xFF  # inside the compressed stream: local header 30 bytes, name 1
    else:
        data = bytearray(b"plain text")
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.zip is damaged or not a \.zip file"):
        read_bytes(tmp_path / "a.zip")


def test_an_encrypted_member_cannot_be_unpacked(tmp_path) -> None:
    data = bytearray(write_zip(tmp_path / "a.zip", {"a": TEXT}).read_bytes())
    data[6] |= 1  # the flag "encrypted", in the local header and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"member 'a' cannot be unpacked here .*encrypted"):
        read_bytes(tmp_path / "a.zip")


@pytest.mark.parametrize(("name", "compress"), [("a.txt", bytes), ("a.gz", gzip.compress)])
def test_an_empty_file_is_refused(tmp_path, name, compress) -> None:
    (tmp_path / name).write_bytes(compress(b""))
    with pytest.raises(DataError, match=f"{name} holds no data: it is empty"):
        read_bytes(tmp_path / name)


def test_an_empty_zip_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="holds no files"):
        read_bytes(write_zip(tmp_path / "a.zip", {}))


def test_what_is_not_a_file_is_refused(tmp_path, monkeypatch) -> None:
    with pytest.raises(DataError, match=r"there is no file .*gone\.zip. Check the path\."):
        read_bytes(tmp_path / "gone.zip")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="there is no file gone.*, which is relative to "):
        read_bytes("gone")
    with pytest.raises(DataError, match="is a directory. Give one of the files"):
        read_bytes(tmp_path)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(DataError, match="cannot be read: Not a directory"):
        read_bytes(tmp_path / "file" / "below")


def test_only_a_zip_has_members(tmp_path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(TEXT))
    with pytest.raises(DataError, match=r"is not a \.zip archive, so it has no member 'a'"):
        read_bytes(tmp_path / "a.gz", "a")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-32-be"])
def test_a_text_that_says_its_encoding_is_read(encoding, tmp_path) -> None:
    mark = "" if encoding in ("utf-8-sig", "utf-16", "utf-32") else "\ufeff"
    (tmp_path / "text").write_bytes((mark + "the history\nof it\n").encode(encoding))
    assert read_as_text(tmp_path / "text") == b"the history\nof it"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("the".encode("utf-16-le"), "is no text"),
        (b"\x50\0\0\0\0\0\0\0" + b'{"a": {"dtype": "F32"}}' + b"x" * 200, "is no text"),
        (b">sp|P1|X a protein\nMKVLA\nAAGH\n>sp|P2|Y\nMK\n", "looks like FASTA"),
        (b">one\nMKVLA\n", "looks like FASTA"),
        (codecs.BOM_UTF16_LE + b"\xd8\x00\xd8", "begins as utf-16"),
    ],
)
def test_what_is_evidently_no_text_is_refused(data, said, tmp_path) -> None:
    (tmp_path / "text").write_bytes(data)
    with pytest.raises(DataError, match=said):
        read_as_text(tmp_path / "text")


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"> quoted mail, 3 lines\nand more!\n", b"> quoted mail, 3 lines\nand more!"),
        (b"caf\xe9", b"caf\xe9"), (b"a\r\n", b"a"), (b"a\n\n", b"a\n"),
    ],
)  # fmt: skip
def test_other_texts_are_as_they_are(data, read, tmp_path) -> None:
    (tmp_path / "text").write_bytes(data)
    assert read_as_text(tmp_path / "text") == read
