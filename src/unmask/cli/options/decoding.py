"""How `unmask generate` decodes: the sampler, and what only large models take.

`--cache NAME` lets passes remember, `--drafter MODEL` lets a smaller model draft, and
`--whole-canvas` goes on behind the end of an answer.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, cast, get_args

import torch
from jsonargparse import Namespace

from unmask.caching.policies import CACHES, NoCache
from unmask.cli.options.choices import choose
from unmask.cli.options.parser import Parser
from unmask.cli.options.sampler import SamplerOptions
from unmask.errors import ConfigError
from unmask.models.chat import ChatModel
from unmask.models.cross_tokenizer import sampler_across
from unmask.models.text import TextModel
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.draft_verify_across import DraftVerifyAcross, TextRule
from unmask.samplers.sampler import Sampler
from unmask.samplers.streamed import along_stream

_IN_BOTH = {part.name for part in fields(DraftVerify)} & {
    part.name for part in fields(DraftVerifyAcross)
}
"""What can be chosen of draft-verify whether it reads tokens or text."""
_OF_TOKENS = [part for part in fields(DraftVerify) if part.name not in _IN_BOTH]
"""What cannot be chosen where it reads text."""


def add_whole_canvas_option(parser: Parser) -> None:
    """--whole-canvas."""
    parser.add_argument(
        "--whole-canvas",
        action="store_true",
        help="Let a large model fill its canvas; else it stops where its answer ends.",
    )


class DecodingOptions:
    """--sampler, --cache and their options, for one command line."""

    def __init__(self, parser: Parser, arguments: Sequence[str]) -> None:
        self._sampler = SamplerOptions(parser, arguments)
        self._cache = choose(self._sampler.rest, "cache", CACHES, NoCache(), {})
        self._cache.add_to(parser, skip=frozenset())
        parser.epilog = (
            f"{parser.epilog} Passes of a large model may remember (of draft-verify: those of "
            f"the drafter), with --cache.* options: {self._cache.explained()}"
        )
        self.rest = self._cache.without(self._sampler.rest)
        """The command line without the names chosen, for the parser."""

    def build(self, options: Namespace, model: TextModel | ChatModel) -> Sampler:
        """The sampler that was asked for, with its cache and its end.

        Raises:
            ConfigError: choices that cannot work.
            CheckpointError: a trained part is not there, or its files are damaged.
        """
        cache = self._cache.build(options.get("cache", Namespace()).as_dict(), {})
        if not isinstance(model, ChatModel):
            self._check_is_plain(cache, options, model)
            sampler = self._sampler.build(options, model)
            along_stream(sampler, model.network, torch.full((1,), model.vocab_size))
            model.check(sampler)
            return sampler
        sampler = self._of_large(options, model)
        model.check(sampler)
        if options.drafter and not isinstance(sampler, DraftVerify):
            raise ConfigError(
                "--drafter names a model that drafts, and this sampler verifies nothing. Add "
                "--sampler draft-verify."
            )
        if not isinstance(cache, NoCache):
            sampler = model.with_cache(sampler, cache)
        if model.read_by and isinstance(sampler, DraftVerify):
            sampler = _by_text(sampler, model, model.read_by, options)
        if options.whole_canvas:
            return sampler
        return model.stop_at_end(sampler)

    def _of_large(self, options: Namespace, model: ChatModel) -> Sampler:
        """The sampler for a large model: the one that was named, or the usual one."""
        if self._sampler.is_chosen:
            return self._sampler.build(options, model)
        usual: Any = model.threshold_rule if self._cache.name != "none" else model.default_rule
        if self._sampler.is_filtered:
            return cast(Sampler, replace(usual, filter=self._sampler.filter(options)))
        return cast(Sampler, usual)

    def _check_is_plain(self, cache: object, options: Namespace, model: TextModel) -> None:
        """Raise `ConfigError` if something is asked of a model of characters that it has not."""
        if not isinstance(cache, NoCache):
            raise ConfigError(
                f"--cache {self._cache.name} is for large models: {model.name} is one of "
                "characters, whose passes are always whole. Leave it out."
            )
        if options.whole_canvas:
            raise ConfigError(
                f"--whole-canvas is for large models: {model.name} always fills what it is "
                "given. Leave it out."
            )


def _by_text(
    sampler: DraftVerify, small: ChatModel, large: ChatModel, options: Namespace
) -> Sampler:
    """Draft and verify of two tokenizers, otherwise as it was asked for."""
    if sampler.rule not in get_args(TextRule):
        raise ConfigError(
            f"--sampler.rule {sampler.rule} compares probabilities of the same tokens, which two "
            f"tokenizers do not have. With --by-text choose one of {get_args(TextRule)}."
        )
    for part in _OF_TOKENS:
        if getattr(sampler, part.name) != part.default:
            raise ConfigError(
                f"--sampler.{part.name} is for models of the same tokens, --by-text for models of "
                "others. Leave one of the two out."
            )
    chosen = {name: getattr(sampler, name) for name in _IN_BOTH}
    return sampler_across(small, large, prompt=options.prompt, chat=options.chat, **chosen)
