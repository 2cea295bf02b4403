"""The documents of a text file: what belongs together, with the marks of files taken off.

Three forms are known by how they begin; anything else is one document.

    <doc id=... title=...> ... </doc>     Wikipedia as WikiExtractor writes it
    {"text": "..."}                       one JSON object a line, as data sets are published
    anything else                         itself
"""

import re
from collections.abc import Iterator

from unmask.errors import DataError
from unmask.files.reading import loads

_DOC = re.compile(rb"<doc [^>\n]*>\n(.*?)\n?</doc>", re.DOTALL)


def documents(data: bytes, source: str) -> Iterator[bytes]:
    """Each document of a file's content, in order. Raises `DataError`; `source` names the file."""
    if data.startswith(b"<doc ") and _DOC.match(data):
        yield from (found[1] for found in _DOC.finditer(data))
    elif _is_json_lines(data):
        for number, line in enumerate(data.splitlines(), start=1):
            if line.strip():
                yield _text_of(line, f"{source}, line {number}")
    else:
        yield data


def _is_json_lines(data: bytes) -> bool:
    first = data.partition(b"\n")[0]
    try:
        values = loads(first.decode()) if first[:1] == b"{" else None
    except ValueError:
        return False
    return isinstance(values, dict) and "text" in values


def _text_of(line: bytes, where: str) -> bytes:
    try:
        values = loads(line.decode())
    except ValueError as error:
        raise DataError(f"{where} is no JSON ({error}). Mend or remove it.") from error
    text = values.get("text") if isinstance(values, dict) else None
    if not isinstance(text, str):
        raise DataError(
            f'{where} must be an object with a text under "text", got '
            f"{line[:60].decode(errors='replace')!r}."
        )
    return text.encode(errors="replace")
