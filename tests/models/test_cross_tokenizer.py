"""A small model that drafts for one of another tokenizer, from folder to answer."""

import json

import pytest

import unmask
from tests.large_model_folder import CONFIG, write_large_model
from unmask.caching.policies import Dual
from unmask.dllm.new_tokenizer import new_tokenizer
from unmask.models.cross_tokenizer import DRAFT_RULE, draft_verify_across


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A verifier, and a drafter of more tokens that were learnt from other words."""
    folder = tmp_path_factory.mktemp("models")
    verifier = unmask.load(str(write_large_model(folder / "verifier")))
    small = write_large_model(folder / "drafter", width=16, num_blocks=1, vocab_size=300)
    for name, text in new_tokenizer(["pears and apples, 30 euro"] * 4, 300).items():
        (small / name).write_text(text)
    return unmask.load(str(small)), verifier


@pytest.mark.parametrize("view", ["in-place", "pre-draft", "shadow"])
def test_an_answer_and_what_it_cost(models, view) -> None:
    drafter, verifier = models
    (answer,) = draft_verify_across(
        drafter, verifier, chat="12 and 30?", max_new_tokens=24, view=view, threshold=0.003
    )
    given = drafter.given_ids(chat="12 and 30?", max_new_tokens=24)
    assert answer.token_ids[:-24] == given[:-24].tolist()
    assert drafter.vocab_size not in answer.token_ids
    share = drafter.network.config.num_weights / verifier.network.config.num_weights
    assert answer.cost.drafter.passes > 0
    assert answer.nfe == pytest.approx(answer.trunk_passes + share * answer.cost.drafter.passes)
    assert answer.text == drafter.text_of(given.new_tensor(answer.token_ids[-24:]))


def test_a_verifier_that_rejects_nothing_changes_nothing(models) -> None:
    drafter, verifier = models
    ask = {"chat": "12 and 30?", "max_new_tokens": 24}
    (checked,) = draft_verify_across(drafter, verifier, threshold=0.0, **ask)
    (plain,) = drafter.generate(sampler=drafter.stop_at_end(DRAFT_RULE), num_samples=1, **ask)
    assert checked.token_ids == plain.token_ids
    cached = drafter.with_cache(DRAFT_RULE, Dual(8))
    (saving,) = draft_verify_across(drafter, verifier, rule=cached, threshold=0.0, **ask)
    assert saving.cost.drafter.tokens < checked.cost.drafter.tokens


def test_the_verifier_reads_the_question_in_its_own_format(models) -> None:
    drafter, verifier = models
    seen = []

    class Listening:
        vocab_size, device = verifier.network.vocab_size, verifier.network.device

        def draft(self, token_ids, positions):
            seen.append(token_ids[0].tolist())
            return verifier.network.draft(token_ids, positions)

    heard = drafter.verified_by(verifier)
    assert heard.predictor.verifier is verifier.network
    prompt = verifier.given_ids(chat="12 and 30?", max_new_tokens=1)[:-1].tolist()
    original, verifier.network.draft = verifier.network.draft, Listening().draft
    verifier.network.draft = lambda ids, at: (seen.append(ids[0].tolist()), original(ids, at))[1]
    try:
        draft_verify_across(
            drafter, verifier, chat="12 and 30?", max_new_tokens=16, view="in-place"
        )
    finally:
        del verifier.network.draft
    assert seen and all(ids[: len(prompt)] == prompt for ids in seen)


def test_the_models_can_be_the_same(models) -> None:
    _, verifier = models
    (answer,) = draft_verify_across(
        verifier, verifier, chat="12?", max_new_tokens=12, view="in-place", threshold=0.01
    )
    assert CONFIG.vocab_size not in answer.token_ids
    json.dumps(answer.text)
