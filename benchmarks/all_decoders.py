"""Every decoder on the same questions: what docs/questions-and-decoders.md shows.

    python benchmarks/all_decoders.py --level easy --room 64 --out report
    python benchmarks/all_decoders.py --level easy --room 64 --out report --groups tail,two-models

The settings stand here, none chosen by the questions they are told of: each decoder is asked with
several, from cautious to bold, and all are in the table. Each group is a report of its own, which
goes on where it was; then the answers of all groups that are there are compared with one
reference, from left to right one token per pass, on the same questions. Seconds are told of a
batch of the size asked for: `--groups short` asks a few decoders, to time them at other sizes.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

import unmask
from unmask.files.tensors import read_json, write_json
from unmask.frontier.plots import drawn, markers
from unmask.questions import answer_report
from unmask.questions.answering import Answered, Records
from unmask.questions.evaluate import record_file

REFERENCE = "left-to-right"
_RULES = ("confidence", "exact", "disagreement", "kl", "reverse-kl", "trust")
_VIEWS = ("shadow", "pre-draft", "in-place")
_CAUTIOUS = "0.99/every-2/keep-0.99/prefix"
"""draft-verify: drafts from 0.99, two passes at a time; keeps from 0.99, up to a rejection."""

GROUPS: dict[str, list[str]] = {
    "references": ["left-to-right", "one-by-one", "half-steps"],
    "rules": [
        *(f"threshold-{number}" for number in (0.8, 0.9, 0.95, 0.99)),
        *(f"factor(factor={number})" for number in (0.03, 0.1, 0.3, 1.0)),
        *(f"entropy-bounded(bound={number})" for number in (0.003, 0.01, 0.03, 0.1)),
        "klass", "klass(threshold=0.9,kl_bound=0.005)",
        "klass(threshold=0.9,kl_bound=0.015,history=1)",
        "dilated",
        "wino", "wino(draft_threshold=0.8)", "wino(draft_threshold=0.9,keep_threshold=0.95)",
        "self-draft-4",
    ],
    "caches": [
        *(f"one-by-one+{cache}" for cache in ("prefix", "dual", "delayed-4", "delayed-8")),
        *(f"one-by-one+{cache}" for cache in ("greedy", "prefill")),
        *(f"threshold-{number}+{cache}" for number in (0.9, 0.99) for cache in ("prefix", "dual")),
        *(f"factor(factor=0.1)+{cache}" for cache in ("prefix", "dual")),
    ],
    "verified": [
        *(f"draft-verify/{rule}/{view}/{_CAUTIOUS}" for rule in _RULES for view in _VIEWS),
        "draft-verify/confidence/shadow/0.9/every-2/keep-0.9/prefix",
        "draft-verify/confidence/shadow/0.97/every-4/keep-0.97/prefix",
        "draft-verify/confidence/pre-draft/0.99/every-1/keep-0.99/prefix/replace-0.9",
        "prefix-verify-16",
    ],
    "tail": [
        *(f"self-speculative-16/{number}" for number in (0.5, 0.8, 0.9, 0.95, 0.98, 0.99)),
        *(f"self-speculative-8/{number}" for number in (0.9, 0.98)),
        "self-speculative-4", "self-speculative-8",
        *(f"target-only-{width}" for width in (2, 3, 4, 8)),
    ],
    "two-models": [
        "drafter/left-to-right", "drafter/threshold-0.99+dual",
        *(f"draft-verify/{rule}/shadow/{_CAUTIOUS}" for rule in ("confidence", "exact", "trust")),
        f"draft-verify/confidence/pre-draft/{_CAUTIOUS}",
        *(
            f"draft-verify/confidence/{view}/0.9/every-{passes}/keep-0.9/prefix/replace-0.9"
            for view in ("shadow", "pre-draft") for passes in (1, 2, 4)
        ),
    ],
    "short": [
        "left-to-right", "one-by-one", "one-by-one+dual", "threshold-0.99", "threshold-0.99+dual",
        f"draft-verify/confidence/shadow/{_CAUTIOUS}", "self-speculative-16/0.98",
    ],
}  # fmt: skip
"""What is asked; `short` alone is not part of the whole."""
FAMILIES = {
    "one-by-one": "surest first, one per pass",
    "threshold": "threshold (Fast-dLLM)",
    "factor": "factor (Fast-dLLM)",
    "entropy-bounded": "entropy-bounded",
    "klass": "KLASS",
    "wino": "WINO",
    "draft-verify": "draft and verify, same weights",
    "self-speculative": "the tail",
    "target-only": "the tail, unverified (ADJUST)",
    "prefix-verify": "the whole network verifies (FeF)",
    "two-models": "draft and verify, two models",
}
"""Of the picture; dilated and half-steps, which are far below, would hide the rest."""


def asked(group: str, folder: Path, options: argparse.Namespace) -> None:
    """One group's report, made or gone on with."""
    model = unmask.load(options.model, dtype=options.dtype)
    if group == "two-models":
        model = model.drafted_by(unmask.load(options.drafter, dtype=options.dtype))
    unmask.answer(
        model,
        options.data or f"arithmetic:{options.level}",
        out=folder,
        decoders=GROUPS[group],
        num_questions=options.questions,
        max_new_tokens=options.room,
        batch_size=options.batch_size,
        seed=options.seed,
        resume=True,
    )


