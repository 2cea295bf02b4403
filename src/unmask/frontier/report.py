"""report.json and report.md: every number with its standard error, settings, machine, version."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from unmask.draws import SeededDraws
from unmask.evaluation import trace
from unmask.files import atomic, reading
from unmask.files.tensors import write_json
from unmask.frontier.comparison import gains, leads, ratios
from unmask.frontier.entries import Contender
from unmask.frontier.exact_report import (
    acceptance_row,
    exact_section,
    summarise_exact,
)
from unmask.frontier.folder import ReportFolder, Settings
from unmask.frontier.summary import summarise, summarise_samples
from unmask.quality.quality import JUDGED, Measure, Quality, Samples
from unmask.speed.machine import machine
from unmask.version import VERSION

_COSTS = {
    "critical_path": ("in turn", 1),
    "nfe": ("NFE", 1),
    "trunk_passes": ("trunk", 1),
    "tail_passes": ("tail", 1),
    "seconds": ("s / sample", 3),
}


def build(
    points: Sequence[dict[str, Any]],
    quality: Quality,
    settings: Settings,
    *,
    held_out: Samples | None = None,
    controls: Mapping[str, Samples] = MappingProxyType({}),
    exact: Sequence[dict[str, Any]] = (),
    ours: str = "self-speculative",
    verified: Collection[str] = ("self-speculative",),
) -> dict[str, Any]:
    """Everything that a report says, as plain JSON.

    `held_out` is real data beside which the samples are shown, `controls` nonsense by name;
    `verified` are the families that verify what they drafted.
    """
    report: dict[str, Any] = {
        "unmask": VERSION,
        "machine": machine(),
        "settings": vars(settings),
        "ours": ours,
        "measures": [measure.to_json() for measure in quality.measures],
        "points": [summarise(point, quality) for point in points],
        "ratios": ratios(points, quality, ours=ours, seed=settings.seed),
        "gains": gains(points, quality, ours=ours, verified=verified, seed=settings.seed),
        "leads": leads(points, quality, ours=ours, seed=settings.seed),
    }
    if held_out is not None:
        report["held_out"] = summarise_samples(held_out, quality)
    if controls:
        found = {name: summarise_samples(samples, quality) for name, samples in controls.items()}
        report["controls"] = found
        report["flagged"] = won_by_controls(report["points"], found, quality.measures)
    if exact:
        report["exact"] = summarise_exact(exact, settings.seed)
    if acceptance := [acceptance_row(p, p["acceptance"]) for p in points if p.get("acceptance")]:
        report["acceptance"] = acceptance
    plain: dict[str, Any] = reading.strict(report)
    return plain


def won_by_controls(
    points: Sequence[dict[str, Any]],
    controls: Mapping[str, dict[str, dict[str, float]]],
    measures: Sequence[Measure],
) -> list[dict[str, Any]]:
    """Measures of which a control has as good a value as the best of the points, or a better."""
    found = []
    for measure in measures:
        values = [
            p["numbers"][measure.name]["value"]
            for p in points
            if measure.name in p.get("numbers", {})
        ]
        if not measure.is_better or not values:
            continue
        best = max(values, key=lambda value: measure.is_better * value)
        for name, numbers in controls.items():
            value = numbers[measure.name]["value"]
            if measure.is_better * (value - best) >= 0:
                row = {"measure": measure.name, "control": name, "value": value, "best": best}
                found.append(row)
    return found


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
    given_ids = model.given_ids(seed=point["seed"])[None].to(network.device)
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
    settings, machine_, measures = report["settings"], report["machine"], report["measures"]
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
        f"![{measures[0]['label']} against NFE](quality_nfe.png)",
        "",
        *_pictures(measures, measured),
        *_points_table(measured, measures, report),
        "",
        *_flagged(report, measures),
        *(_ratios_section(report["ratios"], measures[0]) if report["ratios"] else []),
    ]
    if report["gains"]:
        lines += ["", *_gains_section(report["gains"], measures[0])]
    if report["leads"]:
        lines += ["", *_leads_section(report["leads"], measures[0], _beside(measures), measured)]
    if "acceptance" in report:
        lines += ["", *_ACCEPTANCE_SECTION]
    if "exact" in report:
        lines += ["", *exact_section(report["exact"], settings)]
    if skipped:
        lines += ["", "## Not measured", ""]
        lines += [f"* {p['family']} at {p['budget']:g}: {p['skipped']}." for p in skipped]
    return "\n".join(lines) + "\n"


def _beside(measures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The measure that tells repetition from quality."""
    entropies = [m for m in measures if "entropy" in m["name"]]
    found: dict[str, Any] = (entropies or measures)[-1]
    return found


def _pictures(measures: Sequence[dict[str, Any]], points: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "One number alone can be had by repetition; good samples come near to real data in both "
        "numbers of the next picture.",
        "",
        f"![{measures[0]['label']} against entropy](quality_entropy.png)",
        "",
    ]
    is_judged = measures[0]["name"] != JUDGED and any(JUDGED in p["numbers"] for p in points)
    return lines + (_JUDGE_PICTURE if is_judged else [])


