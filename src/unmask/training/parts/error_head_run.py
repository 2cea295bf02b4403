"""A training run of an error head: step, validate, report, save, until told to stop.

The folder of a run is an error head like any other, renewed with each checkpoint. The network
stays as it is. A step depends on the checkpoint before it and on (seed, step), on nothing else:
an interrupted run, resumed, ends in the same weights.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from unmask.data.text import Corpus, consecutive_crops, random_crops
from unmask.draws import SeededDraws, stream_seed
from unmask.errors import ConfigError
from unmask.files.tensors import CONFIG_FILE
from unmask.network.error_head import (
    ErrorHead,
    read_error_head,
    trunk_features,
    write_error_head,
)
from unmask.network.hybrid import HybridTransformer
from unmask.training import optimizers
from unmask.training.clock import Clock
from unmask.training.optimizers import OptimizerConfig
from unmask.training.parts.error_head import (
    ErrorValidation,
    Guesses,
    error_loss,
    random_guesses,
    validate,
)
from unmask.training.parts.loop import go_on
from unmask.training.parts.state import PartState, Resume, open_part_run
from unmask.training.run_folder import RUN_FILE, RunRecord
from unmask.training.state import Progress

_CROPS, _GUESSES, _VALIDATION = range(3)  # purposes of the random streams


@dataclass(frozen=True, kw_only=True)
class ErrorHeadTrainer:
    """The course of a training run."""

    num_steps: int = 2000
    """Steps in all, over every session of the run; the cosine ends here."""
    batch_size: int = 32
    """Sequences per step, each guessed once."""
    seed: int = 0
    """Of the weights, the crops and the guesses. Step n draws from (seed, n) alone."""
    minutes: float = float("inf")
    """Stop this session after so long, with a checkpoint; `--resume auto` goes on."""
    validate_every: int = 200
    """Steps between validations."""
    num_valid: int = 256
    """Validation sequences, always the same, with the same guesses."""
    checkpoint_every: int = 50
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        counts = "num_steps batch_size validate_every num_valid checkpoint_every"
        for name in counts.split():
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"ErrorHeadTrainer.{name} must be at least 1, got {getattr(self, name)}."
                )
        if not self.minutes > 0:
            raise ConfigError(f"ErrorHeadTrainer.minutes must be positive, got {self.minutes}.")
        if not -(2**63) <= self.seed < 2**63:
            raise ConfigError(
                f"ErrorHeadTrainer.seed must fit into 64 bits with a sign, got {self.seed}."
            )


@dataclass(frozen=True)
class ErrorHeadReport:
    """What observers are told after a step."""

    progress: Progress
    loss: float
    """Nats per drawn token of this step."""
    tokens_per_second: float
    validation: ErrorValidation | None
    """The last one of this session."""
    is_validated: bool
    """Whether that one came after this very step."""

    def rows(self) -> list[dict[str, float | int]]:
        """The lines of metrics.jsonl; a validation has one of its own."""
        step = {
            "step": self.progress.step,
            "tokens": self.progress.num_tokens,
            "seconds": round(self.progress.seconds, 3),
            "cpu_seconds": round(self.progress.cpu_seconds, 3),
            "loss": self.loss,
            "tokens_per_second": self.tokens_per_second,
        }
        if not self.is_validated:
            return [step]
        assert self.validation is not None
        values = {f"valid_{name}": value for name, value in asdict(self.validation).items()}
        return [step, {"step": self.progress.step, **values}]


Observer = Callable[[ErrorHeadReport], None]


def open_run(
    network: HybridTransformer,
    folder: Path,
    *,
    optimizer: OptimizerConfig,
    trainer: ErrorHeadTrainer,
    resume: Resume = "never",
    record: RunRecord | None = None,
) -> PartState:
    """A run before its first step, or with resume "auto" the one that is in `folder`.

    Writes nothing. Raises:
        OutputError: `folder` holds a run and `resume` is "never", or it holds something else.
        CheckpointError: the run in it is damaged, or of another model.
    """
    if resume == "auto" and (folder / CONFIG_FILE).exists():
        read_error_head(folder, network)  # refuses that of another model
    head = ErrorHead(network, seed=trainer.seed)
    return open_part_run(head, optimizer, folder, resume, record)


def train_error_head(
    state: PartState,
    network: HybridTransformer,
    corpus: Corpus,
    folder: Path,
    *,
    optimizer: OptimizerConfig,
    trainer: ErrorHeadTrainer,
    record: RunRecord | None = None,
    observe: Observer = lambda report: None,
) -> ErrorValidation | None:
    """Go on from `state` to the last step, the time limit or SIGTERM; the last validation.

    Raises:
        DataError: the corpus is too short for one sequence.
        OutputError: a file could not be written; the checkpoint before it is intact.
    """
    session = _Session(state, network, corpus, optimizer, trainer)
    notes = {} if record is None else {RUN_FILE: record.to_json()}
    go_on(session, trainer, folder, notes=notes, observe=observe)
    return session.validation


class _Session:
    """From where `state` stands to the end of this process."""

    def __init__(
        self,
        state: PartState,
        network: HybridTransformer,
        corpus: Corpus,
        optimizer: OptimizerConfig,
        trainer: ErrorHeadTrainer,
    ) -> None:
        self.state, self.network = state, network.eval()
        self.optimizer, self.trainer = optimizer, trainer
        assert isinstance(state.part, ErrorHead)
        self.head = state.part
        self.length, self.train_ids = network.config.length, corpus.train
        self.valid_crops = consecutive_crops(corpus.valid, self.length, trainer.num_valid)
        self.valid_guesses: list[Guesses] = []
        self.validation: ErrorValidation | None = None
        self.clock = Clock(state.progress)

    def take_step(self) -> ErrorHeadReport:
        """Two trunk passes on one batch, and a step of the optimisers; validation if it is due.

        It is due every so many steps, and after the last.
        """
        trainer, step, head = self.trainer, self.state.progress.step, self.head
        share = self.optimizer.lr_share(step, trainer.num_steps)
        optimizers.set_lr_share(self.state.optimizers, share)
        crops = SeededDraws([stream_seed(trainer.seed, step, _CROPS)])
        token_ids = random_crops(self.train_ids, self.length, trainer.batch_size, crops)
        seed = stream_seed(trainer.seed, step, _GUESSES)
        guesses = random_guesses(self.network, token_ids, seed)
        loss = error_loss(head(trunk_features(self.network, guesses.token_ids)), guesses)
        loss.backward()
        self.state.descend(self.optimizer.grad_clip)
        self.state.progress = self.clock.after_step(step + 1, token_ids.numel())
        is_due = (step + 1) % trainer.validate_every == 0 or step + 1 == trainer.num_steps
        if is_due:
            self.validate()
        return ErrorHeadReport(
            progress=self.state.progress,
            loss=loss.item(),
            tokens_per_second=self.clock.tokens_per_second(),
            validation=self.validation,
            is_validated=is_due,
        )

    def validate(self) -> None:
        """Measure the head; the guesses are drawn once."""
        if not self.valid_guesses:
            batches = self.valid_crops.split(self.trainer.batch_size)
            seeds = [stream_seed(0, number, _VALIDATION) for number in range(len(batches))]
            self.valid_guesses = [
                random_guesses(self.network, crops, seed)
                for crops, seed in zip(batches, seeds, strict=True)
            ]
        self.validation = validate(self.network, self.head, self.valid_guesses)

    def save(self, folder: Path) -> None:
        """Write the head, and then what the run goes on from."""
        write_error_head(folder, self.head, self.network)
        self.state.save(folder)
