"""How far estimates of a continuation's log-likelihood scatter, by the number of masked copies.

    python benchmarks/continuation.py

text8s-any, 32 characters behind 64, four times. Root mean square of the standard deviations over
seeds, in nats, with the numbers of masks spread evenly over the copies (as `unmask lm-eval` does)
and with each drawn on its own, which is one copy's deviation over the root of their number.
"""

import argparse
import math

import torch

import unmask
from unmask.draws import SeededDraws
from unmask.evaluation.continuation import Continuation, random_masks, score, terms
from unmask.samplers.common import masked_state

TEXT = (
    "it was the best of times it was the worst of times it was the age of wisdom it was the age "
    "of foolishness it was the epoch of belief it was the epoch of incredulity it was the season "
    "of light it was the season of darkness it was the spring of hope it was the winter of "
    "despair we had everything before us we had nothing before us we were all going direct to "
    "heaven"
)
CONTEXT, TARGET, NUM_ALONE = 64, 32, 512


def deviation_of_one(network, ids: list[int]) -> float:
    """Of the term of a single copy."""
    draws = [SeededDraws([seed]) for seed in range(NUM_ALONE)]
    masks = torch.cat([random_masks(each, TARGET, 1) for each in draws])
    is_masked = torch.cat([torch.zeros(NUM_ALONE, CONTEXT, dtype=torch.bool), masks], dim=1)
    filled_ids = torch.tensor([ids]).expand(NUM_ALONE, -1)
    token_ids = filled_ids.masked_fill(is_masked, network.vocab_size)
    found = []
    for rows in torch.arange(NUM_ALONE).split(16):
        said = masked_state.predict(network, token_ids[rows], is_masked[rows])
        found.append(terms(said, filled_ids[rows], torch.full_like(rows, TARGET)))
    return torch.cat(found).std().item()


def root_mean_square(values: list[float]) -> float:
    return math.sqrt(sum(value**2 for value in values) / len(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copies", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--num-seeds", type=int, default=16)
    options = parser.parse_args()
    model = unmask.load("text8s-any")
    token_ids = model.encode(TEXT).flatten().tolist()
    texts = [token_ids[start : start + CONTEXT + TARGET] for start in range(0, 4 * 80, 80)]
    alone = root_mean_square([deviation_of_one(model.network, ids) for ids in texts])
    print("| copies | evenly spread | each on its own |\n| --- | --- | --- |")
    for num_copies in options.copies:
        even = []
        for ids in texts:
            wanted = [Continuation(tuple(ids[:CONTEXT]), tuple(ids[CONTEXT:]))]
            nats = [
                score(model.network, wanted, num_samples=num_copies, seed=seed).log_likelihoods[0]
                for seed in range(options.num_seeds)
            ]
            even.append(torch.tensor(nats).std().item())
        own = alone / math.sqrt(num_copies)
        print(f"| {num_copies} | {root_mean_square(even):.2f} | {own:.2f} |", flush=True)


if __name__ == "__main__":
    main()
