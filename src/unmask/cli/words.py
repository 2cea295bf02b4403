"""`unmask words`: the words of a training text, as the small file that spelling is judged by."""

from collections.abc import Sequence

from unmask.cli.options.parser import Parser
from unmask.data.normalise import Normalise
from unmask.data.text import load_corpus
from unmask.evaluation.spelling import word_set
from unmask.evaluation.words import write_words
from unmask.vocabularies.characters import text8


def run(arguments: Sequence[str]) -> int:
    """Collect and write; the exit status."""
    options = build_parser().parse(arguments)
    vocabulary = text8()
    normalise = Normalise.TEXT8 if options.normalise else Normalise.AS_IS
    corpus = load_corpus(options.data, vocabulary, normalise=normalise)
    words = word_set(vocabulary.decode(corpus.train))
    write_words(options.out, words)
    print(f"{len(words):,} words of {len(corpus.train):,} characters in {options.out}")
    return 0


def build_parser() -> Parser:
    """The options of `unmask words`."""
    parser = Parser(
        "words",
        "Write the distinct words of a training text (its first 90 %) as a compressed list. "
        "`unmask evaluate` counts a generated word as spelled correctly if it is in the list; "
        "it looks for words.xz in the model's folder.",
    )
    parser.add_argument("data", help="Text whose words are listed: plain, .gz, .xz or .zip.")
    parser.add_argument("--out", type=str, default="words.xz", help="Where to write the list.")
    parser.add_argument("--normalise", action="store_true", help="Bring into text8's form first.")
    return parser
