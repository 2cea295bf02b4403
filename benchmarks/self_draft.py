"""How many steps of greedy decoding fit into one batched pass, and what that is worth here.

Claim: drafting ahead writes what one token per pass writes, in fewer passes that wait for one
another, each over more sequences (docs/samplers.md).

    python benchmarks/self_draft.py runs/arithmetic --num-questions 32

Held-out problems of data/arithmetic.py, each alone, in blocks of 32, stopped where the text ends;
a model of `unmask train arithmetic`, or any large one. Waits are calls of the network, passes the
sequences in them; tokens are counted up to where an answer ends. Prints a table in Markdown.
"""

import argparse
import time
from typing import Any

import torch

import unmask
from unmask.data.questions import Question, arithmetic_questions, protocol
from unmask.errors import UnmaskError
from unmask.process.blocks import LeftToRight
from unmask.questions.answering import prompts
from unmask.speed.machine import machine

ASKED = protocol("gsm8k")
BLOCKS, GREEDY = LeftToRight(32), unmask.Filter(temperature=0.0)


class Calls:
    """A predictor, and how often it was called."""

    def __init__(self, predictor: Any) -> None:
        self.predictor, self.waits = predictor, 0
        self.vocab_size, self.device = predictor.vocab_size, predictor.device

    def draft(self, token_ids: torch.Tensor, positions: torch.Tensor) -> Any:
        self.waits += 1
        return self.predictor.draft(token_ids, positions)


def answers(
    model: unmask.ChatModel, rule: Any, questions: list[Question], room: int
) -> tuple[list[str], dict[str, float]]:
    """What is said to the questions, one after another, and what that takes."""
    sampler = unmask.EarlyStop(sampler=rule, end_ids=model.end_ids)
    calls, texts, start = Calls(model.network), [], time.perf_counter()
    tokens = passes = right = 0
    for question, given_ids in zip(questions, prompts(model, questions, ASKED, room), strict=True):
        draws = unmask.SeededDraws([0], model.network.device)
        done = unmask.sample(calls, sampler, given_ids[None], draws)
        answer_ids = done.token_ids[0, -room:].cpu()
        texts.append(model.text_of(answer_ids))
        tokens += model.num_before_end(answer_ids)
        passes += int(done.trunk_passes)
        right += ASKED.is_right(question, texts[-1])
    seconds = time.perf_counter() - start
    counted = {"tokens": tokens, "waits": calls.waits, "passes": passes, "seconds": seconds}
    return texts, {**counted, "right": right / len(questions)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder or hub id of a large model")
    parser.add_argument("--num-questions", type=int, default=32)
    parser.add_argument("--level", default="easy", choices=["easy", "medium", "hard"])
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--num-drafts", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    options = parser.parse_args()
    dtype = {"float32": torch.float32, "bf16": torch.bfloat16}[options.precision]
    try:
        model = unmask.load(options.model, dtype=dtype, device=options.device)
    except UnmaskError as error:
        parser.error(str(error))
    questions = arithmetic_questions(options.level, options.num_questions)
    rules = {"one by one": unmask.Threshold(threshold=2.0, blocks=BLOCKS, filter=GREEDY)}
    for num_drafts in options.num_drafts:
        rules[f"self-draft, {num_drafts}"] = unmask.SelfDraft(num_drafts=num_drafts, blocks=BLOCKS)
    for threshold in (0.95, 0.9):
        rules[f"self-draft, 4, threshold {threshold}"] = unmask.SelfDraft(
            num_drafts=4, threshold=threshold, blocks=BLOCKS
        )
        rules[f"threshold {threshold}"] = unmask.Threshold(
            threshold=threshold, blocks=BLOCKS, filter=GREEDY
        )
    print(f"{machine()}\n{options.num_questions} questions, {options.level}, {options.precision}")
    print("\n| decoder | tokens | waits | passes | seconds | right | same answers |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    reference: list[str] = []
    for name, rule in rules.items():
        texts, found = answers(model, rule, questions, options.max_new_tokens)
        reference = reference or texts
        same = sum(a == b for a, b in zip(texts, reference, strict=True)) / len(texts)
        counts = " | ".join(f"{found[each]:.0f}" for each in ("tokens", "waits", "passes"))
        shares = f"{found['right']:.0%} | {same:.0%}"
        print(f"| {name} | {counts} | {found['seconds']:.1f} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
