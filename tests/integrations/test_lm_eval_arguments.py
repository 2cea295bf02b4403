import pytest
import torch

from unmask.errors import ConfigError
from unmask.integrations.lm_eval_arguments import ModelArguments, model_arguments


def test_arguments_come_as_the_harness_reads_them() -> None:
    given = {"pretrained": "folder", "batch_size": "8", "dtype": "bfloat16", "add_bos_token": True}
    assert model_arguments(given) == ModelArguments(
        pretrained="folder", batch_size=8, dtype="bfloat16", add_bos_token=True
    )
    assert model_arguments(given).torch_dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "--model_args pretrained=FOLDER"),
        ({"steps": 3}, "no model argument 'steps'; there are: pretrained, decoder,"),
        ({"batch_size": "auto"}, "batch_size must be of type int, got 'auto'"),
        ({"seed": True}, "seed must be of type int, got True"),
        ({"num_samples": 0}, "num_samples must be at least 1"),
        ({"dtype": "float16"}, "dtype must be one of"),
        ({"device": "quantum"}, "'quantum' cannot be used here"),
    ],
)
def test_what_cannot_be_is_refused(given, message) -> None:
    with pytest.raises(ConfigError, match=message):
        model_arguments({"pretrained": "folder", **given} if given else {})
