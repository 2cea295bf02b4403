"""Which window goes with how many verify rounds: bits and spelling against passes, on a grid.

    python benchmarks/window_and_rounds.py text8s --data text8s.zip --precision bf16

Bits per character are those of held-out text under the law of each setting, and NFE what it is
expected to take to emit that text; both are computed, not sampled, and all settings share the
sequences and, of each kind, their orders. One pass over the text serves all windows and rounds
(evaluation/own_law.py). A setting is on the front if no other takes fewer NFE for fewer bits.
--num-samples adds the spelling accuracy of samples with the NFE that they took.
"""

import argparse
import math
import statistics

import torch

import unmask
from unmask.data.text import consecutive_crops, load_corpus
from unmask.evaluation.own_law import OwnLaws
from unmask.evaluation.spelling import spelling_accuracy
from unmask.evaluation.words import read_words
from unmask.model_folder import WORDS_FILE, find_folder

ROUNDS = (1, 2, 4, 8, 16)
WIDEST, PATIENT_ROUNDS = 0.2, 16
"""What a pass with patience may take at most; patience ends it sooner."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="text8s")
    parser.add_argument("--data", required=True, help="the text the model was trained on")
    parser.add_argument("--orders", nargs="*", default=["random"])
    parser.add_argument("--dtau", type=float, nargs="*", default=[0.02, 0.04, 0.083, 0.16])
    parser.add_argument("--patience", type=float, nargs="*", default=[0.5, 1.0, 2.0, 4.0])
    parser.add_argument("--num-sequences", type=int, default=8)
    parser.add_argument("--num-samples", type=int, default=0)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    options = parser.parse_args()

    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    model = unmask.load(options.model, dtype=dtype)
    valid = load_corpus(options.data, model.codec).valid
    token_ids = consecutive_crops(valid, model.length, options.num_sequences).long()
    laws = OwnLaws(model.network, token_ids)
    rows = []
    for sampler in settings(options.orders, options.dtau, options.patience):
        rows.append(measured(model, sampler, laws))
        print(f"{len(rows)} settings", flush=True)
    least = min(rows, key=lambda row: statistics.mean(row["bits"]))
    print("| setting | trunk | tail | NFE | bits | above the least | front | spelling, NFE |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in sorted(rows, key=lambda row: row["nfe"]):
        bits = statistics.mean(row["bits"])
        above = [own - best for own, best in zip(row["bits"], least["bits"], strict=True)]
        error = statistics.stdev(above) / math.sqrt(len(above)) if len(above) > 1 else math.nan
        is_beaten = any(
            other["nfe"] <= row["nfe"] and statistics.mean(other["bits"]) < bits for other in rows
        )
        print(
            f"| {row['name']} | {row['trunk']:.2f} | {row['tail']:.2f} | {row['nfe']:.2f} "
            f"| {bits:.4f} | {statistics.mean(above):.4f} ± {error:.4f} "
            f"| {'' if is_beaten else 'front'} | {spelling(model, row['sampler'], options)} |",
            flush=True,
        )


def settings(orders: list[str], dtaus: list[float], patiences: list[float]):
    """The samplers of the grid."""
    for order in orders:
        for dtau in dtaus:
            for num_rounds in ROUNDS:
                yield unmask.SelfSpeculative(
                    window=unmask.Cosine(dtau), verify_rounds=num_rounds, order=order
                )
        for patience in patiences:
            yield unmask.SelfSpeculative(
                window=unmask.Cosine(WIDEST),
                verify_rounds=PATIENT_ROUNDS,
                patience=patience,
                order=order,
            )


def measured(model, sampler, laws: OwnLaws) -> dict:
    """The law of one setting."""
    emission = laws.emission(sampler)
    trunk = emission.work.trunk_passes.mean().item()
    tail = emission.work.tail_passes.mean().item()
    patience = "" if math.isinf(sampler.patience) else f" patience={sampler.patience:g}"
    name = f"{sampler.order} N={sampler.verify_rounds} dtau={sampler.window.dtau:g}{patience}"
    return {
        "name": name,
        "sampler": sampler,
        "bits": (-emission.nats.double() / (model.length * math.log(2))).tolist(),
        "trunk": trunk,
        "tail": tail,
        "nfe": model.network.config.nfe(trunk, tail),
    }


def spelling(model, sampler, options) -> str:
    if not options.num_samples:
        return ""
    words = read_words(find_folder(options.model) / WORDS_FILE)
    drawn = model.generate(sampler, num_samples=options.num_samples, batch_size=32, seed=5_000)
    accuracy = spelling_accuracy([sample.text for sample in drawn], words)
    nfe = statistics.mean(sample.nfe for sample in drawn)
    return f"{accuracy.share:.3f} ± {accuracy.standard_error:.3f}, {nfe:.1f}"


if __name__ == "__main__":
    main()
