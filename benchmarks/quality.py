"""Spelling accuracy against passes and seconds: the table of text8s-any's card.

    python benchmarks/quality.py text8s-any --data text8s.zip --num-samples 128 --precision bf16

Settings take turns, batch by batch, so that a slow minute of the machine is shared by all of them
and their seconds compare. Spelling accuracy is the share of generated words that occur in the
training text (the first 90 %), edges of a sample left out; the standard error is over samples.
The last row scores held-out text in the same way: no sampler can be expected to do better.
"""

import argparse
import json

import torch

import unmask
from unmask.data.text import consecutive_crops, load_corpus
from unmask.evaluation.spelling import spelling_accuracy, word_set
from unmask.speed.allocator import keep_freed_memory


def spaced(dtau: float, verify_rounds: int) -> unmask.SelfSpeculative:
    return unmask.SelfSpeculative(
        window=unmask.Cosine(dtau), verify_rounds=verify_rounds, order="spaced"
    )


SETTINGS = {
    "self-speculative, spaced, N=6 dtau=0.45": spaced(0.45, 6),
    "self-speculative, spaced, N=4 dtau=0.2": spaced(0.2, 4),
    "self-speculative, spaced, N=4 dtau=0.06": spaced(0.06, 4),
    "self-speculative, N=10 dtau=0.083": unmask.SelfSpeculative(
        window=unmask.Cosine(0.083), verify_rounds=10
    ),
    "self-speculative, N=4 dtau=0.02": unmask.SelfSpeculative(
        window=unmask.Cosine(0.02), verify_rounds=4
    ),
    "ancestral, T=18": unmask.Ancestral(num_steps=18),
    "ancestral, T=37": unmask.Ancestral(num_steps=37),
    "ancestral, T=75": unmask.Ancestral(num_steps=75),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="text8s-any")
    parser.add_argument("--data", required=True, help="the text the model was trained on")
    parser.add_argument("--num-samples", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1_000)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--json", action="store_true", help="one JSON object per row")
    options = parser.parse_args()

    keep_freed_memory()
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    model = unmask.load(options.model, dtype=dtype)
    corpus = load_corpus(options.data, model.vocabulary)
    words = word_set(model.vocabulary.decode(corpus.train))
    samples = {name: [] for name in SETTINGS}
    seconds = dict.fromkeys(SETTINGS, 0.0)
    for batch in range(0, options.num_samples, options.batch_size):
        for name, sampler in SETTINGS.items():
            drawn = model.generate(
                sampler=sampler,
                num_samples=min(options.batch_size, options.num_samples - batch),
                batch_size=options.batch_size,
                seed=options.seed + batch,
            )
            samples[name] += drawn
            seconds[name] += max(sample.seconds for sample in drawn)
    if not options.json:
        columns = "| sampler | spelling accuracy | trunk | tail | NFE | accepted | s / sample |"
        print(columns, "| --- | --- | --- | --- | --- | --- | --- |", sep="\n")
    for name, drawn in samples.items():
        accuracy = spelling_accuracy([sample.text for sample in drawn], words)
        row = {
            "sampler": name,
            "spelling_accuracy": accuracy.share,
            "standard_error": accuracy.standard_error,
            **{
                key: sum(getattr(sample, key) for sample in drawn) / len(drawn)
                for key in ("trunk_passes", "tail_passes", "nfe", "acceptance_rate")
            },
            "seconds_per_sample": seconds[name] / len(drawn),
            "num_samples": len(drawn),
            "threads": torch.get_num_threads(),
        }
        print(json.dumps(row) if options.json else _markdown(row), flush=True)
    crops = consecutive_crops(corpus.valid, model.length, 2_000)
    held_out = spelling_accuracy([model.vocabulary.decode(crop) for crop in crops], words)
    print(f"| held-out text | {held_out.share:.3f} ± {held_out.standard_error:.3f} | | | | | |")


def _markdown(row: dict) -> str:
    return (
        f"| {row['sampler']} | {row['spelling_accuracy']:.3f} ± {row['standard_error']:.3f} "
        f"| {row['trunk_passes']:.1f} | {row['tail_passes']:.1f} | {row['nfe']:.1f} "
        f"| {row['acceptance_rate']:.0%} | {row['seconds_per_sample']:.3f} |"
    )


if __name__ == "__main__":
    main()
