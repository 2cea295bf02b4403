"""Which model, on which device, in which precision; and the words it was trained on."""

import shutil

import torch
from jsonargparse import Namespace

from unmask.cli.options.parser import Parser
from unmask.errors import ConfigError
from unmask.evaluation.words import words_of
from unmask.files.model_folder import WORDS_FILE, find_folder, shipped_names
from unmask.files.tensors import CONFIG_FILE, read_json
from unmask.models.chat import ChatModel
from unmask.models.load import is_chat_model, load, load_text_model
from unmask.models.text import TextModel
from unmask.models.text_folder import TextNetwork
from unmask.network.hybrid import HybridTransformer
from unmask.network.quantise import quantise_trunk
from unmask.network.stream import StreamTransformer

_DTYPES = {
    "float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.float32
}  # fmt: skip


def add_model_options(parser: Parser) -> None:
    """MODEL, --precision and --device."""
    parser.add_argument(
        "model",
        nargs="?",
        default="text8s",
        help=f"Shipped ({', '.join(shipped_names())}), a model or run folder, or a hub id.",
    )
    add_device_options(parser)


def add_device_options(parser: Parser) -> None:
    """--precision and --device."""
    parser.add_argument(
        "--precision",
        choices=["auto", *_DTYPES],
        default="auto",
        help="Precision of weights and products. auto: float32, or of a large model with more "
        "than a billion weights that of its files; fp16 is for GPUs without bf16. "
        "int8: of the trunk alone, on a CPU; it moves "
        "the law (docs/performance.md).",
    )
    parser.add_argument(
        "--device",
        type=str,
        default="auto",
        help="Where the model runs: auto (the GPU if there is one), cpu, cuda, cuda:1.",
    )


def add_compile_option(parser: Parser) -> None:
    """--compile."""
    parser.add_argument(
        "--compile",
        action="store_true",
        help="Compile the trunk first: a minute, then passes of several sequences take about a "
        "fifth less in bf16. Needs a C++ compiler.",
    )


def add_drafter_option(parser: Parser) -> None:
    """--drafter."""
    parser.add_argument(
        "--drafter",
        type=str,
        default="",
        help="A smaller large model of the same tokenizer, that drafts where draft-verify "
        "verifies; else the model drafts for itself.",
    )


def add_by_text_option(parser: Parser) -> None:
    """--by-text."""
    parser.add_argument(
        "--by-text",
        action="store_true",
        help="Put what the --drafter drafts to the model as text: for two of different "
        "tokenizers. --max-new-tokens is then counted in the drafter's.",
    )


def add_tail_option(parser: Parser) -> None:
    """--tail."""
    parser.add_argument(
        "--tail",
        type=str,
        default="",
        help="Folder of a causal tail for a model that drafts alone, a large one or ESM "
        "(`unmask train adapt`); else the model's own, if it has one.",
    )


def add_words_option(parser: Parser) -> None:
    """--words."""
    parser.add_argument(
        "--words",
        type=str,
        default="",
        help=f"List of known words; else the model's {WORDS_FILE}.",
    )


def load_model(options: Namespace) -> TextModel:
    """The model asked for. Raises `ConfigError` if it is a large one, or is to have a drafter."""
    if options.get("drafter"):
        raise ConfigError(
            "--drafter is for a large model that is asked a question or a task; one of characters "
            "drafts for itself. Leave it out."
        )
    model = load_text_model(options.model, dtype=dtype_of(options), device=options.device)
    if options.get("tail"):
        model = model.with_tail(options.tail)
    _put_down(options, model)
    prepare(model.network, options)
    return model


def load_any_model(options: Namespace) -> TextModel | ChatModel:
    """The model asked for, of characters or a large one, with what drafts for it.

    Raises:
        CheckpointError: there is no such model, or its files are damaged.
        ConfigError: one cannot be opened as asked, or the drafter does not go with the model.
    """
    if not _is_large(options.model):
        return load_model(options)
    if options.precision == "int8" or options.get("compile"):
        raise ConfigError(
            "--precision int8 and --compile are for models that draft and verify; a large model "
            "is opened in float32 or bf16."
        )
    model = _load_large(options.model, options)
    if options.get("tail"):
        model = model.with_tail(options.tail)
    if not options.get("drafter"):
        if options.get("by_text"):
            raise ConfigError(
                "--by-text is for another model that drafts: name it with --drafter."
            )
        return model
    if not _is_large(options.drafter):
        raise ConfigError(
            f"the drafter {options.drafter} is a model of characters, which {options.model} "
            "cannot read. Choose a large model of the same tokenizer."
        )
    drafter = _load_large(options.drafter, options)
    return drafter.verified_by(model) if options.get("by_text") else model.drafted_by(drafter)


def _load_large(name: str, options: Namespace) -> ChatModel:
    """A large model by name, in the precision and on the device asked for."""
    model = load(name, dtype=dtype_of(options), device=options.device)
    assert isinstance(model, ChatModel), "asked before"
    _put_down(options, model)
    return model


def _put_down(options: Namespace, model: TextModel | ChatModel) -> None:
    """What was chosen where nothing was asked for, so that reports can say it."""
    if options.precision == "auto":
        dtype = next(model.network.parameters()).dtype
        options.precision = next(name for name, each in _DTYPES.items() if each == dtype)


def _is_large(name: str) -> bool:
    return is_chat_model(read_json(find_folder(name) / CONFIG_FILE))


def prepare(network: TextNetwork, options: Namespace) -> None:
    """What --precision int8 and --compile do to a network.

    Raises `ConfigError` for a causal trunk, whose passes are too small to gain by either, and for
    published networks.
    """
    if not isinstance(network, HybridTransformer):
        if options.precision == "int8" or options.get("compile"):
            is_stream = isinstance(network, StreamTransformer)
            own = "runs a few tokens a pass" if is_stream else "was trained elsewhere"
            raise ConfigError(
                "--precision int8 and --compile are for trunks of this package that run whole "
                f"sequences; that of {options.model} {own}. Use float32 or bf16."
            )
        return
    if options.precision == "int8":
        quantise_trunk(network)
    if options.get("compile"):
        _compile_trunk(network)


def _compile_trunk(network: HybridTransformer) -> None:
    if network.device.type == "cpu" and not (shutil.which("c++") or shutil.which("g++")):
        raise ConfigError(
            "--compile needs a C++ compiler, and there is neither c++ nor g++ on the path. "
            "Install one (Debian: apt install g++), or leave the option out."
        )
    network.compile_trunk()


def dtype_of(options: Namespace) -> torch.dtype | None:
    """What --precision asks for; None if it leaves it to the model."""
    return _DTYPES.get(options.precision)


def known_words(options: Namespace) -> frozenset[str]:
    """The words that --words names, or those that lie with the model.

    Raises `DataError` if there are none.
    """
    return words_of(options.model, options.words)
