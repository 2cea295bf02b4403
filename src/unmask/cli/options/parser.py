"""What the parsers of all verbs share."""

import re
from collections.abc import Sequence
from typing import Any, NoReturn

import jsonargparse
import yaml

from unmask.errors import did_you_mean, shown
from unmask.files import strict_yaml
from unmask.files.strict_yaml import is_odd_number

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)
jsonargparse.set_loader("yaml", strict_yaml.load, exceptions=(yaml.YAMLError,))


class Parser(jsonargparse.ArgumentParser):
    """Options of frozen dataclasses in dotted form; `--a.b-c` means the same as `--a.b_c`."""

    def __init__(self, verb: str, description: str, **options: Any) -> None:
        super().__init__(
            prog=f"unmask {verb}", description=description, allow_abbrev=False, **options
        )

    def parse(self, arguments: Sequence[str]) -> jsonargparse.Namespace:
        """The values of the options; exits with status 2 and a sentence if they are wrong."""
        self._check_once(arguments)
        self._check_numbers(arguments)
        try:
            return self.parse_args([_underscored(argument) for argument in arguments])
        except (UnicodeError, RecursionError) as error:
            return self.error(f"a setting, or a file of some, cannot be read ({error})")

    def _check_once(self, arguments: Sequence[str]) -> None:
        """Of texts one may expect to give several; the first would go unused, without a word.

        Of other options the last one counts, as everywhere.
        """
        given = [word.partition("=")[0] for word in arguments if word.startswith("--")]
        given = [name for name in given if name in _TEXTS]
        if twice := next((name for name in given if given.count(name) > 1), ""):
            self.error(f"{twice} is given twice, and takes one value. Several: from Python")

    def _check_numbers(self, arguments: Sequence[str]) -> None:
        """1:30 is no ninety, 1_0 no ten, where a number is wanted."""
        for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
            name, equals, value = _underscored(word).partition("=")
            action = self._option_string_actions.get(name)
            wanted = getattr(action, "_typehint", getattr(action, "type", None))
            value = value if equals else following
            if wanted in (int, float, int | None, float | None) and is_odd_number(value):
                self.error(f"{name}: expected a number, got {value!r:.60}")

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """One sentence and where to read on, instead of the usage of a hundred options."""
        said = shown(sentence(message))
        self.exit(2, f"{self.prog}: {said}.{self._meant(said)} See `{self.prog} --help`.\n")

    def _meant(self, message: str) -> str:
        """The options nearest to those that there are not."""
        if not message.lower().startswith("unrecognized arguments"):
            return ""
        wrong = [word.partition("=")[0] for word in message.split() if word.startswith("--")]
        return "".join(did_you_mean(name, self._option_string_actions) for name in wrong)


_TEXTS = ("--prompt", "--chat", "--template")


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
