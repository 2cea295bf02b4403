"""Where a model lies: in the package, in a folder, or on the Hugging Face hub.

A model folder holds config.json and model.safetensors (tensors.py), and beside them
what else was made for the model.
"""

import os
from importlib import resources
from pathlib import Path

from unmask.errors import CheckpointError

WORDS_FILE = "words.xz"
"""The words of the training text, in the model's folder, where it is text."""
POLICY_FOLDER = "policy"
"""An unmasking policy trained for the model, in the model's folder, where there is one."""
ERROR_HEAD_FOLDER = "error_head"
"""A predictor of errors trained for the model, in the model's folder, where there is one."""

TAIL_FOLDER = "tail"
"""A causal tail trained for a large model, in the model's folder, where there is one."""


def shipped_names() -> list[str]:
    """The models that come with the package."""
    return sorted(folder.name for folder in _shipped().iterdir() if folder.is_dir())


def shipped_folder(name: str) -> Path:
    """Where a shipped model lies."""
    return _shipped() / name


def find_folder(name: str) -> Path:
    """Where the model that `load` would open lies; one of the hub is fetched.

    Raises `CheckpointError` if there is no such model.
    """
    if name in shipped_names():
        return shipped_folder(name)
    if os.path.isdir(name):  # which says no to a name that is too long
        _check_is_model(Path(name))
        return Path(name)
    if name.count("/") == 1 and not name.startswith((".", "/")):
        return _fetched(name)
    raise CheckpointError(
        f"there is no model {name!r}: it is neither shipped ({', '.join(shipped_names())}) "
        "nor a folder, nor a hub id such as 'owner/name'."
    )


def _check_is_model(folder: Path) -> None:
    """Raise `CheckpointError`, with what it is, if a folder is none of a model."""
    if (folder / "config.json").exists():
        return
    if (folder / "adapter_config.json").exists():
        raise CheckpointError(
            f"{folder} holds an adapter (adapter_config.json), which is a part of a model. Merge "
            "it into the model that it is for, and save that."
        )
    there = sorted(path.name for path in folder.iterdir())[:5]
    raise CheckpointError(
        f"{folder} is no model folder: it has no config.json"
        f"{', but ' + ', '.join(there) if there else ''}. Name the folder that has it."
    )


_PART_FOLDERS = (POLICY_FOLDER, ERROR_HEAD_FOLDER, TAIL_FOLDER)


def _shipped() -> Path:
    return Path(str(resources.files("unmask") / "shipped"))


def _fetched(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download

    trained_parts = [f"{folder}/*" for folder in _PART_FOLDERS]
    files = [
        "*.safetensors",
        "*.json",
        "chat_template.jinja",
        "merges.txt",
        WORDS_FILE,
        *trained_parts,
    ]
    try:
        return Path(snapshot_download(hub_id, allow_patterns=files))
    except Exception as error:  # the hub's client raises a dozen kinds, all of them "not there"
        raise CheckpointError(
            f"there is no folder {hub_id!r}, and fetching it as a hub id failed "
            f"({type(error).__name__}). Check the name and the network; shipped models are: "
            f"{', '.join(shipped_names())}."
        ) from error
