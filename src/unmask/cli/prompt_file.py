"""`unmask generate MODEL --prompts FILE`: samples of every line, with a record to go on with."""

import sys
from dataclasses import replace
from typing import Any

from jsonargparse import Namespace

from unmask.cli.options.parser import Parser
from unmask.cli.progress import adding_up, progress
from unmask.errors import ConfigError
from unmask.files.reading import dumps
from unmask.models.chat import ChatModel
from unmask.models.prompts import Answer, Prompt, answer_prompts, read_prompts
from unmask.models.text import TextModel
from unmask.samplers.sampler import Sampler


def add_prompt_file_options(parser: Parser) -> None:
    """--prompts and --resume."""
    parser.add_argument(
        "--prompts",
        type=str,
        metavar="FILE",
        help="File of prompts, one on each line, or - for standard input: plain, or JSON as "
        '{"id": 7, "prompt": ...}, with template or chat in its place, and length, '
        "max_new_tokens, seed, sampler and stop where they are a line's own (docs/prompts.md).",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="With --prompts: go on with the file of --output, where a run was cut short.",
    )


def check_prompt_file(options: Namespace) -> None:
    """Raise `ConfigError` if options do not go together."""
    if options.prompts is None:
        if options.resume:
            raise ConfigError("--resume is for a file of prompts: name it with --prompts.")
        return
    for name in ("prompt", "template", "chat", "trace"):
        if options[name]:
            raise ConfigError(f"--prompts has all that is asked, so leave --{name} out.")
    if options.resume and not options.output:
        raise ConfigError("--resume goes on with a file: name it with --output.")


def generate_prompts(options: Namespace, model: TextModel | ChatModel, sampler: Sampler) -> int:
    """Answer every line; the exit status."""
    is_chat = isinstance(model, ChatModel)
    asked = [_filled(each, options) for each in read_prompts(options.prompts, as_chats=is_chat)]
    num_samples = 1 if options.num_samples is None else options.num_samples
    if num_samples < 1:
        raise ConfigError(f"--num-samples must be at least 1, got {num_samples}.")
    wanted, num_done = len(asked) * num_samples, 0
    with progress("generating", wanted) as advance:
        add = adding_up(advance, "samples")
        answers = answer_prompts(
            model,
            asked,
            sampler=sampler,
            num_samples=num_samples,
            seed=options.seed,
            batch_size=options.batch_size,
            stop=options.stop,
            output=options.output,
            resume=options.resume,
        )
        try:
            for answer in answers:
                num_done += 1
                add(1)
                if not options.output:
                    print(_as_line(answer, is_json=options.json), flush=True)
        except KeyboardInterrupt:
            if options.output:
                _say(f"stopped; {num_done:,} samples are whole in {options.output}, go on with "
                     "--resume")  # fmt: skip
            raise
    if options.output:
        before = f", {wanted - num_done:,} were there" if options.resume else ""
        print(f"{num_done:,} samples of {len(asked):,} prompts{before}: {options.output}")
    return 0


def _filled(prompt: Prompt, options: Namespace) -> Prompt:
    """With what was said for all lines, where the line does not say it."""
    own: dict[str, Any] = {
        name: options[name]
        for name in ("length", "max_new_tokens")
        if getattr(prompt, name) is None
    }
    return replace(prompt, **own)


def _as_line(answer: Answer, *, is_json: bool) -> str:
    if is_json:
        return dumps(answer.to_json())
    return f"--- {answer.prompt.id} seed {answer.sample.seed}\n{answer.sample.text}"


def _say(message: str) -> None:
    print(f"unmask: {message}.", file=sys.stderr)
