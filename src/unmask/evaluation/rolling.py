"""A long text as continuations no longer than a model takes, each token in one of them.

A text that fits is one continuation, behind what every text begins with. Of a longer one each
window holds `length` tokens, the first of which is its context, the last of the window before:

    [prefix | 0 1 2] [2 | 3 4 5] [5 | 6 7 8] ...

The last window is filled up with context. These are the windows of lm-evaluation-harness.
"""

from collections.abc import Sequence

from unmask.errors import ConfigError
from unmask.evaluation.continuation import Continuation


def windows(
    token_ids: Sequence[int], *, length: int, prefix_ids: Sequence[int] = ()
) -> list[Continuation]:
    """A text cut up; none of no text. The log-likelihood of the text is the sum over them.

    Raises `ConfigError` if a window has no room for a token behind its context.
    """
    shortest = max(1, len(prefix_ids)) + 1
    if length < shortest:
        raise ConfigError(
            f"windows must have at least {shortest} tokens, of which {shortest - 1} are context, "
            f"got {length}."
        )
    found, first, stop = [], 0, min(len(token_ids), length - len(prefix_ids))
    context_ids = tuple(prefix_ids)
    while first < stop:
        found.append(Continuation(context_ids, tuple(token_ids[first:stop])))
        first, stop = stop, min(len(token_ids), stop + length - 1)
        context_ids = tuple(token_ids[max(0, stop - length) : first])
    return found