def _points_table(
    points: list[dict[str, Any]], measures: Sequence[dict[str, Any]], report: dict[str, Any]
) -> list[str]:
    columns = _COSTS | {m["name"]: (m["title"], m["digits"]) for m in measures}
    shown = [name for name in columns if any(name in p["numbers"] for p in points)]
    titles = ["sampler", *(columns[name][0] for name in shown), "accepted", "tokens / s", "MB"]
    rows = [titles, ["---"] * len(titles)]
    for point in sorted(points, key=lambda p: (p["family"], p["numbers"]["nfe"]["value"])):
        cells = [_with_error(point["numbers"].get(name), columns[name][1]) for name in shown]
        rows.append(
            [
                point["family"],
                *cells,
                f"{point['acceptance_rate']:.0%}",
                f"{point['tokens_per_second']:.0f}",
                _megabytes(point["peak_memory_bytes"]),
            ]
        )
    beside = {f"control: {name}": found for name, found in report.get("controls", {}).items()}
    if "held_out" in report:
        beside["held-out text"] = report["held_out"]
    for name, numbers in beside.items():
        cells = [_with_error(numbers.get(each), columns[each][1]) for each in shown]
        rows.append([name, *cells, "", "", ""])
    return [f"| {' | '.join(row)} |" for row in rows]


def _flagged(report: dict[str, Any], measures: Sequence[dict[str, Any]]) -> list[str]:
    """What nonsense does as well in, so that it says nothing by itself."""
    if not report.get("flagged"):
        return []
    labels = {m["name"]: (m["label"], m["digits"]) for m in measures}
    lines = ["**Won by nonsense**: what a control does as well in is no measure by itself.", ""]
    for row in report["flagged"]:
        label, digits = labels[row["measure"]]
        lines.append(
            f"* {label}: {row['control']} have {row['value']:.{digits}f}, the best sampler "
            f"{row['best']:.{digits}f}."
        )
    return [*lines, ""]


def _megabytes(num_bytes: float | None) -> str:
    return "–" if num_bytes is None else f"{num_bytes / 1e6:.0f}"


def _with_error(number: dict[str, float | None] | None, digits: int) -> str:
    if number is None:
        return ""
    return f"{_figure(number['value'], digits)} ± {_figure(number['standard_error'], digits)}"


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _ratios_section(ratios_: list[dict[str, Any]], main: dict[str, Any]) -> list[str]:
    lines = [
        f"## Cost at equal {main['label']}, over {ratios_[0]['over']}",
        "",
        "How many times the passes (NFE) or seconds of the other sampler; above 1 ours is "
        "cheaper. 95 % bootstrap intervals. ≥: our cheapest point is already better, so the "
        "true ratio is higher. –: not reached at any of our points.",
        "",
        f"| of | cost | at {main['title']} | its cost | ours | ratio |",
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


def _gains_section(gains_: list[dict[str, Any]], main: dict[str, Any]) -> list[str]:
    lines = [
        "## What the order gives, and what verification",
        "",
        f"At the quality of each point of ancestral sampling, for {gains_[0]['over']}. Order: the "
        "passes (NFE) or seconds of ancestral sampling over those of the best sampler here that "
        "verifies nothing. Verification: those of that one over ours; below 1 verifying costs "
        "more than it gives. 95 % bootstrap intervals. ≥: our cheapest point is already better.",
        "",
        f"| cost | at {main['title']} | ancestral | best unverified | ours | order "
        "| verification |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in gains_:
        first, best, ours = (_figure(value, 2) for value in row["costs"])
        shown = []
        for name in ("order", "verification"):
            ratio = {key: _figure(value, 2) for key, value in row[name].items()}
            shown.append(f"{ratio['value']} ({ratio['low']} to {ratio['high']})")
        lines.append(
            f"| {row['cost']} | {_figure(row['quality'], 3)} | {first} "
            f"| {best} ({row['best_unverified']}) | {ours} | {shown[0]} "
            f"| {'≥ ' if row['is_lower_bound'] else ''}{shown[1]} |"
        )
    return lines


def _leads_section(
    leads_: list[dict[str, Any]],
    main: dict[str, Any],
    beside: dict[str, Any],
    points: list[dict[str, Any]],
) -> list[str]:
    ours = leads_[0]["over"]
    ahead = [lead for lead in leads_ if (lead["lead"]["low"] or 0.0) > 0]
    title = [f"## Who is better than {ours} at the same passes, by {main['label']}", ""]
    if not ahead:
        return [*title, f"None of the {len(leads_)} points compared, beyond the 95 % interval."]
    entropies = {(p["family"], p["budget"]): p["numbers"][beside["name"]]["value"] for p in points}
    lines = [
        *title,
        f"{len(ahead)} of the {len(leads_)} points compared, beyond the 95 % interval. Read the "
        "lead beside the entropy: a rule that prefers what is sure looks better by saying less.",
        "",
        f"| sampler | NFE | {main['title']} | ours there | lead | {beside['title']} |",
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
