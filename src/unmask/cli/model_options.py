"""Which model, on which device, in which precision."""

import torch
from jsonargparse import Namespace

from unmask.cli.parser import Parser
from unmask.errors import ConfigError
from unmask.model import Model, load, shipped_names

_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


def add_model_options(parser: Parser) -> None:
    """MODEL, --precision and --device."""
    parser.add_argument(
        "model",
        nargs="?",
        default="text8s",
        help=f"Shipped ({', '.join(shipped_names())}), a model or run folder, or a hub id.",
    )
    parser.add_argument(
        "--precision", choices=list(_DTYPES), default="float32", help="Of weights and products."
    )
    parser.add_argument("--device", type=str, default="cpu", help="cpu, cuda, cuda:1 ...")


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
