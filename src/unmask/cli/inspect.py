"""`unmask inspect`: what a model's folder is, without loading it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unmask.cli.options.parser import Parser
from unmask.dllm.config import DllmConfig
from unmask.dllm.folder import tensor_kinds
from unmask.dllm.generation_config import GENERATION_FILE, read_generation_defaults
from unmask.dllm.published_config import fields_of
from unmask.dllm.tokenizer import TOKENIZER_FILES, read_tokenizer
from unmask.errors import CheckpointError, ConfigError, UnmaskError
from unmask.esm.folder import esm_tensor_kinds, is_esm, read_esm_config
from unmask.files.model_folder import TAIL_FOLDER, find_folder
from unmask.files.reading import dumps
from unmask.files.tensors import CONFIG_FILE, WEIGHTS_FILE, read_json
from unmask.models.load import is_chat_model
from unmask.network.config import HybridConfig


def run(arguments: Sequence[str]) -> int:
    """Look and say; the exit status: 2 if something would keep the model from loading."""
    options = build_parser().parse(arguments)
    folder = find_folder(options.model)
    values = read_json(folder / CONFIG_FILE)
    kind = _of_esm if is_esm(values) else _of_large if is_chat_model(values) else _of_text
    found = kind(folder, values)
    found = {"folder": str(folder), **found}
    if options.json:
        print(dumps(found))
    else:
        print("\n".join(_lines(found)))
    return 2 if found["problems"] else 0


def _of_text(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """A model of text."""
    problems, shape = [], {}
    if "model" not in values:
        kind = "tail of a large model" if "trained_for" in values else "no model of ours"
        what = "name it with --tail beside its model" if "trained_for" in values else "no model"
        return {"kind": kind, "shape": {}, "problems": [f"its {CONFIG_FILE} has no model: {what}"]}
    try:
        shape = HybridConfig.from_json(values.get("model", {})).to_json()
    except ConfigError as error:
        problems.append(str(error))
    if not (folder / WEIGHTS_FILE).exists():
        problems.append(f"there is no {WEIGHTS_FILE}")
    return {"kind": "text model", "shape": shape, "problems": problems}


def _of_esm(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """An ESM-2, a DPLM, an ESM-C."""
    found: dict[str, Any] = {"kind": "protein language model", "family": values["model_type"]}
    try:
        config = read_esm_config(folder)
        found["shape"] = asdict(config) | {"length": config.length}
        found["weights"], problems = esm_tensor_kinds(folder, config)
    except CheckpointError as error:
        problems = [str(error)]
    found["has_tail"] = (folder / TAIL_FOLDER).is_dir()
    return {**found, "problems": problems}


def _of_large(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """A LLaDA or a Dream."""
    problems: list[str] = []
    found: dict[str, Any] = {"kind": "chat model", "family": values.get("model_type")}
    try:
        config = DllmConfig.from_json(values)
        found["shape"] = asdict(config) | {"num_weights": config.num_weights}
        found["assumed"] = fields_of(values)[1]
    except ConfigError as error:
        return {**found, "problems": [f"{CONFIG_FILE}: {error}"]}
    try:
        kinds, troubles = tensor_kinds(folder, config)
        found["weights"] = kinds
        problems += troubles
    except CheckpointError as error:
        problems.append(str(error))
    found["files"] = [name for name in TOKENIZER_FILES if (folder / name).exists()]
    try:
        tokenizer = read_tokenizer(folder, config)
        spell = tokenizer.tokenizer.id_to_token
        ends = (config.eos_token_id, *config.other_end_ids)
        if (folder / GENERATION_FILE).exists():
            ends += read_generation_defaults(folder).end_ids
        found["mask"] = spell(config.mask_token_id)
        found["ends"] = [spell(end) for end in dict.fromkeys(ends)]
        found["has_chat_template"] = bool(tokenizer.template)
        found["begins_prompts_with"] = (
            tokenizer.special.get("bos_token") if tokenizer.adds_bos else None
        )
        found["ids_without_token"] = len(tokenizer.ids_without_token(config.vocab_size))
    except UnmaskError as error:
        problems.append(str(error))
    found["has_tail"] = (folder / TAIL_FOLDER).is_dir()
    return {**found, "problems": problems}


def _lines(found: dict[str, Any]) -> list[str]:
    """For people: a line for each thing, sections as name=value."""
    lines = []
    for name, value in found.items():
        if name == "problems":
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{key}={entry}" for key, entry in value.items()) or "nothing"
        elif isinstance(value, list):
            value = ", ".join(map(str, value)) or "none"
        lines.append(f"{name.replace('_', ' '):<20} {value}")
    problems = [f"would not load       {problem}" for problem in found["problems"]]
    return lines + (problems or ["would load           yes"])


def build_parser() -> Parser:
    """The options of `unmask inspect`."""
    parser = Parser(
        "inspect",
        "What a model's folder is, from its files and without loading it: family and sizes, mask, "
        "ends and chat template, what had to be assumed, and what would keep it from loading "
        "(quantised weights, an adapter, missing tensors, fields that change what is computed). "
        "The exit status is 2 if something would.",
    )
    parser.add_argument("model", help="A shipped model, a folder, or a hub id.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    return parser
