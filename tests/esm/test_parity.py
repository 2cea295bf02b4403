"""The network against transformers' EsmForMaskedLM and EsmcForMaskedLM with the same weights."""

import json
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from unmask.errors import CheckpointError
from unmask.esm.folder import read_esm, read_esm_config, write_esm
from unmask.shapes import PAD
from unmask.vocabularies.residues import Residues

SEQUENCES = ["MKTAYIAKQR", "GAVLI", "MWXBZUOC", "A"]
PUBLISHED = {"8M": (6, 20), "35M": (12, 20), "150M": (30, 20), "650M": (33, 20), "3B": (36, 40)}
"""Blocks and heads of each size of ESM-2; here of four channels a head."""


def published(folder: Path, num_blocks: int = 2, num_heads: int = 4, **settings):
    """A folder that transformers wrote, and its model."""
    import transformers

    torch.manual_seed(3)
    config = transformers.EsmConfig(
        vocab_size=33,
        mask_token_id=32,
        pad_token_id=1,
        hidden_size=4 * num_heads,
        intermediate_size=16 * num_heads,
        num_hidden_layers=num_blocks,
        num_attention_heads=num_heads,
        position_embedding_type="rotary",
        layer_norm_eps=1e-5,
        emb_layer_norm_before=False,
        **{"token_dropout": True, "max_position_embeddings": 66} | settings,
    )
    return _written(folder, transformers.EsmForMaskedLM(config))


def published_esmc(folder: Path):
    import transformers

    torch.manual_seed(4)
    config = transformers.EsmcConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64,
    )  # fmt: skip
    return _written(folder, transformers.EsmcForMaskedLM(config))


def _written(folder: Path, model):
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    model.eval().save_pretrained(folder)
    return model


def padded(masked: list[list[int]]) -> torch.Tensor:
    """Sequences with some residues masked, on PAD."""
    rows = [Residues().encode(text) for text in SEQUENCES]
    for row, hidden in zip(rows, masked, strict=True):
        row[hidden] = 32
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)


MASKED = {"nothing": [[], [], [], []], "some": [[1, 4, 5], [2], [1, 2, 8], [1]]}


def logits_of(model, token_ids: torch.Tensor) -> torch.Tensor:
    found = model(
        input_ids=token_ids.masked_fill(token_ids == PAD, 1), attention_mask=token_ids != PAD
    )
    return found.logits[..., :32]


def check_agrees(folder: Path, model, token_ids: torch.Tensor) -> None:
    network = read_esm(folder)
    is_real = token_ids != PAD
    positions = torch.arange(token_ids.shape[1]).expand_as(token_ids)
    with torch.inference_mode():
        expected = logits_of(model, token_ids).log_softmax(-1)
        hidden = network.hidden_states(token_ids)
        ours = network.unembedding(network.norm(hidden)).log_softmax(-1)
    assert_close(ours[is_real], expected[is_real], rtol=0, atol=1e-5)
    drafted = network.draft(token_ids, positions).log_probs
    assert_close(drafted[is_real], expected[is_real], rtol=0, atol=1e-5)
    assert expected[is_real].std() > 0.3  # not all alike


@pytest.mark.parametrize("masked", sorted(MASKED))
@pytest.mark.parametrize("size", sorted(PUBLISHED))
def test_each_published_layout_says_what_transformers_says(size, masked, tmp_path) -> None:
    model = published(tmp_path, *PUBLISHED[size])
    check_agrees(tmp_path, model, padded(MASKED[masked]))


def test_masks_are_read_as_masks_where_there_is_no_token_dropout(tmp_path) -> None:
    model = published(tmp_path, token_dropout=False)
    token_ids = padded(MASKED["some"])
    check_agrees(tmp_path, model, token_ids)
    dropping = published(tmp_path / "dropping")
    assert not torch.allclose(logits_of(model, token_ids), logits_of(dropping, token_ids))


def test_the_sequence_beside_it_does_not_matter(tmp_path) -> None:
    """Token dropout counts the masks of each sequence alone."""
    published(tmp_path)
    network, token_ids = read_esm(tmp_path), padded(MASKED["some"])
    positions = torch.arange(token_ids.shape[1])[None]
    together = network.draft(token_ids, positions.expand_as(token_ids)).log_probs
    for row in range(len(token_ids)):
        length = int((token_ids[row] != PAD).sum())
        alone = network.draft(token_ids[row : row + 1, :length], positions[:, :length]).log_probs
        assert_close(together[row, :length], alone[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("masked", sorted(MASKED))
def test_esm_c_says_what_transformers_says(masked, tmp_path) -> None:
    check_agrees(tmp_path, published_esmc(tmp_path), padded(MASKED[masked]))


@pytest.mark.parametrize("prefix", ["", "net."])
@pytest.mark.parametrize("are_gamma", [True, False])
def test_the_spellings_of_names_are_read_alike(prefix, are_gamma, tmp_path) -> None:
    """DPLM's files have "net." before each; transformers 5 writes gamma and beta."""
    from safetensors.torch import save_file

    model = published(tmp_path)
    names = {
        f"{prefix}{name.replace('LayerNorm.weight', 'LayerNorm.gamma') if are_gamma else name}": t
        for name, t in model.state_dict().items()
    }
    names.pop(f"{prefix}lm_head.decoder.weight")
    save_file({name: t.contiguous() for name, t in names.items()}, tmp_path / "model.safetensors")
    check_agrees(tmp_path, model, padded(MASKED["some"]))


@pytest.mark.parametrize("make", [published, published_esmc])
def test_what_is_written_is_read_by_transformers(make, tmp_path) -> None:
    import transformers

    model, token_ids = make(tmp_path / "a"), padded(MASKED["some"])
    network = read_esm(tmp_path / "a")
    write_esm(tmp_path / "b", network.esm, network.state_dict())
    again = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "b").eval()
    with torch.inference_mode():
        assert_close(logits_of(again, token_ids), logits_of(model, token_ids), rtol=0, atol=1e-6)
    assert read_esm_config(tmp_path / "b") == network.esm


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"position_embedding_type": "absolute"}, "position_embedding_type is 'absolute'"),
        ({"position_embedding_type": None}, "does not say its position_embedding_type"),
        ({"emb_layer_norm_before": True}, "emb_layer_norm_before is True"),
        ({"is_folding_model": True}, "is_folding_model is True"),
        ({"mask_token_id": 31}, "mask_token_id is 31"),
        ({"num_attention_heads": 3}, "multiple of 4 channels"),
        ({"hidden_size": "wide"}, "hidden_size must be of type int"),
        ({"rope_theta": 5.0}, "rope_theta must be 10,000"),
        ({"vocab_size": 20}, "num_rows must be more than MASK's 32"),
        ({"adapter_scale": 2}, "has 'adapter_scale'"),
        ({"quantization_config": {"bits": 4}}, "its weights are quantised"),
        ({"num_hidden_layers": 5}, "is missing"),
        ({"intermediate_size": 8}, "has shape"),
    ],
)
def test_what_is_computed_otherwise_is_refused(changes, message, tmp_path) -> None:
    published(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(CheckpointError, match=message):
        read_esm(tmp_path)


def test_pickled_weights_are_refused_with_the_way_to_convert_them(tmp_path) -> None:
    published(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="runs code when it is opened.*save_pretrained"):
        read_esm(tmp_path)
