"""A small model that drafts for a large one of another tokenizer.

    answers = draft_verify_across(small, large, chat="What is 12 times 12?", max_new_tokens=64)

On the command line `unmask generate LARGE --drafter SMALL --by-text`.

Each reads the question in its own chat format, and the answer as text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from unmask.dllm.spelling import TokenizerSpelling
from unmask.models.base import Sample
from unmask.models.chat import ChatModel
from unmask.process.blocks import LeftToRight
from unmask.samplers.draft_verify_across import DraftVerifyAcross
from unmask.samplers.sampler import Sampler
from unmask.samplers.threshold import Threshold
from unmask.speculation.filters import Filter

DRAFT_RULE = Threshold(threshold=0.6, blocks=LeftToRight(32), filter=Filter(temperature=0.0))


def draft_verify_across(
    drafter: ChatModel,
    verifier: ChatModel,
    *,
    chat: str | Sequence[Mapping[str, str]],
    max_new_tokens: int | None = None,
    rule: Sampler = DRAFT_RULE,
    num_samples: int = 1,
    seed: int = 0,
    batch_size: int = 16,
    **choices: Any,
) -> list[Sample]:
    """Answers in the drafter's tokens, of which the verifier rejected what it would not say.

    `rule` is how drafts are made; `choices` are those of `DraftVerifyAcross`. The room for the
    answer is counted in the drafter's tokens.

    Raises:
        PromptError: the question leaves no room for an answer in one of the models.
        ConfigError: choices that cannot work.
    """
    model = drafter.verified_by(verifier)
    return model.generate(
        sampler=model.stop_at_end(
            sampler_across(drafter, verifier, chat=chat, drafter=rule, **choices)
        ),
        chat=chat,
        max_new_tokens=max_new_tokens,
        num_samples=num_samples,
        seed=seed,
        batch_size=batch_size,
    )


def sampler_across(
    small: ChatModel,
    large: ChatModel,
    *,
    prompt: str = "",
    chat: str | Sequence[Mapping[str, str]] | None = None,
    **choices: Any,
) -> DraftVerifyAcross:
    """The sampler for one prompt or chat, which each model reads in its own tokens.

    Raises:
        PromptError: it leaves no room for an answer in the large model.
        ConfigError: choices that cannot work.
    """
    prompt_ids = large.given_ids(prompt=prompt, chat=chat, max_new_tokens=1)[:-1]
    return DraftVerifyAcross(
        drafter_spelling=spelling_of(small),
        verifier_spelling=spelling_of(large),
        verifier_prompt=tuple(prompt_ids.tolist()),
        **choices,
    )


def spelling_of(model: ChatModel) -> TokenizerSpelling:
    """How a model writes text."""
    return TokenizerSpelling(model.tokenizer.tokenizer, model.vocab_size, model.end_ids)
