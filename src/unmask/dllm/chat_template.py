"""The Jinja text by which a published model's chats become prompts, run as transformers runs it.

The environment is that of transformers: a sandbox with trimmed blocks, `tojson` that leaves
letters as they are, `{% generation %}`, loop controls, `raise_exception`, `strftime_now`, and the
names that it defines. Templates come with models from anywhere, so what one may cost is bounded:
in time, in how long a text it may make, and in the size of any value on the way.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from types import FrameType
from typing import TYPE_CHECKING, Any

from unmask.errors import MissingExtraError, PromptError

if TYPE_CHECKING:
    from jinja2 import Template

MOST_SECONDS = 5.0
MOST_CHARACTERS = 2**20
"""Of a prompt, and of any text on the way."""
_MOST_LOOPED = 2**18
"""Numbers that all ranges of a template give out together."""


def render(template: str, variables: Mapping[str, Any]) -> str:
    """The text that a template makes of its variables.

    Raises:
        PromptError: it refuses them, cannot be read, or takes more than it may.
        MissingExtraError: jinja2 is not installed.
    """
    try:
        compiled = _compiled(template)
        with _within(MOST_SECONDS):
            return _joined(compiled.generate(**_NAMES, **variables))
    except (ImportError, PromptError):
        raise
    except Exception as error:  # whatever its code does
        reason = str(error) or type(error).__name__
        raise PromptError(f"the model's chat template refuses this chat: {reason}.") from error


_NAMES = {"tools": None, "documents": None}
"""What transformers defines whether or not it was given."""


class _TooMuchError(Exception):
    """A template that takes more than it may."""


def _joined(pieces: Iterator[str]) -> str:
    made, size = [], 0
    for piece in pieces:
        made.append(piece)
        size += len(piece)
        if size > MOST_CHARACTERS:
            raise _TooMuchError(f"it makes a text of more than {MOST_CHARACTERS:,} characters")
    return "".join(made)


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """End the block when its time is over; between two lines of what it runs, that is."""
    before, deadline = sys.gettrace(), time.monotonic() + seconds

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        if time.monotonic() > deadline:
            raise _TooMuchError(f"it takes more than {seconds:g} seconds")
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def _bounded(value: Any) -> Any:
    """The value, unless it is larger than a prompt may be."""
    if isinstance(value, str | list | tuple | dict) and len(value) > MOST_CHARACTERS:
        raise _TooMuchError(f"it makes a value of more than {MOST_CHARACTERS:,} parts")
    return value


def _check_operands(operator: str, left: Any, right: Any) -> None:
    """Before the product is made, for it may fill all memory."""
    sizes = [len(x) if isinstance(x, str | list | tuple) else x for x in (left, right)]
    are_numbers = all(isinstance(x, int | float) for x in sizes)
    if operator == "*" and are_numbers and abs(sizes[0] * sizes[1]) > MOST_CHARACTERS:
        if isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple):
            raise _TooMuchError(f"it makes a value of more than {MOST_CHARACTERS:,} parts")
    if operator == "**" and are_numbers and (abs(sizes[0]) > 10**6 or abs(sizes[1]) > 64):
        raise _TooMuchError("it raises a number to a power that is too high")
    if operator == "%" and isinstance(left, str):
        _check_widths(left)


def _check_widths(text: Any) -> None:
    if isinstance(text, str) and re.search(r"\d{6,}", text):
        raise _TooMuchError("it pads a text to more than a prompt may have")


def _check_arguments(arguments: Sequence[Any]) -> None:
    for argument in arguments:
        if isinstance(argument, int) and abs(argument) > MOST_CHARACTERS:
            raise _TooMuchError(f"it asks for {argument:,} of something")


@lru_cache(maxsize=8)
def _compiled(template: str) -> "Template":
    """A template, ready to run; not one that was run, so that nothing is left in it."""
    try:
        from jinja2 import Environment, TemplateError, nodes
        from jinja2.ext import Extension, loopcontrols
        from jinja2.parser import Parser
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        raise MissingExtraError(
            "chats need jinja2, which is not installed. Run `pip install 'unmask[dllm]'`."
        ) from error

    class Generation(Extension):
        """{% generation %} marks the assistant's part; the text is what stands in it."""

        tags = {"generation"}  # noqa: RUF012  (as Jinja has it)

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

        def _same(self, caller: Callable[[], str]) -> str:
            return caller()

    class Bounded(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**", "%", "+"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            _check_operands(operator, left, right)
            return _bounded(super().call_binop(context, operator, left, right))

        def wrap_str_format(self, value: Any) -> Any:
            _check_widths(getattr(value, "__self__", None))
            return super().wrap_str_format(value)

        def call(self, context: Any, called: Any, *arguments: Any, **named: Any) -> Any:
            _check_arguments([*arguments, *named.values()])
            return _bounded(super().call(context, called, *arguments, **named))

    looped = 0

    def bounded_range(*bounds: int) -> range:
        nonlocal looped
        made = range(*bounds)
        looped += len(made)
        if looped > _MOST_LOOPED:
            looped = 0
            raise _TooMuchError(f"it loops more than {_MOST_LOOPED:,} times")
        return made

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def strftime_now(pattern: str) -> str:
        return datetime.now().strftime(pattern)

    environment: Environment = Bounded(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    for name in ("center", "indent", "format"):
        environment.filters[name] = _checked(environment.filters[name])
    del environment.globals["lipsum"]
    environment.globals |= {
        "raise_exception": raise_exception, "strftime_now": strftime_now, "range": bounded_range
    }  # fmt: skip
    return environment.from_string(template)


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(value: Any, *arguments: Any, **named: Any) -> Any:
        _check_arguments([*arguments, *named.values()])
        _check_widths(value)
        return _bounded(function(value, *arguments, **named))

    return call


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As it is, and not as HTML wants it."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