def together(folders: list[Path], out: Path) -> dict[str, Any]:
    """One report of the answers in all `folders`, against the reference in the first."""
    answers: dict[str, list[Answered]] = {}
    about: dict[str, Any] = {}
    for folder in folders:
        report = read_json(folder / "report.json")
        about |= {name: value for name, value in report.items() if name not in ("decoders", "aup")}
        about["drafter"] = about.get("drafter") or report.get("drafter", "")
        for row in report["decoders"]:
            name = row["name"]
            called = f"two-models: {name}" if folder.name == "two-models" else name
            answers[called] = Records(record_file(folder, name)).read()
    answers = {REFERENCE: answers[REFERENCE], **answers}
    report = answer_report.build(answers, about)
    report["aup"] = dict(sorted(report["aup"].items(), key=lambda item: -item[1]))
    write_json(out / "report.json", report)
    (out / "report.md").write_text(answer_report.as_markdown(report) + "\n")
    drawn(out, "accuracy_tokens_per_pass", picture, report)
    return report


def picture(axes: Any, report: dict[str, Any]) -> None:
    """Accuracy against tokens per pass: a line per decoder, over its settings."""
    for row in report["decoders"]:
        if row["name"] in (REFERENCE, "one-by-one"):
            axes.axhline(row["accuracy"]["value"], color="0.6", lw=0.8, ls="--")
            side = 1.0 if row["name"] == REFERENCE else 0.0
            axes.annotate(
                f"{row['name']}, one token per pass", (side, row["accuracy"]["value"]),
                xycoords=("axes fraction", "data"), ha="right" if side else "left", va="bottom",
                fontsize=7, color="0.4",
            )  # fmt: skip
    for marker, (family, label) in zip(markers(), FAMILIES.items(), strict=False):
        points = sorted(
            (row["tokens_per_pass"], row["accuracy"]["value"])
            for row in report["decoders"]
            if row["name"].startswith(family)
            and "+" not in row["name"]
            and row["accuracy"]["value"]
        )
        if points:
            best = [p for p in points if not any(q[0] > p[0] and q[1] >= p[1] for q in points)]
            (line,) = axes.plot(*zip(*best, strict=True), marker=marker, ms=4, lw=1, label=label)
            axes.plot(
                *zip(*points, strict=True),
                marker=marker,
                ms=3,
                ls="",
                alpha=0.35,
                color=line.get_color(),
            )
    axes.set_xlabel("tokens per pass")
    axes.set_ylabel("share of right answers")
    axes.legend(fontsize=6, loc="lower left")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="arithmetic")
    parser.add_argument("--drafter", default="arithmetic-drafter")
    parser.add_argument("--level", default="easy", help="of the made questions")
    parser.add_argument("--data", default="", help="a file of questions, in their place")
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--room", type=int, default=64, help="tokens of the canvas of an answer")
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--groups", default=",".join(name for name in GROUPS if name != "short"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    groups = options.groups.split(",")
    for group in groups:
        asked(group, options.out / group, options)
    there = [
        options.out / name for name in GROUPS if (options.out / name / "report.json").exists()
    ]
    print(answer_report.as_markdown(together(there, options.out)))


if __name__ == "__main__":
    main()
