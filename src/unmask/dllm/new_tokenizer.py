"""A small tokenizer of one's own, with LLaDA's special tokens and chat format.

Byte-level BPE, so that any text can be encoded; every digit is a token, so that numbers are
worked out digit by digit.
"""

import json
from collections.abc import Iterable

from unmask.errors import ConfigError, MissingExtraError

MASK, END = "<|mdm_mask|>", "<|endoftext|>"
_SPECIAL = (
    "<|startoftext|>", END, MASK, "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
)  # fmt: skip
_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def new_tokenizer(texts: Iterable[str], vocab_size: int) -> dict[str, str]:
    """The files of a tokenizer learnt from texts, by name; the same for the same texts.

    Raises:
        ConfigError: the vocabulary has no room for the bytes and the special tokens.
        MissingExtraError: tokenizers is not installed.
    """
    try:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    except ImportError as error:
        raise MissingExtraError(
            "making a tokenizer needs tokenizers, which is not installed. "
            "Run `pip install 'unmask[dllm]'`."
        ) from error
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    fewest = len(alphabet) + len(_SPECIAL)
    if vocab_size < fewest:
        raise ConfigError(
            f"a byte-level vocabulary with its special tokens has at least {fewest} entries, got "
            f"{vocab_size}. Set --model.vocab-size to that or more."
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(_SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    settings = {
        "bos_token": _SPECIAL[0],
        "eos_token": END,
        "pad_token": END,
        "mask_token": MASK,
        "chat_template": _TEMPLATE,
    }
    return {
        "tokenizer.json": tokenizer.to_str(pretty=False) + "\n",
        "tokenizer_config.json": json.dumps(settings, indent=2) + "\n",
    }
