"""Any text in text8's form: a-z and single spaces.

    A-Z             ->  a-z
    0 ... 9         ->  " zero " ... " nine "
    all else        ->  a space
    runs of spaces  ->  one space; none at either end

Beyond ASCII nothing is transliterated: "café" becomes "caf". The rules for wiki mark-up, which
come before these in the source, are left out: the input is plain text.

Source: M. Mahoney (2006), wikifil.pl, Appendix A of "About the test data",
http://mattmahoney.net/dc/textdata.html.
"""

import re
from enum import Enum

_DIGIT_WORDS = (
    b"zero", b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eight", b"nine",
)  # fmt: skip
_LETTER_OR_SPACE = bytes(
    code if code in b"abcdefghijklmnopqrstuvwxyz" else ord(" ")
    for code in bytes(range(256)).lower()
)


class Normalise(Enum):
    """What becomes of a text before it is encoded."""

    AS_IS = "as_is"
    """Nothing: it must already be in the alphabet."""
    TEXT8 = "text8"
    """It is brought into text8's form."""

    def apply(self, data: bytes) -> bytes:
        return normalise_bytes(data) if self is Normalise.TEXT8 else data


def normalise_bytes(data: bytes) -> bytes:
    """`normalise` of a whole file, in any encoding that agrees with ASCII where it can."""
    for digit, word in enumerate(_DIGIT_WORDS):
        data = data.replace(b"%d" % digit, b" %s " % word)
    return re.sub(b"  +", b" ", data.translate(_LETTER_OR_SPACE)).strip()


def normalise(text: str) -> str:
    """`text` in text8's form."""
    return normalise_bytes(text.encode(errors="replace")).decode("ascii")
