"""The pictures of a report, as PNG and SVG.

Each is drawn from report.json alone, so pictures can be made again without measuring.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

from unmask.errors import MissingExtraError
from unmask.files.atomic import replacing

_STYLE: Any = {
    "figure.figsize": (7.0, 4.5),
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "unmask",  # the same picture, the same file
}
_MARKERS = "osD^vP*X<>ph"

Rows = list[dict[str, Any]]


def draw_all(folder: Path, report: dict[str, Any]) -> list[Path]:
    """Every picture of a report; the files written.

    Raises `MissingExtraError` without matplotlib.
    """
    measures = {measure["name"]: measure for measure in report["measures"]}
    main, judged = report["measures"][0], measures.get(_JUDGED)
    pictures = {
        "quality_nfe": _quality(main, "nfe", "network passes per sample (NFE)"),
        "quality_seconds": _quality(main, "seconds", "seconds per sample"),
        "quality_entropy": _quality_against_entropy,
        "tokens_per_pass": _tokens_per_pass,
    }
    if judged and judged != main:
        pictures["judge_nfe"] = _quality(judged, "nfe", "network passes per sample (NFE)")
    if "exact" in report:
        pictures["exact_bits"] = _exact_bits
        pictures["exact_divergence"] = _exact_divergence
        if report["exact"]["acceptance"]:
            pictures["exact_acceptance"] = lambda axes, _: _acceptance(axes, report["exact"])
    if "acceptance" in report:
        pictures["acceptance"] = _acceptance
    written = []
    for name, draw in pictures.items():
        written += drawn(folder, name, draw, report)
    return written


def markers() -> Iterator[str]:
    """One sign after another, for ever."""
    return cycle(_MARKERS)


def drawn(
    folder: Path, name: str, draw: Callable[[Any, dict[str, Any]], None], report: dict[str, Any]
) -> list[Path]:
    """One picture of a report, as PNG and SVG; the files written."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "plots need matplotlib, which is not installed. Run `pip install 'unmask[evaluate]'`; "
            "the numbers are in report.json already."
        ) from error
    files = []
    with matplotlib.rc_context(_STYLE):
        figure = Figure(layout="constrained")
        draw(figure.subplots(), report)
        for kind in ("png", "svg"):
            file = folder / f"{name}.{kind}"
            with replacing(file) as draft:
                figure.savefig(draft, format=kind, dpi=160, metadata=_UNDATED[kind])
            files.append(file)
    return files


_UNDATED: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None}}


_JUDGED = "judge_bits"


def _quality(
    measure: dict[str, Any], cost: str, label: str
) -> Callable[[Any, dict[str, Any]], None]:
    def draw(axes: Any, report: dict[str, Any]) -> None:
        _quality_lines(axes, report, measure, cost)
        if measure["name"] in report.get("held_out", {}):
            # A line far from the others would press them together.
            value = report["held_out"][measure["name"]]["value"]
            axes.set_title(f"held-out text: {value:.3f}", fontsize="medium", loc="right")
        _log_scale(axes)
        axes.set_xlabel(label)
        _legend(axes)

    return draw


def _quality_against_entropy(axes: Any, report: dict[str, Any]) -> None:
    """Good samples come near to held-out text in both; rules that repeat themselves go left."""
    main = report["measures"][0]
    entropies = [measure for measure in report["measures"] if "entropy" in measure["name"]]
    across = entropies[-1]
    _quality_lines(axes, report, main, across["name"])
    beside = {f"control: {name}": numbers for name, numbers in report.get("controls", {}).items()}
    if "held_out" in report:
        beside["held-out text"] = report["held_out"]
    for (name, numbers), sign in zip(beside.items(), reversed("12*"[: len(beside)]), strict=False):
        place = [numbers[each["name"]]["value"] for each in (across, main)]
        axes.plot(*place, sign, color="black", markersize=14, label=name)
    axes.set_xlabel(across["label"])
    _legend(axes)


def _quality_lines(
    axes: Any, report: dict[str, Any], measure: dict[str, Any], across: str
) -> None:
    """A line for each family, through its points by rising cost."""
    for number, (name, rows) in enumerate(_by_family(report).items()):
        rows = sorted(rows, key=lambda p: p["numbers"]["nfe"]["value"])
        # Samples without a single whole word have no accuracy to show.
        called = measure["name"]
        rows = [p for p in rows if p["numbers"].get(called, {}).get("value") is not None]
        quality = [p["numbers"][called] for p in rows]
        axes.errorbar(
            [p["numbers"][across]["value"] for p in rows],
            [q["value"] for q in quality],
            yerr=[1.96 * (q["standard_error"] or 0) for q in quality],
            label=name,
            marker=_MARKERS[number % len(_MARKERS)],
            linewidth=_width(name, report),
            capsize=2,
        )
    axes.set_ylabel(f"{measure['label']} (bars: 95 %)")


