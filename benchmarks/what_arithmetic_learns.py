"""What a model of arithmetic problems has learnt: which tokens of an answer it predicts.

Claim: words and copies are learnt long before results (docs/log.md).

    python benchmarks/what_arithmetic_learns.py runs/arithmetic --level easy
    python benchmarks/what_arithmetic_learns.py arithmetic --tail runs/tail --ahead 2

Each token of a worked answer is predicted from all that stands before it, everything behind it
hidden, in problems in wordings and numbers as trained on and in held-out ones; and the results of
drills, all of them hidden at once. With --ahead the last tokens before it are hidden too, as they
are in a window; a causal tail is told them. Prints the share predicted rightly (argmax) and the
mean nats, by what the token is.
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator

import torch

import unmask
from unmask.data.arithmetic import DRILL_QUESTION, LEVELS, Problem, drill, problem
from unmask.draws import stream_seed
from unmask.errors import UnmaskError

KINDS = ("left", "sign", "right", "result", "copy", "final", "words", "end")
CANVAS = 32


def pieces(answer: str) -> Iterator[tuple[str, str]]:
    """An answer cut into what its parts are."""
    start = 0
    for found in re.finditer(r"<<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)|#### (\d+)", answer):
        for group, kind in enumerate(KINDS[:6], start=1):
            if found[group] is not None:
                yield "words", answer[start : found.start(group)]
                yield kind, found[group]
                start = found.end(group)
    yield "words", answer[start:]


@torch.inference_mode()
def predicted(
    model: unmask.ChatModel, made: Problem, ahead: int
) -> Iterator[tuple[str, bool, float]]:
    """Of each token of an answer: what it is, whether it is predicted rightly, and the nats."""
    kinds, tokens = [], []
    for kind, text in pieces(made.answer):
        ids = model.tokenizer.encode(text).tolist()
        kinds += [kind] * len(ids)
        tokens += ids
    room = (len(tokens) // CANVAS + 1) * CANVAS
    kinds += ["end"] * (room - len(tokens))
    tokens += [model.end_ids[0]] * (room - len(tokens))
    given_ids = model.given_ids(chat=made.question, max_new_tokens=room)
    first, wanted = len(given_ids) - room, torch.tensor(tokens, device=given_ids.device)
    whole = torch.cat([given_ids[:first], wanted])
    places = torch.arange(first, len(whole), device=given_ids.device)
    order = torch.arange(len(whole), device=given_ids.device).expand(room, -1)
    num_shown = (places - ahead).clamp(min=first)
    told = whole.expand(room, -1)
    rows = told.masked_fill(order >= num_shown[:, None], model.vocab_size)
    draft = model.network.draft(rows, places[:, None])
    log_probs = draft.log_probs[:, 0].float()
    if model.has_tail:
        asked = torch.arange(room, device=places.device) * len(whole) + places
        _, target = model.network(rows, told, order, asked)
        is_next = (places == num_shown)[:, None]
        log_probs = torch.where(is_next, log_probs, target.float().log_softmax(dim=-1))
    nats = -log_probs.gather(1, wanted[:, None])[:, 0]
    is_right = log_probs.argmax(-1) == wanted
    yield from zip(kinds, is_right.tolist(), nats.tolist(), strict=True)


@torch.inference_mode()
def drilled(model: unmask.ChatModel, parts: tuple[str, ...]) -> Iterator[tuple[bool, float]]:
    """Of each token that a drill hides: whether it is predicted rightly, and the nats."""
    encoded = [model.tokenizer.encode(part) for part in parts]
    answer = torch.cat(encoded).to(model.network.device)
    given_ids = model.given_ids(chat=DRILL_QUESTION, max_new_tokens=len(answer))
    first = len(given_ids) - len(answer)
    is_shown = torch.cat([torch.full_like(ids, n % 2 == 0) for n, ids in enumerate(encoded)])
    given_ids[first:] = answer.where(is_shown.bool().to(answer.device), model.vocab_size)
    places = (given_ids == model.vocab_size).nonzero().T
    log_probs = model.network.draft(given_ids[None], places).log_probs[0].float()
    wanted = answer[places[0] - first]
    nats = -log_probs.gather(1, wanted[:, None])[:, 0]
    is_right = log_probs.argmax(-1) == wanted
    is_digit = wanted != model.tokenizer.encode(">>").to(wanted.device)
    yield from zip(is_right[is_digit].tolist(), nats[is_digit].tolist(), strict=True)


def cell(found: list[tuple[bool, float]]) -> str:
    """Share right, mean nats, and of how many tokens."""
    right, nats = (sum(values) / len(values) for values in zip(*found, strict=True))
    return f"{right:.2f} ({nats:.2f} of {len(found)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a model of `unmask train arithmetic`")
    parser.add_argument("--tail", default="", help="folder of a tail of `unmask train adapt`")
    parser.add_argument("--ahead", type=int, default=0, help="tokens before it hidden as well")
    parser.add_argument("--level", default="easy", choices=list(LEVELS))
    parser.add_argument("--num-problems", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        model = unmask.load(options.model)
        model = model.with_tail(options.tail) if options.tail else model
    except UnmaskError as error:
        parser.error(str(error))
    print(f"{options.num_problems} {options.level} problems\n")
    print("| problems | " + " | ".join(KINDS) + " |\n| --- |" + " --- |" * len(KINDS))
    for held_out in (False, True):
        found = defaultdict(list)
        for number in range(options.num_problems):
            seed = stream_seed(options.seed, int(held_out), number)
            made = problem(options.level, seed=seed, held_out=held_out)
            for kind, is_right, nats in predicted(model, made, options.ahead):
                found[kind].append((is_right, nats))
        cells = " | ".join(cell(found[kind]) for kind in KINDS)
        print(f"| {'held out' if held_out else 'as trained on'} | {cells} |")
    for held_out in (False, True):
        seeds = [stream_seed(options.seed, 2, number) for number in range(options.num_problems)]
        drills = [drill(options.level, seed=seed, held_out=held_out) for seed in seeds]
        found = cell([each for parts in drills for each in drilled(model, parts)])
        print(f"\nresults of drills, {'held out' if held_out else 'as trained on'}: {found}")


if __name__ == "__main__":
    main()
