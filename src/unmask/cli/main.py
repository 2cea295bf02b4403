"""`unmask VERB ...`: find the verb, run it, turn errors into one sentence and status 2.

Verbs are imported when they are called, so that `unmask --help` does not wait for torch.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import TextIOWrapper

from unmask.errors import UnmaskError, did_you_mean, shown
from unmask.speed.allocator import keep_freed_memory
from unmask.speed.denormals import flush_denormals

VERBS = {
    "generate": "Generate text (or fill in a template) with a model.",
    "score": "Bits per token of a text under a sampler, and under the diffusion bound.",
    "variants": "Rank mutations of a protein by a model of proteins.",
    "lm-eval": "Run lm-evaluation-harness on a large model: its own command line.",
    "train": "Train a model from a recipe; stop and resume at will.",
    "data": "Make texts, FASTA or SMILES ready for training: mapped files with checksums.",
    "train-error-head": "Train a predictor of errors for a model, for star-shaped sampling.",
    "train-policy": "Train a policy for a model, that says which positions a pass reveals.",
    "evaluate": "Compare samplers: quality against passes and seconds, as a report with plots.",
    "tune": "Find the window and verify rounds that meet a goal of quality or speed.",
    "reproduce": "Run an experiment of the paper again; its figures beside ours.",
    "bench": "Time generation on this machine: tokens per second, passes, overhead, memory.",
    "decode-cost": "Memory and work of decoding with a large model, from its config alone.",
    "check-sampler": "Enumerate a sampler's law, yours or ours; check its batches and accounts.",
    "words": "Write the words of a training text, by which spelling is judged.",
    "inspect": "Say what a model's folder is, and whether it would load.",
    "models": "List the models and recipes that ship with the package.",
    "completion": "Print a script by which bash, zsh or fish completes verbs and options.",
    "doctor": "Check the installation, and say what this machine can do.",
}


def usage() -> str:
    """The text of `unmask --help`."""
    verbs = "\n".join(f"  {verb:<16} {gloss}" for verb, gloss in VERBS.items())
    return (
        "usage: unmask VERB [options]\n\n"
        "Fast generation with masked diffusion models: several tokens per network pass,\n"
        "drafted and verified by the same network, exactly.\n\n"
        f"verbs:\n{verbs}\n\n"
        "Try `unmask generate` for text from the shipped model, and `unmask help VERB`."
    )


def main(
    arguments: Sequence[str] | None = None, *, prepare: Callable[[], object] = lambda: None
) -> int:
    """Run the command line; the exit status. `arguments` None means those of the process.

    `prepare` is called when the verb is imported, before it computes anything.
    """
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return 0
    if argv[0] in ("-V", "--version"):
        from unmask.version import VERSION

        print(f"unmask {VERSION}")
        return 0
    if argv[0] == "help":
        argv = [*argv[1:2], "--help"]
        if argv == ["--help"]:
            print(usage())
            return 0
    if argv[0] not in VERBS:
        return _fail(
            f"there is no verb {argv[0][:100]!r}.{did_you_mean(argv[0], VERBS)} "
            f"Choose one of: {', '.join(VERBS)}."
        )
    try:
        verb = importlib.import_module(f"unmask.cli.{argv[0].replace('-', '_')}")
        prepare()
        found: int = verb.run(argv[1:])
        sys.stdout.flush()
        return found
    except UnmaskError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader left (`unmask generate | head`); that is no error of ours.
        _look_away()
        return 0
    except OSError as error:
        if error.filename is None:  # it is standard output that cannot be written
            _look_away()
        place = f"{error.filename}: " if error.filename else "cannot write the output: "
        return _fail(f"{place}{error.strerror or error}.")
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_about_memory(error):
            raise
        return _fail(
            "there is not enough memory for this. Ask for less at a time (--batch-size, "
            "--trainer.batch-size), a smaller model, or --precision bf16."
        )


def entry(arguments: Sequence[str] | None = None) -> None:
    """The `unmask` command: a process of its own, so it may choose how all of it computes."""
    keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # whatever the terminal can show
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main(arguments, prepare=flush_denormals))


def _fail(message: str) -> int:
    print(f"unmask: {shown(message)}", file=sys.stderr)
    return 2


def _look_away() -> None:
    """What is not written by now never will be; nobody is told again at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_about_memory(error: RuntimeError) -> bool:
    """Whether torch could not have the memory that it asked for; it says so in several ways."""
    said = str(error)
    return any(words in said for words in _NO_MEMORY)


_NO_MEMORY = (
    "out of memory", "can't allocate memory", "not enough memory", "without overflow",
    "Storage size calculation overflowed", "numel: integer multiplication",
)  # fmt: skip
