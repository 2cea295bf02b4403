"""report.json and report.md: every number with its standard error, settings, machine, version."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import torch

from unmask.draws import SeededDraws
from unmask.evaluation import trace
from unmask.files import atomic, reading
from unmask.files.tensors import write_json
from unmask.frontier.comparison import leads, ratios
from unmask.frontier.entries import Contender
from unmask.frontier.exact_report import (
    acceptance_row,
    exact_section,
    summarise_exact,
)
from unmask.frontier.folder import ReportFolder, Settings
from unmask.frontier.summary import summarise, summarise_texts
from unmask.speed.machine import machine
from unmask.version import VERSION

_COLUMNS = {
    "critical_path": ("in turn", 1),
    "nfe": ("NFE", 1),
    "trunk_passes": ("trunk", 1),
    "tail_passes": ("tail", 1),
    "seconds": ("s / sample", 3),
    "spelling_accuracy": ("spelling", 3),
    "judge_bits": ("judge, bits", 3),
    "character_entropy": ("H(char)", 3),
    "pair_entropy": ("H(pair)", 3),
    "distinct_2": ("distinct-2", 3),
}


def build(
    points: Sequence[dict[str, Any]],
    known_words: Set[str],
    settings: Settings,
    *,
    held_out: Sequence[str] = (),
    held_out_judged: Sequence[float] = (),
    exact: Sequence[dict[str, Any]] = (),
    ours: str = "self-speculative",
) -> dict[str, Any]:
    """Everything that a report says, as plain JSON.

    `held_out` are texts beside which the samples are shown, `held_out_judged` the judge's bits
    per token of each, where there is a judge.
    """
    report: dict[str, Any] = {
        "unmask": VERSION,
        "machine": machine(),
        "settings": vars(settings),
        "ours": ours,
        "points": [summarise(point, known_words) for point in points],
        "ratios": ratios(points, known_words, ours=ours, seed=settings.seed),
        "leads": leads(points, known_words, ours=ours, seed=settings.seed),
    }
    if held_out:
        report["held_out"] = summarise_texts(held_out, known_words, held_out_judged)
    if exact:
        report["exact"] = summarise_exact(exact, settings.seed)
    if acceptance := [acceptance_row(p, p["acceptance"]) for p in points if p.get("acceptance")]:
        report["acceptance"] = acceptance
    plain: dict[str, Any] = reading.strict(report)
    return plain


def write(folder: ReportFolder, report: dict[str, Any]) -> None:
    """report.json and report.md."""
    write_json(folder.path / "report.json", report)
    with atomic.replacing(folder.path / "report.md") as draft:
        draft.write_text(as_markdown(report), encoding="utf-8")


def write_trace(
    folder: ReportFolder, compared: Mapping[str, Contender], points: Sequence[dict[str, Any]]
) -> None:
    """trace.html: the first sample of the first family's middle point, pass by pass."""
    measured = [point for point in points if "skipped" not in point]
    if not measured:
        return
    own = [point for point in measured if point["family"] == measured[0]["family"]]
    point = own[len(own) // 2]
    contender = compared[point["family"]]
    model, network = contender.model, contender.model.network
    given_ids = torch.full((1, model.length), network.vocab_size, device=network.device)
    seen = trace.record(
        network,
        contender.family.make(point["knob"]),
        given_ids,
        SeededDraws([point["seed"]], network.device),
        nfe=network.config.nfe,
    )
    title = f"{model.name}, {point['family']}, seed {point['seed']}"
    with atomic.replacing(folder.path / "trace.html") as draft:
        draft.write_text(
            trace.page(seen.to_json(), model.vocabulary.decode, title), encoding="utf-8"
        )


def as_markdown(report: dict[str, Any]) -> str:
    """The report as a page to read."""
    settings, machine_ = report["settings"], report["machine"]
    measured = [p for p in report["points"] if "skipped" not in p]
    skipped = [p for p in report["points"] if "skipped" in p]
    lines = [
        f"# {settings['model']}: quality against passes and seconds",
        "",
        f"{settings['num_samples']} samples per point, seeds from {settings['seed']}, "
        f"{settings['precision']}, batches of {settings['batch_size']}; "
        f"unmask {report['unmask']}, torch {machine_['torch']}, "
        f"{machine_['threads']} threads of {machine_['device']}. "
        "Numbers are means with their standard errors over samples. One NFE is the work of one "
        "sample through all blocks of the network once; in turn: passes that wait for one "
        "another, by the same measure.",
        "",
        "![spelling accuracy against NFE](quality_nfe.png)",
        "",
        "Accuracy alone can be had by repetition; good samples come near to held-out text in "
        "both numbers of the next picture.",
        "",
        "![spelling accuracy against entropy](quality_entropy.png)",
        "",
        *(_JUDGE_PICTURE if any("judge_bits" in p["numbers"] for p in measured) else []),
        *_points_table(measured, report.get("held_out", {})),
        "",
        *(_ratios_section(report["ratios"]) if report["ratios"] else []),
    ]
    if report["leads"]:
        lines += ["", *_leads_section(report["leads"], measured)]
    if "acceptance" in report:
        lines += ["", *_ACCEPTANCE_SECTION]
    if "exact" in report:
        lines += ["", *exact_section(report["exact"], settings)]
    if skipped:
        lines += ["", "## Not measured", ""]
        lines += [f"* {p['family']} at {p['budget']:g}: {p['skipped']}." for p in skipped]
    return "\n".join(lines) + "\n"


def _points_table(points: list[dict[str, Any]], held_out: dict[str, Any]) -> list[str]:
    shown = [name for name in _COLUMNS if any(name in p["numbers"] for p in points)]
    titles = ["sampler", *(_COLUMNS[name][0] for name in shown), "accepted", "tokens / s", "MB"]
    rows = [titles, ["---"] * len(titles)]
    for point in sorted(points, key=lambda p: (p["family"], p["numbers"]["nfe"]["value"])):
        cells = [_with_error(point["numbers"].get(name), _COLUMNS[name][1]) for name in shown]
        rows.append(
            [
                point["family"],
                *cells,
                f"{point['acceptance_rate']:.0%}",
                f"{point['tokens_per_second']:.0f}",
                _megabytes(point["peak_memory_bytes"]),
            ]
        )
    if held_out:
        cells = [_with_error(held_out.get(name), _COLUMNS[name][1]) for name in shown]
        rows.append(["held-out text", *cells, "", "", ""])
    return [f"| {' | '.join(row)} |" for row in rows]


def _megabytes(num_bytes: float | None) -> str:
    return "–" if num_bytes is None else f"{num_bytes / 1e6:.0f}"


def _with_error(number: dict[str, float | None] | None, digits: int) -> str:
    if number is None:
        return ""
    return f"{_figure(number['value'], digits)} ± {_figure(number['standard_error'], digits)}"


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _ratios_section(ratios_: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"## Cost at equal spelling accuracy, over {ratios_[0]['over']}",
        "",
        "How many times the passes (NFE) or seconds of the other sampler; above 1 ours is "
        "cheaper. 95 % bootstrap intervals. ≥: our cheapest point is already better, so the "
        "true ratio is higher. –: not reached at any of our points.",
        "",
        "| of | cost | at accuracy | its cost | ours | ratio |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for r in ratios_:
        ratio = {name: _figure(value, 2) for name, value in r["ratio"].items()}
        bound = "≥ " if r["is_lower_bound"] else ""
        lines.append(
            f"| {r['of']} | {r['cost']} | {_figure(r['quality'], 3)} "
            f"| {_figure(r['other_cost'], 2)} | {_figure(r['our_cost'], 2)} "
            f"| {bound}{ratio['value']} ({ratio['low']} to {ratio['high']}) |"
        )
    return lines


def _leads_section(leads_: list[dict[str, Any]], points: list[dict[str, Any]]) -> list[str]:
    ours = leads_[0]["over"]
    ahead = [lead for lead in leads_ if (lead["lead"]["low"] or 0.0) > 0]
    title = [f"## Who spells better than {ours} at the same passes", ""]
    if not ahead:
        return [*title, f"None of the {len(leads_)} points compared, beyond the 95 % interval."]
    entropies = {(p["family"], p["budget"]): p["numbers"]["pair_entropy"]["value"] for p in points}
    lines = [
        *title,
        f"{len(ahead)} of the {len(leads_)} points compared, beyond the 95 % interval. Read the "
        "lead beside the entropy: a rule that prefers what is sure spells better by saying less.",
        "",
        "| sampler | NFE | spelling | ours there | lead | H(pair) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for entry in ahead:
        lead = {name: _figure(value, 3) for name, value in entry["lead"].items()}
        lines.append(
            f"| {entry['of']} | {entry['nfe']:.1f} | {entry['quality']:.3f} "
            f"| {entry['our_quality']:.3f} | {lead['value']} ({lead['low']} to {lead['high']}) "
            f"| {entropies[entry['of'], entry['budget']]:.3f} |"
        )
    return lines


_JUDGE_PICTURE = [
    "The judge, another model, knows no list of words; it too is met by repetition.",
    "",
    "![bits under the judge against NFE](judge_nfe.png)",
    "",
]

_ACCEPTANCE_SECTION = [
    "## Acceptance",
    "",
    "The share of the drafts of the samples that were kept, by place in the order; that of a "
    "pass is spread evenly over the tokens it settled.",
    "",
    "![share of drafts kept, by place](acceptance.png)",
]
