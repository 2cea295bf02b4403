"""Inputs that nobody means: flags, model folders, data, recipes, reports, prompts,
made by number.

    python -m tests.fuzz FIRST LAST [FOLDER]      prints a line of JSON for each case that is wrong

Case n is the same whenever it is run. It is wrong if it ends in an exception, in a status that is
none of 0, 2, 130 and 143, or takes more than 30 seconds of processor time or 2 GB.
"""

import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUSES = (0, 2, 130, 143)
MOST_SECONDS, MOST_BYTES = 30, 2 * 2**30

WORDS = [
    "", " ", "-", "--", "0", "-1", "1", "2", "16", "1e3", "1e-30", "nan", "inf", "-inf", "1_0",
    "1:30",
    "0x10", "true", "null", "~", "[", "{", "[1, 2]", "{a: 1}", "*a", "&a", "!!set {a}", "'",
    '"', "\\",
    "/dev/null", "/dev/zero", "/", ".", "..", "nowhere", "a/b", "a/b/c", "x" * 300, "y" * 20000,
    "caf\u00e9", "\u202e", "\x1b[31mred", "\ud800", "\n", "\t", "9223372036854775807", "9" * 40,
    "9" * 5000,
    "ancestral", "lossless(num_tokens=4)", "threshold(threshold=2)",
    "self-speculative(window=fixed(0))",
    "a(b=c", "a(b=c)(d)", "draft-verify(drafter=draft-verify(drafter=klass))", "random",
    "confident",
    "text8s", "text8s-any", "arithmetic", "cpu", "cpu:3", "cuda", "meta", "auto", "bf16",
    "int8", "float64",
]  # fmt: skip
VERBS = ["generate", "score", "train", "evaluate", "tune", "bench", "decode-cost", "inspect",
"words",
         "models", "train-policy", "train-error-head", "reproduce", "check-sampler", "help",
         "completion",
         "doctor", "nonesuch"]  # fmt: skip


def value(dice: random.Random) -> Any:
    """Anything that JSON has."""
    return dice.choice([
        None, True, False, 0, 1, -1, 7, 2**31, 2**64, 10**30, 0.5, -0.0, 1e300, "", "a",
        "x" * 2000, [], [1],
        [None], ["a", "b"], {}, {"a": 1}, {"rope_type": "yarn"}, "\ud800".encode("utf-8",
        "replace").decode(),
    ])  # fmt: skip


