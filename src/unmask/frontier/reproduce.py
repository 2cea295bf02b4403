"""The paper's experiment on text8, run again: its settings on a model, its figures beside ours.

Self-speculative sampling in each setting of paper.py; beside it masked diffusion, which is
ancestral sampling: as in the paper from a network of its own, all of whose blocks are
non-causal, or else from the draft of the network that is measured. The passes at equal accuracy
are read off the two curves as curves.py says.

One thing differs from the paper whatever the model: a verify round is counted here only if it
is made. 12 windows of N = 10 rounds in 11 + 1 blocks can take 12 (11 + 10) / 12 = 21 NFE, the
paper's figure, but a window that is settled sooner takes fewer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unmask.files import atomic
from unmask.files.reading import strict
from unmask.files.tensors import write_json
from unmask.frontier import paper
from unmask.frontier.comparison import ratios
from unmask.frontier.entries import contenders
from unmask.frontier.folder import ReportFolder
from unmask.frontier.measure import check_sampling, measure_point
from unmask.frontier.summary import summarise
from unmask.models.text import TextModel
from unmask.process.windows import Cosine, starts
from unmask.quality.quality import Quality
from unmask.speed.machine import machine
from unmask.version import VERSION

_OURS, _THEIRS = "self-speculative", "ancestral"
_NUM_STEPS = (16, 32, 48, 64, 128)
"""Of ancestral sampling."""


@dataclass(frozen=True, kw_only=True)
class ReproductionPlan:
    """On how many samples each setting is measured."""

    num_samples: int = 64
    seed: int = 0
    batch_size: int = 32

    def __post_init__(self) -> None:
        check_sampling(self.num_samples, self.batch_size)


Advance = Callable[[float, str], None]
"""Told which share of the whole is done, and the setting at work."""


def _ignore(share: float, note: str) -> None:
    pass


def measure_text8(
    model: TextModel,
    plan: ReproductionPlan,
    folder: ReportFolder,
    *,
    baseline: str = "",
    advance: Advance = _ignore,
) -> list[dict[str, Any]]:
    """Every setting of the experiment, measured now or read from the folder.

    `baseline` names the network of masked diffusion; "" is the trunk of `model`. A point is as
    `evaluate` makes it; its budget is the knob of its family.

    Raises what `contenders` raises.
    """
    names = [_OURS, f"{_THEIRS}@{baseline}" if baseline else _THEIRS]
    ours, theirs = contenders(names, model).values()
    # The quickest first, so that there is soon something to see.
    dtaus = sorted(paper.ROUNDS, reverse=True)
    wanted = [(ours, dtau, float(len(starts(Cosine(dtau), model.length)))) for dtau in dtaus]
    wanted += [(theirs, float(num_steps), float(num_steps)) for num_steps in _NUM_STEPS]
    total = sum(expected for _, _, expected in wanted)

    def telling(note: str, done: float, expected: float) -> Callable[[int], None]:
        each = expected / plan.num_samples
        return lambda num_samples: advance((done + each * num_samples) / total, note)

    points, done = [], 0.0
    for contender, knob, expected in wanted:
        name = contender.name
        # By a name of its own: in a report, a budget is no knob.
        point = folder.read_point(f"paper/{name}", knob, contender.weights)
        if point is None:
            point = {"family": name, "budget": knob, "knob": knob, "weights": contender.weights}
            point |= measure_point(
                contender.model,
                contender.family.make(knob),
                num_samples=plan.num_samples,
                seed=plan.seed,
                batch_size=plan.batch_size,
                observe=telling(f"{name} at {knob:g}", done, expected),
            )
            folder.write_point(f"paper/{name}", knob, point)
        points.append(point)
        done += expected
    return points


def compare_text8(
    model: TextModel,
    points: Sequence[dict[str, Any]],
    quality: Quality,
    plan: ReproductionPlan,
) -> dict[str, Any]:
    """The figures of the paper beside ours, and all that was measured, as plain JSON.

    In `figures`, `paper` and `difference` are null where the paper gives none.
    """
    measured = [summarise(point, quality) for point in points]
    own = sorted((p for p in measured if p["family"] == _OURS), key=lambda p: p["knob"])
    found_ratios = ratios(points, quality, ours=_OURS, seed=plan.seed)
    compared: dict[str, Any] = strict(
        {
            "unmask": VERSION,
            "machine": machine(),
            "experiment": "text8",
            "model": model.name,
            "baseline": _baseline(points),
            "num_weights": sum(weight.numel() for weight in model.network.parameters()),
            "length": model.length,
            "num_samples": plan.num_samples,
            "seed": plan.seed,
            "figures": [figure for point in own for figure in _figures(point, model.length)],
            "ratios": [ratio for ratio in found_ratios if ratio["cost"] == "nfe"],
            "points": measured,
        }
    )
    return compared


def write(folder: ReportFolder, compared: dict[str, Any]) -> None:
    """reproduction.json and reproduction.md."""
    write_json(folder.path / "reproduction.json", compared)
    with atomic.replacing(folder.path / "reproduction.md") as draft:
        draft.write_text(as_markdown(compared), encoding="utf-8")


def as_markdown(compared: dict[str, Any]) -> str:
    """The comparison as a page to read."""
    num_threads = compared["machine"]["threads"]
    threads = "one thread" if num_threads == 1 else f"{num_threads} threads"
    return "\n".join(
        [
            "# text8: the paper's figures and ours",
            "",
            f"{compared['model']} has {compared['num_weights'] / 1e6:.1f} million weights and "
            f"sequences of {compared['length']} tokens, the paper's network "
            f"{paper.NUM_WEIGHTS / 1e6:.0f} million and {paper.LENGTH}. "
            f"{compared['num_samples']} samples a setting, seeds from {compared['seed']}; seconds "
            f"a sample with {threads} of {compared['machine']['device']}. "
            "±: standard error; in brackets: the middle 95 % of a bootstrap; ≥: our cheapest "
            "setting is better already; –: not given, or not reached.",
            "",
            "| | paper | ours | difference |",
            "| --- | --- | --- | --- |",
            *map(_figure_line, compared["figures"]),
            *map(_ratio_line, compared["ratios"]),
            "",
            "The ratio is the NFE of masked diffusion over those of self-speculative sampling at "
            f"the same accuracy. Masked diffusion is ancestral sampling from {_origin(compared)}. "
            "The paper's 21 NFE are 12 (11 + 10) / 12, all ten rounds in every window; rounds "
            "that a settled window does not need are not made here, and not counted.",
            "",
        ]
    )


def _baseline(points: Sequence[dict[str, Any]]) -> str:
    """The network of masked diffusion; "" for the trunk of the model measured."""
    (name,) = {point["family"] for point in points} - {_OURS}
    return str(name).partition("@")[2]


def _origin(compared: dict[str, Any]) -> str:
    if compared["baseline"]:
        return f"{compared['baseline']}, a network of its own, as in the paper"
    return "the trunk of the same network; the paper's is a network of its own"


def _figures(point: dict[str, Any], length: int) -> list[dict[str, Any]]:
    """What the paper says of a setting, or could say, with ours beside it."""
    dtau, numbers = point["knob"], point["numbers"]
    windows = {"value": len(starts(Cosine(dtau), length)), "standard_error": 0.0}
    pairs: dict[str, tuple[Mapping[float, float], dict[str, float]]] = {
        "windows": (paper.WINDOWS, windows),
        "NFE": (paper.NFE, numbers["nfe"]),
        "spelling accuracy": (paper.SPELLING_ACCURACY, numbers["spelling_accuracy"]),
    }
    figures = []
    for what, (told, ours) in pairs.items():
        theirs = told.get(dtau)
        difference = None if theirs is None else ours["value"] - theirs
        setting = {"what": what, "dtau": dtau, "verify_rounds": paper.ROUNDS[dtau]}
        figures.append({**setting, "paper": theirs, "ours": ours, "difference": difference})
    figures[1]["seconds"] = numbers["seconds"]["value"]
    return figures


_DIGITS = {"windows": 0, "NFE": 1, "spelling accuracy": 3}


def _figure_line(row: dict[str, Any]) -> str:
    digits, ours = _DIGITS[row["what"]], row["ours"]
    what = f"N={row['verify_rounds']} dtau={row['dtau']:g}: {row['what']}"
    theirs = "–" if row["paper"] is None else f"{row['paper']:g}"
    error = f" ± {_shown(ours['standard_error'], digits)}" if digits else ""
    seconds = f", {row['seconds']:.2f} s" if "seconds" in row else ""
    difference = _shown(row["difference"], digits, "+")
    return (
        f"| {what} | {theirs} | {_shown(ours['value'], digits)}{error}{seconds} | {difference} |"
    )


def _ratio_line(row: dict[str, Any]) -> str:
    value, low, high = (_shown(row["ratio"][name], 2) for name in ("value", "low", "high"))
    bound = "≥ " if row["is_lower_bound"] else ""
    what = (
        f"ratio at accuracy {_shown(row['quality'], 3)}, "
        f"{_shown(row['other_cost'], 1)} NFE of masked diffusion"
    )
    return f"| {what} | > {paper.LEAST_RATIO:g} | {bound}{value} ({low} to {high}) | – |"


def _shown(value: float | None, digits: int, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.{digits}f}"
