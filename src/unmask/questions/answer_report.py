"""What decoders are worth: right answers against passes, query-key work, and seconds.

A decoder is compared with the reference, the first one named, on the same questions. With r_n
and s_n whether question n was answered rightly by the two,

    accuracy  = mean r_n,       difference = mean (r_n - s_n)

with percentiles of a bootstrap that draws questions, with replacement. Work is what hooks on the
network would count: pairs of a token that was run and one that it attended to, which caches make
fewer; `work_share` is the decoder's over the reference's. What a smaller model that drafts does
is told apart in the records, and weighed here: with P_d, B_d, d_d the weights, blocks and width
of the drafter, and P, B, d those of the model,

    a pass, or a token, of the drafter counts as    P_d / P            (drafter_share)
    a pair of its tokens                            B_d d_d / (B d)    (drafter_pair_share)

and a pass of a causal tail as its blocks over the model's (tail_share), with pairs as if it ran
the whole sequence of n positions, n^2, which is more than it does. Tokens per pass are those of an
answer over its passes; accuracy under parallelism (aup.py) is told of the settings of each decoder
together. Beside them stands what a causal model of the same blocks would take with its cache:
every token of prompt and answer run once, in as many steps as the answer has tokens.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from unmask.cost import mean as mean_cost
from unmask.draws import SeededDraws
from unmask.evaluation.curves import interval
from unmask.files.atomic import replacing
from unmask.files.tensors import write_json
from unmask.frontier.plots import drawn, markers
from unmask.questions.answering import Answered
from unmask.questions.aup import of_decoders

_SHOWN_UNREAD = 10
"""Answers that said nothing which could be read, shown in the report."""
NUM_DRAWS = 1000
"""Of the bootstrap behind each interval."""


def build(
    answers: Mapping[str, Sequence[Answered]], about: dict[str, Any], *, seed: int = 0
) -> dict[str, Any]:
    """report.json of decoders on the same questions; the first is the reference."""
    reference = next(iter(answers))
    spent = {name: _spent(given, about) for name, given in answers.items()}
    rows = [
        _row(name, given, answers[reference], seed=seed)
        | spent[name]
        | {"work_share": spent[name]["query_keys"] / spent[reference]["query_keys"]}
        for name, given in answers.items()
    ]
    return {
        **about,
        "reference": reference,
        "decoders": rows,
        "aup": of_decoders(rows),
        "autoregressive": _autoregressive(answers[reference], about),
    }


def _autoregressive(answers: Sequence[Answered], about: dict[str, Any]) -> dict[str, float]:
    """What a causal model with its cache would take for the reference's answers."""
    room = about.get("max_new_tokens", 0)
    tokens = [each.num_positions - room + each.num_tokens for each in answers]
    return {
        "steps": sum(each.num_tokens for each in answers) / len(answers),
        "query_tokens": sum(tokens) / len(tokens),
        "query_keys": sum(n * (n + 1) / 2 for n in tokens) / len(tokens),
    }


def _spent(answers: Sequence[Answered], about: dict[str, Any]) -> dict[str, float]:
    """What an answer takes, on average; parts of drafter and tail as much as they count."""
    share, pair_share, tail_share = (
        about.get(name, 0.0) for name in ("drafter_share", "drafter_pair_share", "tail_share")
    )

    cost = mean_cost(each.cost for each in answers)
    num_tokens = sum(each.num_tokens for each in answers) / len(answers)
    seconds = sum(each.seconds for each in answers) / len(answers)

    def of_tail(power: int) -> float:
        total = sum(each.tail_passes * each.num_positions**power for each in answers)
        found: float = tail_share * total / len(answers)
        return found

    passes = cost.trunk.passes + share * cost.drafter.passes + of_tail(0)
    return {
        "passes": passes,
        "tokens_per_pass": num_tokens / passes,
        "trunk_passes": cost.trunk.passes,
        "drafter_passes": cost.drafter.passes,
        "tail_passes": cost.tail.passes,
        "query_tokens": cost.trunk.tokens + share * cost.drafter.tokens + of_tail(1),
        "query_keys": cost.trunk.pairs + pair_share * cost.drafter.pairs + of_tail(2),
        "seconds": seconds,
        "num_tokens": num_tokens,
        "tokens_per_second": num_tokens / seconds,
    }


def _row(
    name: str, answers: Sequence[Answered], reference: Sequence[Answered], *, seed: int
) -> dict[str, Any]:
    right, reference_right = (
        torch.tensor([each.is_right for each in given]).double() for given in (answers, reference)
    )
    rows = _draws(len(right), seed)
    difference = interval((right[rows] - reference_right[rows]).mean(dim=1))
    accuracy = interval(right[rows].mean(dim=1))
    return {
        "name": name,
        "accuracy": {"value": accuracy.value, "low": accuracy.low, "high": accuracy.high},
        "difference": {"value": difference.value, "low": difference.low, "high": difference.high},
        "num_questions": len(answers),
        "num_unread": sum(not each.said for each in answers),
        "unread": [each.text[:300] for each in answers if not each.said][:_SHOWN_UNREAD],
    }


