"""What is asked of a model in Python, looked at before anything is done with it.

Each function gives back what it was given, in the form in which it is used, or raises
`PromptError` (`ConfigError` for a path): what it must be, and what was there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unmask.errors import ConfigError, PromptError


def checked_text(text: object) -> str:
    """A prompt."""
    if not isinstance(text, str):
        raise PromptError(
            f"a prompt is a text, or a list of texts; got {type(text).__name__}: {text!r:.60}."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PromptError(
            f"a prompt is a text, and {text!r:.60} has what no encoding has, half of a surrogate "
            f"pair, at {error.start}. Was it read as UTF-8?"
        ) from error
    return text


def checked_texts(texts: object) -> list[str]:
    """A text, or several."""
    if isinstance(texts, str):
        return [checked_text(texts)]
    if not isinstance(texts, Sequence) or isinstance(texts, bytes):
        checked_text(texts)
    return [checked_text(each) for each in texts]  # type: ignore[attr-defined]


def checked_count(name: str, number: object) -> int | None:
    """A number of tokens, or None."""
    if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
        raise PromptError(
            f"{name} is a whole number, or None for as many as is usual; got "
            f"{type(number).__name__}: {number!r:.60}."
        )
    return number


def checked_stops(stop: object) -> tuple[str, ...]:
    """A stop string, or several."""
    stops = (stop,) if isinstance(stop, str) else stop
    is_fine = isinstance(stops, list | tuple) and all(isinstance(s, str) and s for s in stops)
    if not is_fine:
        raise PromptError(
            "stop is a text, or a list of texts, of at least one character; got "
            f"{type(stop).__name__}: {stop!r:.60}."
        )
    return tuple(stops)  # type: ignore[arg-type]


def checked_ids(token_ids: object, *, num_axes: Sequence[int]) -> Tensor:
    """Token ids, as a tensor or as lists of numbers."""
    try:
        found = token_ids if isinstance(token_ids, Tensor) else torch.tensor(token_ids)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise PromptError(
            "token ids are a tensor of whole numbers, or lists of them; got "
            f"{type(token_ids).__name__}: {token_ids!r:.60}."
        ) from error
    if not found.numel():
        found = found.long()
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise PromptError(f"token ids are whole numbers, got a tensor of {found.dtype}.")
    if found.ndim not in num_axes:
        shapes = " or ".join("[L]" if n == 1 else "[B, L]" for n in num_axes)
        raise PromptError(f"token ids have the shape {shapes}, got {list(found.shape)}.")
    return found.long()


def checked_chat(question: Any) -> Any:
    """A question, or a chat: messages with a role and a content."""
    is_chat = isinstance(question, list | tuple) and all(
        isinstance(message, Mapping)
        and isinstance(message.get("role"), str)
        and isinstance(message.get("content"), str)
        for message in question
    )
    if not (isinstance(question, str) or is_chat) or not question:
        raise PromptError(
            'a question is a text, a chat a list of messages {"role": ..., "content": ...}; got '
            f"{question!r:.80}."
        )
    return question


def checked_path(what: str, path: object) -> Path:
    """Where something lies."""
    if not isinstance(path, str | Path):
        raise ConfigError(f"{what} is named by a path, got {type(path).__name__}: {path!r:.60}.")
    return Path(path)
