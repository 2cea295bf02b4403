"""What the laws of a causal trunk are worth: bits, blanks, samples, and what they cost.

    python benchmarks/laws_of_a_stream.py --data text8s.zip

Beside the left-to-right model of equal weights and training time (text8s-ar), one token per pass
with its cache. Three tables:

bits      per character of held-out text, exactly: of the stream's law, of the tail's at windows of
          4, 8 and 16 (all rounds it takes), and of drafts that nobody verifies
blanks    per character of the blanks, given the rest of the sequence at 10, 50 and 90 % of the
          places, drawn at random; of the any-order model (text8s-any) as it is drawn, one token
          per pass in random order (its bound, by a few random numbers of revealed tokens)
samples   spelling, bits under a judge that shares no data with any of them, tokens per trunk pass,
          work (NFE), blocks in turn, seconds per sample alone and in a batch

Settings take turns, batch by batch, so that a slow minute of the machine is shared by all.
"""

import argparse
import json
import math

import torch

import unmask
from unmask.data.text import consecutive_crops, load_corpus
from unmask.evaluation.judge import judge_bits
from unmask.evaluation.spelling import spelling_accuracy, word_set
from unmask.process import orders
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.lossless import Lossless
from unmask.samplers.lossless_branching import LosslessBranching
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.speed.allocator import keep_freed_memory
from unmask.speed.denormals import flush_denormals
from unmask.training.objective import corrupt_answers, losses
from unmask.training.windowed import WindowedCorruption, even_windows

WINDOWS = (4, 8, 16)
SHARES_GIVEN = (0.1, 0.5, 0.9)
NUM_DRAWS = 8


def tail_law(num_tokens: int) -> SelfSpeculative:
    return SelfSpeculative(
        window=unmask.Fixed(num_tokens), verify_rounds=num_tokens, order="left-to-right"
    )


SETTINGS = {
    "text8s-ar, one token per pass": ("text8s-ar", Autoregressive()),
    "one token per pass": ("text8s", Autoregressive()),
    "lossless, 8": ("text8s", Lossless(num_tokens=8)),
    "lossless, 8, factorised drafts": ("text8s", Lossless(num_tokens=8, drafts="factorised")),
    "lossless, branching, 8": ("text8s", LosslessBranching(num_tokens=8)),
    "tail's law, windows of 8": ("text8s", tail_law(8)),
    "tail's law, windows of 16": ("text8s", tail_law(16)),
    "unverified, windows of 2": (
        "text8s",
        FixedPartition(window=unmask.Fixed(2), order="left-to-right"),
    ),
    "unverified, windows of 8": (
        "text8s",
        FixedPartition(window=unmask.Fixed(8), order="left-to-right"),
    ),
    "text8s-any, spaced, N=4 dtau=0.06": (
        "text8s-any",
        SelfSpeculative(window=unmask.Cosine(0.06), verify_rounds=4, order="spaced"),
    ),
    "text8s-any, spaced, unverified, dtau=0.06": (
        "text8s-any",
        FixedPartition(window=unmask.Cosine(0.06), order="spaced"),
    ),
    "text8s-any, ancestral, T=18": ("text8s-any", unmask.Ancestral(num_steps=18)),
}


def summary(nats_per_row: torch.Tensor) -> dict:
    bits = nats_per_row.double() / math.log(2)
    return {"bits": bits.mean().item(), "se": bits.std().item() / math.sqrt(len(bits))}


@torch.inference_mode()
def bits_table(models: dict, token_ids: torch.Tensor, batch_size: int) -> list[dict]:
    rows, reference = [], None
    for name in ("text8s-ar", "text8s"):
        network = models[name].network
        windows = WINDOWS if network.config.max_window else (1,)
        for size in windows:
            parts: dict = {}
            for ids in token_ids.split(batch_size):
                found = losses(network, ids, even_windows(len(ids), ids.shape[1], size)).parts
                for part, values in found.items():
                    parts.setdefault(part, []).append(values)
            for part, values in parts.items():
                if part == "stream" and size != windows[0]:
                    continue
                nats = torch.cat(values)
                law = {"stream": "stream", "target": "tail", "draft": "unverified"}[part]
                row = {"model": name, "law": law, "window": None if law == "stream" else size}
                row |= summary(nats)
                if reference is None:
                    reference = nats
                row["over_ar"] = summary(nats - reference)
                rows.append(row)
    return rows


