"""`unmask models`: what ships with the package."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unmask.cli.options.parser import Parser
from unmask.dllm.config import DllmConfig
from unmask.files.model_folder import shipped_folder, shipped_names
from unmask.files.reading import dumps
from unmask.files.tensors import CONFIG_FILE, WEIGHTS_FILE, read_json
from unmask.network.adapted import TailConfig
from unmask.network.config import HybridConfig
from unmask.recipes.recipe import preset, preset_names


def run(arguments: Sequence[str]) -> int:
    """List models and recipes; the exit status."""
    parser = build_parser()
    options = parser.parse(arguments)
    models = []
    for name in shipped_names():
        folder = shipped_folder(name)
        megabytes = (folder / WEIGHTS_FILE).stat().st_size / 1e6
        models.append(
            {"name": name, "folder": str(folder), "megabytes": megabytes, **_fields(folder)}
        )
    if options.json:
        print(dumps({"models": models, "recipes": preset_names()}))
        return 0
    print("models, for `unmask generate NAME`:")
    for entry in models:
        print(
            f"  {entry['name']:<16} {entry['blocks']} blocks, width {entry['width']}, "
            f"length {entry['length']}, "
            f"{entry['megabytes']:.1f} MB{entry['use']}; card: {entry['folder']}/README.md"
        )
    print("recipes, for `unmask train NAME --data FILE --out FOLDER`:")
    for name in preset_names():
        recipe = preset(name)
        steps = f"{recipe.trainer.num_steps:,} steps of {recipe.trainer.batch_size}"
        print(f"  {name:<16} {_shape(recipe.model)}; {steps}")
    return 0


def _fields(folder: Path) -> dict[str, Any]:
    """What config.json says of the model, and what to use it for."""
    values = read_json(folder / CONFIG_FILE)
    if "model_type" in values:
        config = asdict(DllmConfig.from_json(values))
        return {**config, "blocks": str(config["num_blocks"]), "use": ", for --chat"}
    config = values["model"]
    blocks = f"{config['num_trunk_blocks']} + {config['num_tail_blocks']}"
    use = "" if config["num_trunk_blocks"] else ", for --judge"
    return {**config, "blocks": blocks, "use": use}


def _shape(model: HybridConfig | DllmConfig | TailConfig) -> str:
    if isinstance(model, TailConfig):
        return f"+ {model.num_tail_blocks} blocks for a large model (--trunk MODEL)"
    blocks = (
        f"{model.num_blocks}"
        if isinstance(model, DllmConfig)
        else f"{model.num_trunk_blocks} + {model.num_tail_blocks}"
    )
    return (
        f"{blocks} blocks, width {model.width}, length {model.length}, {model.vocab_size:,} tokens"
    )


def build_parser() -> Parser:
    """The options of `unmask models`."""
    parser = Parser("models", "The models and recipes that ship with the package.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    return parser
