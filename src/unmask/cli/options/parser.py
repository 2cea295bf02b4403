"""What the parsers of all verbs share."""

import re
from collections.abc import Sequence
from typing import Any, NoReturn

import jsonargparse

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)


class Parser(jsonargparse.ArgumentParser):
    """Options of frozen dataclasses in dotted form; `--a.b-c` means the same as `--a.b_c`."""

    def __init__(self, verb: str, description: str, **options: Any) -> None:
        super().__init__(prog=f"unmask {verb}", description=description, **options)

    def parse(self, arguments: Sequence[str]) -> jsonargparse.Namespace:
        """The values of the options; exits with status 2 and a sentence if they are wrong."""
        return self.parse_args([_underscored(argument) for argument in arguments])

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """One sentence and where to read on, instead of the usage of a hundred options."""
        self.exit(2, f"{self.prog}: {sentence(message)}. See `{self.prog} --help`.\n")


def _underscored(argument: str) -> str:
    name, equals, value = argument.partition("=")
    if not name.startswith("--") or "." not in name:
        return argument
    first, rest = name.split(".", 1)
    return f"{first}.{rest.replace('-', '_')}{equals}{value}"


_PLAINER = (
    (r'Parser key "([^"]*)":', r"--\1:"),
    (r"^argument (--[\w.]+)", r"\1"),
    (r"Expected an? <class '(\w+)'>", r"expected \1"),
    (r"Expected an? typing\.Literal\[(.*?)\]", r"expected one of \1"),
    (r"\. Got value: ", ", got "),
    (r"\s+", " "),
)


def sentence(message: str) -> str:
    """A message of jsonargparse on one line, in the words of the command line."""
    for pattern, replacement in _PLAINER:
        message = re.sub(pattern, replacement, message)
    return message.strip().rstrip(".")