@torch.inference_mode()
def blanks_table(models: dict, token_ids: torch.Tensor, seed: int, batch_size: int) -> list[dict]:
    rows = []
    generator = torch.Generator().manual_seed(seed)
    for share in SHARES_GIVEN:
        is_given = torch.rand(token_ids.shape, generator=generator) < share
        is_given[:, -1] &= ~is_given.all(dim=1)
        length = torch.full_like(token_ids[:, 0], token_ids.shape[1])
        found: dict = {"text8s": [], "text8s-any": []}
        for begin in range(0, len(token_ids), batch_size):
            part = slice(begin, begin + batch_size)
            ids, given, size = token_ids[part], is_given[part], length[part]
            order = orders.given_first(orders.left_to_right(*ids.shape), given)
            start = torch.arange(ids.shape[1]) // 8 * 8
            corruption = WindowedCorruption(order, given.sum(dim=1), size, start)
            nats = losses(models["text8s"].network, ids, corruption).stream
            num_blanks = (~given).sum(dim=1)
            found["text8s"].append(nats * num_blanks.double().mean() / num_blanks)
            draws = [
                losses(
                    models["text8s-any"].network, ids, corrupt_answers(seed + n, given, size)
                ).draft
                for n in range(NUM_DRAWS)
            ]
            found["text8s-any"].append(torch.stack(draws).mean(dim=0))
        for name, parts in found.items():
            rows.append({"model": name, "given": share} | summary(torch.cat(parts)))
    return rows


def samples_table(models: dict, options: argparse.Namespace) -> list[dict]:
    samples: dict = {name: [] for name in SETTINGS}
    alone: dict = {name: [] for name in SETTINGS}
    busy = dict.fromkeys(SETTINGS, 0.0)
    for begin in range(0, options.num_samples, options.batch_size):
        for name, (model, sampler) in SETTINGS.items():
            drawn = models[model].generate(
                sampler=sampler,
                num_samples=min(options.batch_size, options.num_samples - begin),
                batch_size=options.batch_size,
                seed=options.seed + begin,
            )
            samples[name] += drawn
            busy[name] += max(sample.seconds for sample in drawn)
    for number in range(options.num_alone):
        for name, (model, sampler) in SETTINGS.items():
            (one,) = models[model].generate(
                sampler=sampler, num_samples=1, seed=options.seed + number
            )
            alone[name].append(one.seconds)
    words = word_set(models["text8s"].codec.decode(options.corpus.train))
    rows = []
    for name, drawn in samples.items():
        config = models[SETTINGS[name][0]].network.config
        accuracy = spelling_accuracy([sample.text for sample in drawn], words)
        token_ids = torch.tensor([sample.token_ids for sample in drawn])
        judged = judge_bits(models["text8s-judge"].network, token_ids)
        mean = {
            key: sum(getattr(sample, key) for sample in drawn) / len(drawn)
            for key in ("trunk_passes", "tail_passes", "nfe")
        }
        length = token_ids.shape[1]
        in_turn = [config.critical_path(s.trunk_passes, s.tail_passes) for s in drawn]
        rows.append(
            {
                "sampler": name,
                "num_samples": len(drawn),
                "spelling": accuracy.share,
                "spelling_se": accuracy.standard_error,
                "judge_bits": judged.mean().item(),
                "judge_se": judged.std().item() / math.sqrt(len(drawn)),
                **mean,
                "tokens_per_pass": length / mean["trunk_passes"],
                "blocks_in_turn": sum(in_turn) / len(drawn),
                "seconds_alone": sorted(alone[name])[len(alone[name]) // 2],
                "seconds_in_batch": busy[name] / len(drawn),
            }
        )
    return rows


def show(title: str, rows: list[dict]) -> None:
    print(f"\n{title}\n")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    print("| " + " | ".join(columns) + " |")
    print("| " + " | ".join("---" for _ in columns) + " |")
    for row in rows:
        print("| " + " | ".join(cell(row.get(key)) for key in columns) + " |", flush=True)


def cell(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['bits']:+.3f} ± {value['se']:.3f}"
    return f"{value:.3f}" if isinstance(value, float) else str("" if value is None else value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="the text the models were trained on")
    parser.add_argument("--tables", nargs="+", default=["bits", "blanks", "samples"])
    parser.add_argument("--num-sequences", type=int, default=512, help="of held-out text")
    parser.add_argument("--num-samples", type=int, default=512)
    parser.add_argument("--num-alone", type=int, default=16, help="samples one at a time")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=5_000)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--out", help="all numbers as JSON")
    options = parser.parse_args()
    keep_freed_memory()
    flush_denormals()
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    names = ("text8s", "text8s-ar", "text8s-any", "text8s-judge")
    models = {name: unmask.load(name, dtype=dtype) for name in names}
    options.corpus = load_corpus(options.data, models["text8s"].codec)
    token_ids = consecutive_crops(options.corpus.test, 256, options.num_sequences)
    report = {}
    if "bits" in options.tables:
        report["bits"] = bits_table(models, token_ids, options.batch_size)
        show("bits per character", report["bits"])
    if "blanks" in options.tables:
        report["blanks"] = blanks_table(models, token_ids, options.seed, options.batch_size)
        show("bits per character of the blanks", report["blanks"])
    if "samples" in options.tables:
        report["samples"] = samples_table(models, options)
        show(f"samples, {torch.get_num_threads()} threads", report["samples"])
    if options.out:
        with open(options.out, "w") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
