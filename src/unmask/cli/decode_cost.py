"""`unmask decode-cost`: memory and work of a large model, before its weights are fetched."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from unmask.cli.options.model import dtype_of
from unmask.cli.options.parser import Parser
from unmask.dllm.config import DllmConfig
from unmask.errors import CheckpointError, ConfigError
from unmask.files.model_folder import find_folder
from unmask.files.reading import dumps
from unmask.files.tensors import CONFIG_FILE, read_json
from unmask.speed.decode_cost import DecodeSetting, costs, prediction_bytes, weight_bytes


def run(arguments: Sequence[str]) -> int:
    """Work it out and say it; the exit status."""
    options = build_parser().parse(arguments)
    file = Path(options.config)
    if not file.is_file():
        file = find_folder(options.config) / CONFIG_FILE
    try:
        config = DllmConfig.from_json(read_json(file))
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}") from error
    setting = DecodeSetting(**{each.name: options[each.name] for each in fields(DecodeSetting)})
    dtype = dtype_of(options)
    assert dtype is not None, "one of the choices"
    weights, predictions = weight_bytes(config, dtype), prediction_bytes(config, setting)
    rows = costs(config, setting, dtype)
    if options.json:
        about = {"num_weights": config.num_weights, "weight_bytes": weights}
        about["prediction_bytes"] = predictions
        print(dumps({**about, "decoders": [asdict(row) for row in rows]}))
        return 0
    print(
        f"{config.family}: {config.num_weights / 1e9:.2f} billion weights, "
        f"{weights / 1e9:.1f} GB in {options.precision}; predictions of a pass "
        f"{predictions / 1e9:.2f} GB\n"
        f"an answer of {setting.answer} tokens behind a prompt of {setting.prompt}:"
    )
    print("passes  tokens run  of one by one  TFLOP  cache GB  memory GB  way")
    for row in rows:
        memory = weights + predictions + row.cache_bytes
        print(
            f"{row.passes:6.0f}  {row.query_tokens:10,.0f}  "
            f"{row.multiply_adds / rows[0].multiply_adds:13.2f}  "
            f"{2 * row.multiply_adds / 1e12:5.1f}  {row.cache_bytes / 1e9:8.2f}  "
            f"{memory / 1e9:9.1f}  {row.name}"
        )
    print("Work is of one answer, memory of the batch; activations of a pass come on top.")
    return 0


def build_parser() -> Parser:
    """The options of `unmask decode-cost`."""
    parser = Parser(
        "decode-cost",
        "Memory and work of decoding with a LLaDA or Dream, from its config.json alone, so that "
        "they are known before a machine is rented. How many tokens a pass reveals is for the "
        "model and the text to say: 1 is one by one, 2 to 4 is what Fast-dLLM's rule is reported "
        "to reach.",
    )
    parser.add_argument(
        "config", help="config.json of the model, its folder or hub id, or a shipped model."
    )
    parser.add_argument(
        "--precision",
        choices=["float32", "bf16"],
        default="bf16",
        help="Precision of weights and cache.",
    )
    parser.add_class_arguments(DecodeSetting)
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    return parser
