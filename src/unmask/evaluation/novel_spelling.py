"""Fresh spelling: the share of a text's letters that stand in known words it has not used yet.

    Q = sum of |w| over the different known words w of the text  /  sum of |w| over all its words

As a goal to be maximised, spelling accuracy (evaluation/spelling.py) is met by saying a known
word again and again, and by short words: of all pairs of letters, nearly every one occurs in a
large text as a word. Here repetition earns nothing, and a word as much as it is long. Text of
people is below 1, since people repeat words too: 0.91 for 128 characters of Wikipedia.
"""

from collections.abc import Set

from unmask.evaluation.spelling import Edges, words_of


def fresh_spelling(text: str, known_words: Set[str]) -> float:
    """Q above; words cut off by the edges are left out, and a text without words has 0."""
    words = words_of(text, Edges.LEFT_OUT)
    num_letters = sum(map(len, words))
    num_fresh = sum(len(word) for word in set(words) if word in known_words)
    return num_fresh / num_letters if num_letters else 0.0
