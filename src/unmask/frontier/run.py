"""Samplers of one model compared: `unmask.evaluate` and the verb of that name.

A folder holds the points (folder.py), the report made of them (report.py), and pictures.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unmask.errors import ConfigError
from unmask.files.model_folder import find_folder
from unmask.files.tensors import CONFIG_FILE, read_json
from unmask.frontier import plots, report
from unmask.frontier.entries import Contender, contenders
from unmask.frontier.evaluate import SweepPlan, measured_points, usual
from unmask.frontier.exact import (
    ExactPlan,
    Yardsticks,
    measure_exact,
    text_fingerprint,
    yardsticks,
)
from unmask.frontier.folder import ReportFolder, Settings, fingerprint, open_folder
from unmask.models.load import load_text_model
from unmask.models.text import TextModel
from unmask.quality import controls
from unmask.quality.controls import preference
from unmask.quality.judges import SMOLLM2, HybridJudge, Judge, LanguageModelJudge
from unmask.quality.of_model import quality_of, read_real_data
from unmask.quality.quality import Quality, Samples
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.lossless import Lossless
from unmask.samplers.lossless_branching import LosslessBranching
from unmask.samplers.prefix_verify import PrefixVerify
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.spec import split_specs
from unmask.samplers.target_only import TargetOnly

SHIPPED_JUDGE = "text8s-judge"

Note = Callable[[str, float], None]
"""Told what is measured, and which share of it is done."""


def evaluate(
    model: TextModel | str,
    *,
    out: Path | str,
    samplers: str | Iterable[str] = (),
    budgets: Iterable[float] = (),
    num_samples: int = SweepPlan.num_samples,
    batch_size: int = SweepPlan.batch_size,
    seed: int = 0,
    judge: str = "auto",
    data: str = "",
    words: Path | str = "",
    families: Path | str = "",
    exact: ExactPlan | None = None,
    resume: bool = False,
    name: str = "",
    precision: str = "",
    observe: Note = lambda what, share: None,
) -> dict[str, Any]:
    """Measure what is not measured yet, write the report in `out`, and return it as JSON has it.

    Args:
        model: a model of text or of sequences, or its name.
        out: the folder of the report.
        samplers: families by name (families.py) or specs, whose budget turns what they do not say;
            on other models as FAMILY@MODEL. The cost of the others is compared with that of the
            first. () are those that suit the model.
        budgets: network passes per sample to aim at; () are those that suit the model.
        num_samples: of each point, at least 16.
        batch_size: samples drawn at a time.
        seed: of the first sample of each point.
        judge: a model that scores the samples; "auto" is the shipped one, if it can read them;
            "none"; "smollm2", or the folder of another language model.
        data: a text, records, or data that was made ready, whose validation part is scored
            beside them, with controls made of it.
        words: a list of words by which spelling is judged; "" is that of the model, or the words
            of the data.
        families: of proteins: a file of family profiles, .hmm or .h3m, or "gecco" for those that
            the package of that name carries; which samples are in one is measured, too.
        exact: exact quality too, on that text.
        resume: go on with the report in `out`.
        name: what the report calls the model, if otherwise than the model itself.
        precision: likewise of its weights.
        observe: told how far it is.

    Raises:
        ConfigError: no such sampler, or one that cannot work on this model; wrong numbers.
        CheckpointError: no such judge.
        DataError: the text or the words cannot be read.
        OutputError: `out` holds another report, or cannot be written to.
    """
    model = load_text_model(model) if isinstance(model, str) else model
    names, usual_budgets = usual(model)
    asked = split_specs(samplers) if isinstance(samplers, str) and samplers else tuple(samplers)
    plan = SweepPlan(
        samplers=tuple(asked) or names,
        budgets=tuple(budgets) or usual_budgets,
        num_samples=num_samples,
        seed=seed,
        batch_size=batch_size,
    )
    compared = contenders(plan.samplers, model)
    reader = _judge(judge, model)
    real = read_real_data(data, model)
    unit = reader.unit if reader else ""
    quality = quality_of(model, real, words=words, judge_unit=unit, families=families)
    corpus = real.corpus
    if exact and not corpus:
        raise ConfigError(
            "--exact-sequences needs text: name it with --data. Its validation part is scored, "
            "and a chain is fitted to its training part."
        )
    held_out = real.held_out(model, plan.num_samples)
    held_to = yardsticks(model, corpus, exact) if exact and corpus else None
    settings = Settings(
        model=name or Path(model.name).name,
        weights=fingerprint(model),
        precision=precision or str(next(model.network.parameters()).dtype).removeprefix("torch."),
        num_samples=num_samples,
        seed=seed,
        batch_size=batch_size,
        judge=reader.fingerprint if reader else "",
    )
    if exact and corpus:
        settings = replace(
            settings,
            exact_sequences=exact.num_sequences,
            chain_order=exact.chain_order,
            chain_length=exact.chain_length,
            exact_text=text_fingerprint(corpus),
        )
    folder = open_folder(out, settings, "auto" if resume else "never")
    points = measured_points(
        compared,
        plan,
        folder,
        judge=reader,
        advance=lambda name, budget, share: observe(f"{name} at {budget:g} passes", share),
    )
    _check_is_measured(points)
    exact_points = _exact_points(compared, points, held_to, folder, plan, observe)
    made = report.build(
        points,
        quality,
        settings,
        held_out=_judged(reader, held_out) if held_out else None,
        controls=_controls(quality, reader, held_out) if held_out else {},
        exact=exact_points,
        ours=plan.samplers[0],
        verified=_verified(compared, points),
    )
    report.write(folder, made)
    report.write_trace(folder, compared, points)
    plots.draw_all(folder.path, made)
    return made


def _check_is_measured(points: Sequence[dict[str, Any]]) -> None:
    """Raise `ConfigError` if no sampler could be run at any budget: there is no report then."""
    if points and all("skipped" in point for point in points):
        first = points[0]
        raise ConfigError(
            f"nothing could be measured: {first['family']} at {first['budget']:g} passes: "
            f"{first['skipped']}. Choose other --budgets."
        )


def _verified(
    compared: Mapping[str, Contender], points: Sequence[dict[str, Any]]
) -> frozenset[str]:
    """The families whose sampler verifies what it drafted."""
    return frozenset(
        point["family"]
        for point in points
        if "skipped" not in point
        and isinstance(compared[point["family"]].family.make(point["knob"]), _VERIFY)
    )


_VERIFY = (DraftVerify, Lossless, LosslessBranching, PrefixVerify, SelfSpeculative, TargetOnly)


def _judge(name: str, model: TextModel) -> Judge | None:
    if name == "none":
        return None
    is_chosen = name != "auto"
    if is_chosen and (name == SMOLLM2 or _is_language_model(name)):
        return LanguageModelJudge(name)
    judge = load_text_model(name if is_chosen else SHIPPED_JUDGE, device=str(model.network.device))
    found = HybridJudge(judge)
    if judge.vocabulary != model.vocabulary or judge.length < model.length:
        if not is_chosen:
            return None
        raise ConfigError(
            f"the judge {judge.name} reads up to {judge.length} tokens of "
            f"{judge.vocabulary.describe()}, {model.name} writes {model.length} of "
            f"{model.vocabulary.describe()}. Choose a judge that can read all of it."
        )
    return found


def _is_language_model(name: str) -> bool:
    """Whether a folder holds a causal language model of the Hugging Face libraries."""
    kinds = read_json(find_folder(name) / CONFIG_FILE).get("architectures")
    return isinstance(kinds, list) and any(str(kind).endswith("ForCausalLM") for kind in kinds)


def _exact_points(
    compared: Mapping[str, Contender],
    points: Sequence[dict[str, Any]],
    held_to: Yardsticks | None,
    folder: ReportFolder,
    plan: SweepPlan,
    observe: Note,
) -> list[dict[str, Any]]:
    if held_to is None:
        return []
    return measure_exact(
        compared,
        points,
        held_to,
        folder,
        num_samples=plan.num_samples,
        seed=plan.seed,
        batch_size=plan.batch_size,
        advance=lambda label, share: observe(f"exact quality: {label}", share),
    )


def _judged(judge: Judge | None, texts: Sequence[str]) -> Samples:
    return Samples(texts, judge.judged(texts) if judge else None)


def _controls(
    quality: Quality, judge: Judge | None, held_out: Sequence[str]
) -> dict[str, Samples]:
    """Nonsense made of real data, as long and as many."""

    def prefers(texts: Sequence[str]) -> list[float]:
        if judge is not None:
            return preference(judge.judged(texts), -1)
        return preference(quality.of_each(Samples(texts)), quality.main.is_better)

    num_tries = 16 if judge is None else 4  # a judge takes its time
    made = {
        "shuffled": controls.shuffled(held_out),
        "unigrams": controls.unigrams(held_out, prefers, num_tries=num_tries),
    }
    return {name: _judged(judge, texts) for name, texts in made.items()}