def _tokens_per_pass(axes: Any, report: dict[str, Any]) -> None:
    for name, rows in _by_family(report).items():
        middle = sorted(rows, key=lambda p: p["budget"])[len(rows) // 2]
        settled = middle["tokens_per_pass"]
        axes.plot(range(1, len(settled) + 1), settled, label=f"{name}, {middle['budget']:g} NFE")
    axes.set_xlabel("pass")
    axes.set_ylabel("tokens settled")
    axes.legend(fontsize="small")


def _acceptance(axes: Any, report: dict[str, Any]) -> None:
    for row in report["acceptance"]:
        middles, means = in_stretches(row["by_place"])
        axes.plot(middles, means, label=row["label"], marker=".")
    axes.set_xlabel("share of the sequence revealed")
    axes.set_ylabel(f"share of drafts kept, in {_STRETCHES}ths of the sequence")
    axes.set_xlim(0, 1)
    axes.legend(fontsize="x-small", loc="lower left", ncols=2)


_STRETCHES = 16


def in_stretches(by_place: Sequence[float]) -> tuple[list[float], list[float]]:
    """Sixteen stretches of a sequence, fewer of a short one: their middles, between 0 and 1, and
    the means over their places."""
    length = len(by_place)
    num = min(_STRETCHES, length)
    cuts = [n * length // num for n in range(num + 1)]
    stretches = list(pairwise(cuts))
    middles = [(start + stop) / 2 / length for start, stop in stretches]
    return middles, [sum(by_place[start:stop]) / (stop - start) for start, stop in stretches]


def _exact_bits(axes: Any, report: dict[str, Any]) -> None:
    _with_intervals(axes, report, report["exact"]["held_out"], "nfe")
    _log_scale(axes)
    axes.set_xlabel("expected network passes per sequence (NFE)")
    axes.set_ylabel("bits per token of held-out text")
    _legend(axes)


def _exact_divergence(axes: Any, report: dict[str, Any]) -> None:
    rows = report["exact"]["chain"]
    _with_intervals(axes, report, [row for row in rows if "bits" in row], "passes")
    names = dict.fromkeys(row["family"] for row in rows if row["reading"] == "zero")
    if names:
        label = "\n".join(names)
        axes.axhline(0, color="black", linewidth=2.5, label=f"{label}: 0")
    _log_scale(axes)
    axes.set_xlabel("passes per sequence of the chain")
    axes.set_ylabel("KL from the chain, bits per token")
    _legend(axes)


def _legend(axes: Any) -> None:
    """None where no sampler of the report has such a number."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")


def _log_scale(axes: Any) -> None:
    """Costs on a logarithmic axis, written as plain numbers."""
    from matplotlib.ticker import LogFormatter

    axes.set_xscale("log")
    plain = LogFormatter(minor_thresholds=(1.5, 0.5))
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_formatter(plain)


def _with_intervals(axes: Any, report: dict[str, Any], rows: Rows, cost: str) -> None:
    """A line for each family, its 95 % intervals as bars."""
    for number, (name, its_rows) in enumerate(_grouped(rows).items()):
        its_rows = sorted(its_rows, key=lambda row: row[cost])
        bits = [row["bits"] for row in its_rows]
        below = [b["value"] - b["low"] for b in bits]
        above = [b["high"] - b["value"] for b in bits]
        axes.errorbar(
            [row[cost] for row in its_rows],
            [b["value"] for b in bits],
            yerr=[below, above],
            label=name,
            marker=_MARKERS[number % len(_MARKERS)],
            linewidth=_width(name, report),
            capsize=2,
        )


def _width(name: str, report: dict[str, Any]) -> float:
    """The first sampler named, with which the others are compared, stands out."""
    return 2.5 if name == report["ours"] else 1.2


def _by_family(report: dict[str, Any]) -> dict[str, Rows]:
    return _grouped([point for point in report["points"] if "skipped" not in point])


def _grouped(rows: Rows) -> dict[str, Rows]:
    families: dict[str, Rows] = {}
    for row in rows:
        families.setdefault(row["family"], []).append(row)
    return families
