"""What the parsers of all verbs share."""

from collections.abc import Sequence
from typing import Any

import jsonargparse

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)


class Parser(jsonargparse.ArgumentParser):
    """Options of frozen dataclasses in dotted form; `--a.b-c` means the same as `--a.b_c`."""

    def __init__(self, verb: str, description: str, **options: Any) -> None:
        super().__init__(prog=f"unmask {verb}", description=description, **options)

    def parse(self, arguments: Sequence[str]) -> jsonargparse.Namespace:
        """The values of the options; exits with status 2 and a sentence if they are wrong."""
        return self.parse_args([_underscored(argument) for argument in arguments])


def _underscored(argument: str) -> str:
    name, equals, value = argument.partition("=")
    if not name.startswith("--") or "." not in name:
        return argument
    first, rest = name.split(".", 1)
    return f"{first}.{rest.replace('-', '_')}{equals}{value}"
