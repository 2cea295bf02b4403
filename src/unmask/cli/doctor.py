"""`unmask doctor`: is the installation whole, and what can this machine do?"""

import importlib.util
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch

from unmask.cli.options.parser import Parser
from unmask.errors import ConfigError, UnmaskError
from unmask.files.model_folder import shipped_names
from unmask.files.reading import dumps
from unmask.models.base import GenerativeModel
from unmask.models.load import load
from unmask.predictors.stream import StreamPredictor
from unmask.process.orders import left_to_right
from unmask.version import VERSION

_EXTRAS = {
    "train": ["accelerate"],
    "evaluate": ["matplotlib"],
    "dllm": ["tokenizers", "jinja2"],
    "lm-eval": ["lm_eval"],
}


def run(arguments: Sequence[str]) -> int:
    """Examine; status 2 if something is broken."""
    options = build_parser().parse(arguments)
    facts: dict[str, Any] = {
        "unmask": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": _device(),
        "bf16_over_float32_speed": round(_bf16_ratio(), 2),
        "c_compiler": shutil.which("c++") or shutil.which("g++") or "none",
    }
    problems = []
    for extra, modules in _EXTRAS.items():
        missing = [m for m in modules if importlib.util.find_spec(m) is None]
        facts[f"extra {extra}"] = "installed" if not missing else "not installed"
    for name in shipped_names():
        try:
            model = load(name)
            facts[f"model {name}"] = f"whole; {_speed(model)}"
        except UnmaskError as error:
            facts[f"model {name}"] = "broken"
            problems.append(str(error))
    if options.json:
        print(dumps({**facts, "problems": problems}))
    else:
        print("\n".join(f"{name:<26} {value}" for name, value in facts.items()))
        print(_advice(facts))
    for problem in problems:
        print(f"unmask: {problem}", file=sys.stderr)
    return 2 if problems else 0


def build_parser() -> Parser:
    """The options of `unmask doctor`."""
    parser = Parser("doctor", "Check the installation, and say what this machine can do.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    return parser


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"cpu ({torch.backends.cpu.get_cpu_capability()})"


def _advice(facts: dict[str, Any]) -> str:
    if facts["bf16_over_float32_speed"] > 1.5:
        return "bf16 is the faster precision here: try --precision bf16 for large batches."
    return "bf16 gains nothing here: stay with float32."


def _bf16_ratio() -> float:
    def seconds(dtype: torch.dtype) -> float:
        a = torch.ones(1024, 1024, dtype=dtype)
        a @ a
        start = time.perf_counter()
        for _ in range(5):
            a @ a
        return time.perf_counter() - start

    return seconds(torch.float32) / seconds(torch.bfloat16)


def _speed(model: GenerativeModel) -> str:
    try:
        model.check_generates()
    except ConfigError:
        return "a judge"
    return f"a trunk pass over a whole sequence takes {1e3 * _trunk_pass_seconds(model):.1f} ms"


def _trunk_pass_seconds(model: GenerativeModel) -> float:
    network = model.network
    token_ids = torch.full((1, model.length), network.vocab_size)
    none = torch.zeros(1, dtype=torch.long)

    def run_once() -> None:
        if isinstance(network, StreamPredictor):
            order = left_to_right(1, model.length)
            network.extend(
                token_ids, order, first=none + model.length - 1, window=none, num_columns=0
            )
        else:
            network.draft(token_ids, none[None])

    run_once()
    start = time.perf_counter()
    for _ in range(5):
        run_once()
    return (time.perf_counter() - start) / 5
