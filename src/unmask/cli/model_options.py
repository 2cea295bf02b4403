"""Which model, on which device, in which precision; and the words it was trained on."""

from pathlib import Path

import torch
from jsonargparse import Namespace

from unmask.cli.parser import Parser
from unmask.errors import ConfigError, DataError
from unmask.evaluation.words import read_words
from unmask.model import Model, load
from unmask.model_folder import WORDS_FILE, find_folder, shipped_names

_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


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
        "--precision", choices=list(_DTYPES), default="float32", help="Of weights and products."
    )
    parser.add_argument("--device", type=str, default="cpu", help="cpu, cuda, cuda:1 ...")


def add_words_option(parser: Parser) -> None:
    """--words."""
    parser.add_argument(
        "--words",
        type=str,
        default="",
        help=f"List of known words; else the model's {WORDS_FILE}.",
    )


def load_model(options: Namespace) -> Model:
    """The model asked for."""
    try:
        device = torch.device(options.device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"--device {options.device!r} cannot be used here ({reason}). Use cpu."
        ) from error
    return load(options.model, dtype=_DTYPES[options.precision], device=str(device))


def known_words(options: Namespace) -> frozenset[str]:
    """The words that --words names, or those that lie with the model.

    Raises `DataError` if there are none.
    """
    file = Path(options.words) if options.words else find_folder(options.model) / WORDS_FILE
    if not file.exists():
        raise DataError(
            f"{file} does not exist: spelling is judged by the words of the training text. Make "
            "the list with `unmask words TEXT --out words.xz` and name it with --words."
        )
    return read_words(file)
