"""The pictures of a report, as PNG and SVG.

Each is drawn from report.json alone, so pictures can be made again without measuring.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from unmask.atomic import replacing
from unmask.errors import MissingExtraError

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
    pictures = {
        "quality_nfe": _quality("nfe", "network passes per sample (NFE)"),
        "quality_seconds": _quality("seconds", "seconds per sample"),
        "tokens_per_pass": _tokens_per_pass,
    }
    if "acceptance" in report:
        pictures["acceptance"] = _acceptance
    written = []
    for name, draw in pictures.items():
        written += _drawn(folder, name, draw, report)
    return written


def _drawn(
    folder: Path, name: str, draw: Callable[[Any, dict[str, Any]], None], report: dict[str, Any]
) -> list[Path]:
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


def _quality(cost: str, label: str) -> Callable[[Any, dict[str, Any]], None]:
    def draw(axes: Any, report: dict[str, Any]) -> None:
        for number, (name, rows) in enumerate(_by_family(report).items()):
            rows = sorted(rows, key=lambda p: p["numbers"][cost]["value"])
            quality = [p["numbers"]["spelling_accuracy"] for p in rows]
            axes.errorbar(
                [p["numbers"][cost]["value"] for p in rows],
                [q["value"] for q in quality],
                yerr=[1.96 * (q["standard_error"] or 0) for q in quality],
                label=name,
                marker=_MARKERS[number % len(_MARKERS)],
                linewidth=2.5 if name == "self-speculative" else 1.2,
                capsize=2,
            )
        if "held_out" in report:
            share = report["held_out"]["spelling_accuracy"]["value"]
            axes.axhline(share, color="black", linestyle=":", label="held-out text")
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel("spelling accuracy")
        axes.legend(fontsize="small")

    return draw


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
        share = row["by_place"]
        axes.plot([n / len(share) for n in range(len(share))], share, label=row["label"])
    axes.set_xlabel("share of the sequence revealed")
    axes.set_ylabel("probability that the draft is kept")
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize="small")


def _by_family(report: dict[str, Any]) -> dict[str, Rows]:
    families: dict[str, Rows] = {}
    for point in report["points"]:
        if "skipped" not in point:
            families.setdefault(point["family"], []).append(point)
    return families
