"""`unmask models`: what ships with the package."""

import json
from collections.abc import Sequence

from unmask.cli.parser import Parser
from unmask.dllm.config import DllmConfig
from unmask.model_folder import shipped_folder, shipped_names
from unmask.network.checkpoint import CONFIG_FILE, WEIGHTS_FILE, read_json
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
        model = read_json(folder / CONFIG_FILE)["model"]
        models.append({"name": name, "folder": str(folder), "megabytes": megabytes, **model})
    if options.json:
        print(json.dumps({"models": models, "recipes": preset_names()}))
        return 0
    print("models, for `unmask generate NAME`:")
    for entry in models:
        blocks = f"{entry['num_trunk_blocks']} + {entry['num_tail_blocks']} blocks"
        use = "" if entry["num_trunk_blocks"] else ", for --judge"
        print(
            f"  {entry['name']:<16} {blocks}, width {entry['width']}, length {entry['length']}, "
            f"{entry['megabytes']:.1f} MB{use}; card: {entry['folder']}/README.md"
        )
    print("recipes, for `unmask train NAME --data FILE --out FOLDER`:")
    for name in preset_names():
        recipe = preset(name)
        model = recipe.model
        print(
            f"  {name:<16} {_blocks(model)} blocks, width {model.width}, "
            f"length {model.length}, {model.vocab_size:,} tokens; "
            f"{recipe.trainer.num_steps:,} steps of {recipe.trainer.batch_size}"
        )
    return 0


def _blocks(model: HybridConfig | DllmConfig) -> str:
    if isinstance(model, DllmConfig):
        return str(model.num_blocks)
    return f"{model.num_trunk_blocks} + {model.num_tail_blocks}"


def build_parser() -> Parser:
    """The options of `unmask models`."""
    parser = Parser("models", "The models and recipes that ship with the package.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    return parser
