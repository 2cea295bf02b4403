"""A small model that drafts for a large one of another tokenizer.

    answers = draft_verify_across(small, large, chat="What is 12 times 12?", max_new_tokens=64)

Each reads the question in its own chat format, and the answer as text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from unmask.dllm.spelling import TokenizerSpelling
from unmask.generative_model import Sample
from unmask.large_model import LargeModel
from unmask.process.blocks import LeftToRight
from unmask.samplers.draft_verify_across import DraftVerifyAcross
from unmask.samplers.sampler import Sampler
from unmask.samplers.threshold import Threshold
from unmask.speculation.filters import Filter

DRAFT_RULE = Threshold(threshold=0.6, blocks=LeftToRight(32), filter=Filter(temperature=0.0))


def draft_verify_across(
    drafter: LargeModel,
    verifier: LargeModel,
    *,
    chat: str | Sequence[Mapping[str, str]],
    max_new_tokens: int = 0,
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
    prompt_ids = verifier.given_ids(chat=chat, max_new_tokens=1)[:-1]
    sampler = DraftVerifyAcross(
        drafter_spelling=spelling_of(drafter),
        verifier_spelling=spelling_of(verifier),
        verifier_prompt=tuple(prompt_ids.tolist()),
        drafter=rule,
        **choices,
    )
    return model.generate(
        model.ending(sampler),
        chat=chat,
        max_new_tokens=max_new_tokens,
        num_samples=num_samples,
        seed=seed,
        batch_size=batch_size,
    )


def spelling_of(model: LargeModel) -> TokenizerSpelling:
    """How a model writes text."""
    return TokenizerSpelling(model.tokenizer.tokenizer, model.vocab_size, model.end_ids)
