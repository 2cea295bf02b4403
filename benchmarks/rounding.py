"""How often rounding makes a sample depend on the size of its batch.

Claim: the random numbers of a sample do not depend on its batch, so in float64 the sample does
not either; in float32 and bf16 only rounding in the network can change one (docs/randomness.md).

    python benchmarks/rounding.py                     the shipped model
    python benchmarks/rounding.py runs/mine --num-samples 64

Prints a table in Markdown. The row for float64 is the control: it must say 0.
"""

import argparse
import platform

import torch

import unmask
from unmask.errors import UnmaskError
from unmask.process.windows import Cosine

PRECISIONS = {"float64": torch.float64, "float32": torch.float32, "bf16": torch.bfloat16}


def token_ids(model: unmask.TextModel, num_samples: int, batch_size: int) -> torch.Tensor:
    """Samples with seeds 0, 1, ..., one per row."""
    sampler = unmask.SelfSpeculative(window=Cosine(0.04), verify_rounds=4)
    samples = model.generate(
        sampler=sampler, num_samples=num_samples, seed=0, batch_size=batch_size
    )
    return torch.tensor([sample.token_ids for sample in samples])


def row(name: str, model: unmask.TextModel, num_samples: int, batch_size: int) -> str:
    """One line of the table."""
    alone = token_ids(model, num_samples, batch_size=1)
    together = token_ids(model, num_samples, batch_size=batch_size)
    share_differing = (alone != together).double().mean(dim=1)
    is_other = share_differing > 0
    tokens = f"{share_differing[is_other].mean():.0%}" if is_other.any() else "-"
    return f"| {name} | {int(is_other.sum())} of {num_samples} | {tokens} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="text8s-any", help="shipped name or folder")
    parser.add_argument("--num-samples", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16, help="compared with 1")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=list(PRECISIONS), nargs="+", default=PRECISIONS)
    options = parser.parse_args()

    print(f"{options.model}, batches of 1 and of {options.batch_size}, seeds from 0; ", end="")
    print(f"{options.device}, {platform.machine()}, torch {torch.__version__}")
    print("\n| precision | samples that differ | tokens that differ in those |\n|---|---|---|")
    for name in options.precision:
        try:
            model = unmask.load(options.model, dtype=PRECISIONS[name], device=options.device)
        except UnmaskError as error:
            parser.error(str(error))
        print(row(name, model, options.num_samples, options.batch_size), flush=True)


if __name__ == "__main__":
    main()