def options_of(verb: str) -> list[str]:
    """The options of a verb, as its help has them."""
    import re

    out = io.StringIO()
    with (
        contextlib.suppress(SystemExit),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        from unmask.cli.main import main

        main([verb, "--help"])
    return sorted(set(re.findall(r"--[a-z][\w.-]*", out.getvalue())))


def flags(dice: random.Random, folder: Path) -> list[str]:
    """A verb with options that it has, or has not, and values of all kinds."""
    verb = dice.choice(VERBS)
    known = _OPTIONS.setdefault(verb, options_of(verb)) or ["--help"]
    words = [dice.choice(WORDS) for _ in range(dice.randrange(3))]
    for _ in range(dice.randrange(5)):
        option = dice.choice(known) if dice.random() < 0.9 else "--" + dice.choice(WORDS)
        joined = dice.random() < 0.3
        words += [f"{option}={dice.choice(WORDS)}"] if joined else [option, dice.choice(WORDS)]
    # What would take long if it were let: no more than a little of it.
    small = {"generate": ["--num-samples", "1", "--length", "8"], "bench": ["--rounds", "0"],
             "tune": ["--num-samples", "1"], "evaluate": ["--num-samples", "1"],
             "reproduce": ["--num-samples", "1"], "train": ["--print-recipe"],
             "train-policy": ["--trainer.num-steps", "0"], "doctor": ["--bogus"],
             "train-error-head": ["--trainer.num-steps", "0"], "check-sampler": ["--length", "0"],
             "score": ["--num-sequences", "0"]}  # fmt: skip
    return [verb, *words, *small.get(verb, [])]


_OPTIONS: dict[str, list[str]] = {}


def spoilt(dice: random.Random, file: Path) -> None:
    """A file cut, changed in some bytes, emptied, or gone; of JSON, with other values."""
    how = dice.randrange(7)
    data = file.read_bytes()
    if how < 3 and file.suffix in (".json", ".jsonl"):
        try:
            values = json.loads(data)
        except ValueError:
            values = {}
        keys = [key for key in values] if isinstance(values, dict) else []
        for key in dice.sample(keys, min(len(keys), dice.randrange(1, 3))):
            values[key] = value(dice)
        if dice.random() < 0.2 and isinstance(values, dict):
            values[dice.choice(WORDS)] = value(dice)
        file.write_text(json.dumps(values))
    elif how == 3:
        file.write_bytes(data[: dice.randrange(len(data) + 1)])
    elif how == 4:
        changed = bytearray(data)
        for _ in range(dice.randrange(1, 9)):
            changed[dice.randrange(len(changed))] = dice.randrange(256)
        file.write_bytes(bytes(changed))
    elif how == 5:
        file.write_bytes(bytes(dice.randrange(256) for _ in range(dice.randrange(200))))
    else:
        file.unlink()
        if dice.random() < 0.3:
            file.mkdir()


def of_folder(dice: random.Random, folder: Path) -> list[str]:
    """A model folder of which one or two files are spoilt."""
    kind = dice.choice(["large", "text"])
    shutil.copytree(_made(folder, kind), folder / "model")
    files = sorted(path for path in (folder / "model").rglob("*") if path.is_file())
    for file in dice.sample(files, min(len(files), dice.choice([1, 1, 2]))):
        spoilt(dice, file)
    model = str(folder / "model")
    ask = ["--chat", "hi"] if kind == "large" else ["--length", "12"]
    return dice.choice([
        ["generate", model, "--num-samples", "1", *ask], ["inspect", model], ["decode-cost",
        model],
        ["generate", "arithmetic", "--drafter", model, "--chat", "hi", "--sampler",
        "draft-verify"],
        ["train", "tiny", "--begin", model, "--data", "nowhere"],
    ])  # fmt: skip


def _made(folder: Path, kind: str) -> Path:
    """A small model, made once."""
    made = folder.parent / f"made-{kind}"
    if not made.exists():
        if kind == "large":
            from tests.large_model_folder import write_large_model

            write_large_model(made)
        else:
            from tests.frontier.small_model import small_model

            small_model().save(made)
    return made


def of_data(dice: random.Random, folder: Path) -> list[str]:
    """A text or questions, of bytes of all kinds."""
    file = folder / dice.choice(["t.txt", "t.gz", "t.zip", "t.xz", "t.jsonl", "t.csv", "t"])
    pieces = [b"the history of the world ", b"\n", b'{"question": "2+2?", "answer": "#### 4"}\n',
              b"q,1,2,3,4,A\n", b"\0", b"\xff\xfe", b">sp|x\nMKV\n", b"PK\x03\x04", b"\x1f\x8b",
              b"[" * 3000, b'"', b",", b"\xed\xa0\x80", b"9" * 5000, b"#### ",
              b"{}\n"]  # fmt: skip
    file.write_bytes(b"".join(dice.choice(pieces) for _ in range(dice.randrange(30))))
    data, out = str(file), str(folder / "out")
    few = [
        "--num-questions",
        "2",
        "--max-new-tokens",
        "8",
        "--decoders",
        "threshold",
        "--out",
        out,
    ]
    return dice.choice([
        ["score", "text8s", data, "--num-sequences", "1"], ["words", data, "--out", out],
        ["score", "text8s", data, "--num-sequences", "1", "--normalise"],
        ["train", "tiny", "--data", data, "--dry-run", "--normalise", "--model.width", "16"],
        ["evaluate", "arithmetic", "--task", "gsm8k", "--data", data, *few],
        ["evaluate", "arithmetic", "--task", "mmlu", "--data", data, *few],
        ["generate", "text8s-any", "--sampler", "ancestral", "--sampler.num-steps", "2",
        "--length",
         "12", "--prompts", data],
    ])  # fmt: skip


def of_recipe(dice: random.Random, folder: Path) -> list[str]:
    """A file of settings."""
    lines = [
        "trainer:",
        "  seed: 1",
        "  num_steps: 3",
        "model:",
        "  width: 16",
        "optimizer:",
        "  lr: 0.1",
    ]
    for _ in range(dice.randrange(1, 4)):
        place = dice.randrange(len(lines) + 1)
        junk = dice.choice([dice.choice(WORDS), f"  {dice.choice(WORDS)}: {dice.choice(WORDS)}",
                            f"  seed: {dice.choice(WORDS)}",
                            f"trainer: {dice.choice(WORDS)}"])  # fmt: skip
        lines.insert(place, junk)
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    (folder / "c.yaml").write_bytes(text if dice.random() < 0.9 else text + b"\xff")
    return ["train", "tiny", "--config", str(folder / "c.yaml"), "--print-recipe"]


def of_report(dice: random.Random, folder: Path) -> list[str]:
    """A record or a report that is gone on with, spoilt."""
    made = folder.parent / "made-report"
    few = ["--task", "gsm8k", "--data", "arithmetic:single", "--num-questions", "2",
           "--max-new-tokens", "8", "--decoders", "threshold"]  # fmt: skip
    if not made.exists():
        quietly(["evaluate", "arithmetic", *few, "--out", str(made)])
    shutil.copytree(made, folder / "report")
    files = sorted(path for path in (folder / "report").rglob("*.json*") if path.is_file())
    spoilt(dice, dice.choice(files))
    again = ["--out", str(folder / "report"), "--resume"]
    text8 = ["evaluate", "text8s-any", "--samplers", "ancestral", "--budgets", "2",
    "--num-samples",
             "16", *again]  # fmt: skip
    return text8 if dice.random() < 0.2 else ["evaluate", "arithmetic", *few, *again]


KINDS: list[Callable[[random.Random, Path], list[str]]] = [
    flags, flags, flags, of_folder, of_folder, of_data, of_data, of_recipe, of_report,
]  # fmt: skip


def quietly(arguments: list[str]) -> int:
    """The exit status of a command in this process."""
    from unmask.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            return main(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1


def case(number: int, parent: Path) -> dict[str, Any] | None:
    """What is wrong with a case; None if nothing is."""
    dice = random.Random(number)
    arguments: list[str] = []
    with tempfile.TemporaryDirectory(dir=parent) as name:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        try:
            arguments = dice.choice(KINDS)(dice, Path(name))
            status, said = quietly(arguments), ""
        except BaseException as error:
            status, said = 1, "".join(traceback.format_exception(error)[-3:])
        seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    if status in STATUSES and seconds < MOST_SECONDS:
        return None
    shown = [argument[:60] for argument in arguments]
    return {"case": number, "status": status, "seconds": seconds, "said": said, "arguments": shown}


def run(first: int, last: int) -> None:
    """Print what is wrong with these cases, a line each."""
    resource.setrlimit(resource.RLIMIT_AS, (5 * 2**30, 5 * 2**30))  # libraries map some of it
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError("too long")))
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.stdin = io.StringIO("the \n")
    with tempfile.TemporaryDirectory() as name:
        for number in range(first, last):
            signal.alarm(120)
            found = case(number, Path(name))
            signal.alarm(0)
            if found:
                print(json.dumps(found), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"cases": last - first, "peak_bytes": peak}), flush=True)


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))
