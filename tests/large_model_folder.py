"""A folder as a large model is published, small enough to be made in every test that wants one."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from unmask.dllm.config import DllmConfig
from unmask.dllm.folder import write_network
from unmask.dllm.network import new_network
from unmask.dllm.new_tokenizer import new_tokenizer
from unmask.draws import weight_generator

CONFIG = DllmConfig(
    vocab_size=280, width=32, hidden=32, num_blocks=2, length=96, mask_token_id=2, eos_token_id=1
)


@cache
def tokenizer_files() -> dict[str, str]:
    return new_tokenizer(["user assistant 12 apples and 30 pears"] * 4, CONFIG.vocab_size)


def write_large_model(folder: Path, *, num_files: int = 1, **changes) -> Path:
    """A model of random weights with its tokenizer."""
    config = replace(CONFIG, **changes)
    network, generator = new_network(config), weight_generator(1)
    for parameter in network.parameters():
        parameter.data.add_(0.2 * parameter.data.new_empty(parameter.shape).normal_(
            generator=generator
        ))  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_network(folder, config, network.state_dict(), num_files=num_files)
    for name, text in tokenizer_files().items():
        (folder / name).write_text(text)
    return folder
