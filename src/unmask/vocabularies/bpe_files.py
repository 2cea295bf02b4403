"""A byte-level BPE tokenizer from vocab.json, merges.txt and the tokens that were added to them.

Dream and its kin are published like that, with a tokenizer in Python and no tokenizer.json. What
the Python does is what the `tokenizers` library does by these parts: text in NFC, cut by a
pattern, each piece as bytes, merged in the order of the file.

Sources: Radford et al. (2019), for the byte level and GPT-2's pattern; that of Qwen2 and the NFC
are those of transformers' Qwen2Tokenizer.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.errors import CheckpointError, MissingExtraError
from unmask.files.reading import read_text
from unmask.files.tensors import read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"
VOCAB_FILE, MERGES_FILE, ADDED_FILE = "vocab.json", "merges.txt", "added_tokens.json"
GPT2_VOCAB_FILE, GPT2_MERGES_FILE = "encoder.json", "vocab.bpe"
"""What GPT-2 was published as."""

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def tokenizers_library() -> Any:
    """The `tokenizers` library. Raises `MissingExtraError` if it is not installed."""
    try:
        import tokenizers
    except ImportError as error:
        raise MissingExtraError(
            "large models and vocabularies of pieces need tokenizers, which is not installed. "
            "Run `pip install 'unmask[dllm]'`."
        ) from error
    return tokenizers


def tokenizer_from(content: str, file: Path) -> "Tokenizer":
    """The tokenizer of a tokenizer.json. Raises `CheckpointError` if it is none."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(content)
    except Exception as error:  # the library raises bare Exception for every damage
        raise CheckpointError(f"{file} is not a tokenizer ({error}). Fetch it again.") from error


def read_bpe(
    folder: Path,
    settings: dict[str, Any],
    vocab_file: str = VOCAB_FILE,
    merges_file: str = MERGES_FILE,
) -> "Tokenizer":
    """The tokenizer of a folder. `settings` are those of tokenizer_config.json.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
    from tokenizers import pre_tokenizers as pre

    vocabulary = read_json(folder / vocab_file)
    try:
        lines = read_text(folder / merges_file).split("\n")
        merges = [
            (first, second)
            for first, _, second in (line.partition(" ") for line in lines)
            if second and not first.startswith("#version")
        ]
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    except Exception as error:  # the library raises bare Exception for every damage
        raise CheckpointError(
            f"{folder / merges_file} and {vocab_file} are no tokenizer ({error}). Fetch them "
            "again."
        ) from error
    name = str(settings.get("tokenizer_class", ""))
    if "GPT2" in name:
        tokenizer.pre_tokenizer = pre.ByteLevel(
            add_prefix_space=settings.get("add_prefix_space") is True
        )
    else:
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre.Sequence(
            [pre.Split(Regex(_QWEN2), "isolated"), pre.ByteLevel(False, use_regex=False)]
        )
    tokenizer.decoder = decoders.ByteLevel()
    added = [
        AddedToken(text, normalized=False, special=is_special)
        for _, text, is_special in _added(folder, settings)
    ]
    tokenizer.add_tokens(added)
    tokenizer.add_special_tokens([token for token in added if token.special])
    for number, text, _ in _added(folder, settings):
        if tokenizer.token_to_id(text) != number:
            raise CheckpointError(
                f"{folder}: the added token {text!r:.40} has the id {number}, and would get "
                f"{tokenizer.token_to_id(text)}: {VOCAB_FILE} is that of another model."
            )
    return tokenizer


def _added(folder: Path, settings: dict[str, Any]) -> list[tuple[int, str, bool]]:
    """Number, text and whether it is special of each token beside the vocabulary, in order."""
    found: dict[int, tuple[str, bool]] = {}
    if (folder / ADDED_FILE).exists():
        for text, number in read_json(folder / ADDED_FILE).items():
            if type(number) is not int:
                raise CheckpointError(f"{folder / ADDED_FILE}: {text!r:.40} has no number.")
            found[number] = text, True
    decoder = settings.get("added_tokens_decoder")
    for number, token in (decoder if isinstance(decoder, dict) else {}).items():
        if isinstance(token, dict) and isinstance(token.get("content"), str) and number.isdigit():
            found[int(number)] = token["content"], token.get("special") is not False
    return [(number, *found[number]) for number in sorted(found)]