def _draws(num_questions: int, seed: int) -> torch.Tensor:
    """Rows of questions: as they are, then as the bootstrap draws them."""
    draws = SeededDraws([seed + n for n in range(NUM_DRAWS)])
    chosen = draws.uniform(torch.ones(NUM_DRAWS, num_questions, dtype=torch.bool)) * num_questions
    return torch.cat([torch.arange(num_questions)[None], chosen.long()])


def _shots(report: dict[str, Any]) -> str:
    num = report.get("num_fewshot", 0)
    return f", behind {num} example{'s' * (num > 1)} each" if num else ""


def as_markdown(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"{report['task']}, protocol {report['protocol']}: {report['num_questions']} questions to "
        f"{report['model']}{_shots(report)}. In brackets the middle 95 % of a bootstrap over "
        "questions; work is query-key pairs, as a share of that of "
        f"{report['reference']}.{_of_others(report)}",
        "",
        "| decoder | right | against the reference | passes | tokens a pass | work | seconds "
        "| tokens/s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in report["decoders"]:
        right, gain = row["accuracy"], row["difference"]
        lines.append(
            f"| {row['name']} | {right['value']:.1%} ({right['low']:.1%} to {right['high']:.1%}) "
            f"| {gain['value']:+.1%} ({gain['low']:+.1%} to {gain['high']:+.1%}) "
            f"| {row['passes']:.1f} | {row['tokens_per_pass']:.1f} | {row['work_share']:.2f} "
            f"| {row['seconds']:.3f} | {row['tokens_per_second']:,.0f} |"
        )
    causal = report["autoregressive"]
    lines += [
        "",
        f"A causal model of the same blocks would take {causal['steps']:.1f} steps with its "
        f"cache, and run {causal['query_tokens']:.0f} tokens, prompt and answer: "
        f"{_causal_share(report):.3f} of the reference's query-key pairs.",
        "",
        "| accuracy under parallelism, over the settings above | AUP |",
        "| --- | --- |",
        *(f"| {name} | {value:.0f} |" for name, value in report["aup"].items()),
        *_unread(report),
    ]
    return "\n".join(lines)


def _unread(report: dict[str, Any]) -> list[str]:
    """How many answers said nothing that could be read, and the first of them."""
    rows = [row for row in report["decoders"] if row["num_unread"]]
    counts = (f"{row['num_unread']} of {row['name']}" for row in rows)
    lines = ["", f"Answers in which nothing could be read: {', '.join(counts) or 'none'}."]
    shown = [(row["name"], text) for row in rows for text in row["unread"]][:_SHOWN_UNREAD]
    return lines + [f"* {name}: {' '.join(text.split())!r}" for name, text in shown]


def _causal_share(report: dict[str, Any]) -> float:
    share: float = report["autoregressive"]["query_keys"] / report["decoders"][0]["query_keys"]
    return share


def _of_others(report: dict[str, Any]) -> str:
    """What passes of drafter and tail count as."""
    said = ""
    if report.get("drafter"):
        said += (
            f" {report['drafter']} drafts for draft-verify but not for /own: a pass of it "
            f"counts as {report['drafter_share']:.3f}, a pair of its tokens as "
            f"{report['drafter_pair_share']:.3f}."
        )
    if report.get("tail_share"):
        said += f" A tail pass counts as {report['tail_share']:.3f}."
    return said


def write(folder: Path, report: dict[str, Any]) -> None:
    """report.json, report.md and the pictures."""
    write_json(folder / "report.json", report)
    with replacing(folder / "report.md") as draft:
        draft.write_text(as_markdown(report) + "\n", encoding="utf-8")
    for field, label in _COSTS.items():
        drawn(folder, f"accuracy_{field}", _accuracy_against(field, label), report)


_COSTS = {
    "passes": "network passes per question",
    "query_keys": "query-key pairs per question",
    "seconds": "seconds per question",
}


def _accuracy_against(field: str, label: str) -> Any:
    def draw(axes: Any, report: dict[str, Any]) -> None:
        for marker, row in zip(markers(), report["decoders"], strict=False):
            right = row["accuracy"]
            bars = [[right["value"] - right["low"]], [right["high"] - right["value"]]]
            axes.errorbar(
                [row[field]], [right["value"]], yerr=bars, fmt=marker, label=row["name"], capsize=2
            )
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel("share of right answers")
        axes.legend(fontsize=6, ncols=2)

    return draw
