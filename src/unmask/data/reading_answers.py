"""What an answer says, and when that is the reference: the same rule for both sides.

Numbers are compared by value, whatever is written around them:

    29.00   $29   +29   29.   29 apples   -> 29        50%  -> 50       70,000  -> 70000
    .5   0.50   1/2                       -> 1/2       −3 (U+2212), -$3, ($3 owed: -3)  -> -3

Letters of a choice are read behind "answer", in a box, or at the end of what is said, with
whatever stands around them; where two are offered ("A or B") none was chosen.
"""

import re
from fractions import Fraction

_SIGN = r"(?<![\w.])[-+\u2212]"
_NUMBER = (
    rf"(?:{_SIGN})?[$\u20ac\u00a3]?(?:{_SIGN})?(?:\d[\d,]*(?:\.\d+)?|(?<![\w.])\.\d+)(?:/\d+)?"
)
_BEHIND_ANSWER = r"answer\s*(?:is|was|=|:)+\s*"
_BEFORE_A_LETTER = "is|so|thus|hence|therefore|choose|pick|option|choice"
_BOXED = re.compile(r"\\boxed\s*\{([^{}]*)\}")


def value_of(number: str) -> str:
    """A number by its value, as a fraction in lowest terms; "" if there is none in the text."""
    found = re.search(_NUMBER, number)
    if found is None:
        return ""
    text = found[0].replace(",", "").replace("\u2212", "-")
    sign = "-" if "-" in text else ""
    top, _, bottom = text.lstrip("+-$\u20ac\u00a3").partition("/")
    if bottom and not int(bottom):
        return ""
    return str(Fraction(sign + top) / (Fraction(bottom) if bottom else 1))


def number_in(text: str) -> str:
    """The number in a box, else the one behind "answer", else the last one; "" if there is none.

    Without commas, currency and idle zeros; `value_of` says what it is.
    """
    plain = _plain(text)
    boxed = [number for box in _BOXED.findall(plain) for number in re.findall(_NUMBER, box)]
    named = re.findall(rf"{_BEHIND_ANSWER}({_NUMBER})", plain, re.IGNORECASE)
    found = boxed or named or re.findall(_NUMBER, plain)
    number = re.sub(r"[$\u20ac\u00a3,+]", "", str(found[-1])) if found else ""
    number = number.replace("\u2212", "-")
    return number.rstrip("0").rstrip(".") if "." in number else number


def letter_in(text: str) -> str:
    """The letter A to D that is chosen; "" if none is, or more than one."""
    plain = _plain(text)
    boxed = _BOXED.findall(plain)
    if boxed:
        return _leading_letter(boxed[-1])
    behind = re.split(_BEHIND_ANSWER, plain, flags=re.IGNORECASE)[1:]
    if behind and (letter := _leading_letter(behind[-1])):
        return letter
    lines = plain.strip().splitlines() or [""]
    ending = re.search(rf"\b(?:{_BEFORE_A_LETTER})\s+\(?([A-D])\)?[.!]?$", lines[-1])
    if ending and not re.search(r"[A-D]\)?\s+or\s+\(?[A-D]\)?[.!]?$", lines[-1]):
        return ending[1]
    return "" if behind else _leading_letter(lines[-1])


def _leading_letter(text: str) -> str:
    """A letter that stands there alone, or before the text of its choice: B, (b), B. Paris."""
    text = re.sub(r"^(?:the|option|choice|letter)\s+", "", text.strip(), flags=re.IGNORECASE)
    found = re.match(r"[(\[\"']*([A-Da-d])(?:[)\].:,;\"'!]+(?:\s|$)|\s*$|\s*\n)", text)
    return found[1].upper() if found else ""


def _plain(text: str) -> str:
    """Without what makes letters bold or slanted, and without \\text{...} around them."""
    text = re.sub(r"\\(?:text|mathrm|mathbf)\s*\{([^{}]*)\}", r"\1", text)
    return re.sub(r"\*+|__|`|(?<!\w)_(?=\w)|(?<=\w)_(?!\w)", "", text)
