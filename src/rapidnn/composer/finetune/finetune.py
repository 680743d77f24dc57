"""Quantisation-aware training of a composition (SPEC section 2, step 6): codebooks, weights and biases learn together.

The forward pass is the composed one, integer for integer; the float network teaches. Gradients pass rounding and
nearest search straight through (Bengio et al. 2013, "Estimating or propagating gradients through stochastic neurons");
codebook values learn from the elements assigned to them, as step sizes do in LSQ (Esser et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidnn.composer.choices import Choices
from rapidnn.composer.finetune.inputs import InputTrial, best_input, candidates
from rapidnn.composer.finetune.samples import TrainingData
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan
from rapidnn.composer.settings import Settings
from rapidnn.errors import ComposeError
from rapidnn.files import check_output
from rapidnn.frames import frame
from rapidnn.graph import Graph

if TYPE_CHECKING:
    import pandas as pd

    from rapidnn.composer.finetune.trainer import Trainer

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Schedule:
    """How to fine-tune: AdamW, the rate falling from its peak to 0 along a cosine, in units of a parameter's own size.

    ``distillation`` is the share of the teacher's cross entropy in the loss, the labels have the rest;
    ``temperature`` divides both logits in it. Without ``batch_size`` a batch has 8 to 128 samples, so many that an
    epoch has 100 steps or more. ``try_inputs`` lets the first of several epochs decide on the input's codebook
    (`rapidnn.composer.finetune.inputs`). ``stuck_cells`` is the share of cells that are stuck in training, others in
    every batch (`rapidnn.composer.finetune.faults`).
    """

    epochs: int = 5
    batch_size: int | None = None
    rate: float = 0.01
    book_rate: float = 0.001
    weight_decay: float = 0.0
    distillation: float = 0.9
    temperature: float = 2.0
    try_inputs: bool = True
    stuck_cells: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if value is None and name == "batch_size":
                continue
            if type(value) is not int or value < 1:
                raise ComposeError(f"fine-tuning {name}={value!r}: expected a positive integer")
        if not 0 <= self.stuck_cells < 1:
            raise ComposeError(
                f"fine-tuning stuck_cells={self.stuck_cells!r}: expected a share of cells below 1"
            )

    def batch(self, samples: int) -> int:
        """Samples in a batch of a training on so many."""
        if self.batch_size is not None:
            return self.batch_size
        return next((size for size in (128, 64, 32, 16) if samples >= 100 * size), 8)


@dataclass(frozen=True)
class EpochReport:
    """One epoch: mean loss over its batches, and bit-true accuracy on the validation samples after it.

    Epoch 0 is the network before training; its loss is None. With ``Schedule.stuck_cells`` the accuracy is that on
    broken blocks.
    """

    epoch: int
    loss: float | None
    validation_accuracy: float


@dataclass(frozen=True)
class FinetuneReport:
    """What a training did: every epoch, which one was taken, on how many samples and threads, with which schedule.

    If there are ``input_trials``, trainings that decided on the input's codebook, they took one epoch more.

    The epoch taken is the last within one standard error of the best validation accuracy.
    """

    epochs: tuple[EpochReport, ...]
    best_epoch: int
    samples: int
    validation_samples: int
    threads: int
    device: str
    schedule: Schedule
    input_trials: tuple[InputTrial, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values, what an artifact stores of its training."""
        trials = [{**asdict(trial), "values": list(trial.values)} for trial in self.input_trials]
        return asdict(self) | {"epochs": [asdict(epoch) for epoch in self.epochs], "input_trials": trials}

    def to_frame(self) -> pd.DataFrame:
        """One row an epoch."""
        return frame(self.epochs, "epoch")


@dataclass(frozen=True, eq=False)
class Finetuned:
    """The choices of the epoch taken, and what every epoch gave."""

    choices: Choices
    report: FinetuneReport


@dataclass(frozen=True, eq=False)
class Finetuning:
    """A fine-tuning that is to be done: the arguments of :func:`finetune` that the user gives."""

    data: TrainingData
    validation: TrainingData
    schedule: Schedule
    seed: int
    device: str
    checkpoint: Path | None

    @staticmethod
    def of(
        data: TrainingData | tuple[Any, Any],
        validation: tuple[Any, Any] | None,
        input_shape: tuple[int, ...],
        *,
        epochs: int,
        seed: int,
        device: str,
        checkpoint: str | Path | None,
        stuck_cells: float = 0.0,
    ) -> Finetuning:
        """Check data; without validation samples a stratified tenth of the data is held out for them.

        Raises
        ------
        ComposeError, DataError
            If an option is not possible, or the data do not fit the network.
        """
        schedule = Schedule(epochs=epochs, stuck_cells=stuck_cells)
        check_device(device)
        train = (data if isinstance(data, TrainingData) else TrainingData(*data)).checked(input_shape)
        if validation is None:
            train, held = train.split(seed)
        else:
            held = TrainingData(*validation).checked(input_shape)
        path = None if checkpoint is None else Path(checkpoint)
        if path is not None:
            check_output(path)
        return Finetuning(train, held, schedule, seed, device, path)

    def run(
        self,
        graph: Graph,
        plan: Plan,
        histograms: Mapping[str, Histogram],
        choices: Choices,
        settings: Settings,
        progress: Progress,
    ) -> Finetuned:
        """:func:`finetune` with these arguments."""
        return finetune(
            graph,
            plan,
            histograms,
            choices,
            settings,
            self.data,
            validation=self.validation,
            schedule=self.schedule,
            seed=self.seed,
            device=self.device,
            checkpoint=self.checkpoint,
            progress=progress,
        )


def check_device(device: str) -> None:
    """Raise ComposeError unless torch can train there."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ComposeError(f"device {device!r} cannot be used: {reason}; use cpu") from None


def finetune(
    graph: Graph,
    plan: Plan,
    histograms: Mapping[str, Histogram],
    choices: Choices,
    settings: Settings,
    data: TrainingData,
    *,
    validation: TrainingData | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Finetuned:
    """Train the composed network and return better choices.

    Parameters
    ----------
    data
        Labelled training samples.
    validation
        Labelled samples that decide which epoch is best; default a stratified tenth of ``data``, held out.
    seed
        Of the order of samples and their changes.
    device
        Where torch trains: ``"cpu"``, ``"cuda"``.
    checkpoint
        A file that holds the state after every epoch; where it exists already, training goes on from it. With as many
        threads as before the result is that of an uninterrupted training, to the bit.
    progress
        Called with the stage ("epoch n of m"), batches done and batches there are.

    Raises
    ------
    ComposeError
        If the network has no logits to train on, training diverges, or the checkpoint is of another training.
    DataError
        If the data do not fit.
    """
    schedule = schedule or Schedule()
    report = progress or (lambda stage, done, total: None)
    trainer = _trainer(
        graph, plan, histograms, choices, settings, data, validation, schedule, seed, device, report
    )
    if checkpoint is not None and checkpoint.exists():
        trainer.resume(checkpoint)
    else:
        trainer.begin()
    while trainer.epoch < trainer.schedule.epochs:
        trainer.run_epoch(report)
        if checkpoint is not None:
            trainer.save(checkpoint)
    return trainer.result()


def _trainer(
    graph: Graph,
    plan: Plan,
    histograms: Mapping[str, Histogram],
    choices: Choices,
    settings: Settings,
    data: TrainingData,
    validation: TrainingData | None,
    schedule: Schedule,
    seed: int,
    device: str,
    progress: Progress,
) -> Trainer:
    from rapidnn.composer.finetune.trainer import Trainer

    if len(graph.output_shape) != 1:
        raise ComposeError(
            f"the network's outputs have shape {graph.output_shape}; fine-tuning needs one score per class"
        )
    if not choices.layers:
        raise ComposeError("the network has no weighted layer to fine-tune")
    train = data.checked(graph.input_shape)
    if validation is None:
        train, validation = train.split(seed)
    else:
        validation = validation.checked(graph.input_shape)
    for part in (train, validation):
        if part.labels.max() >= graph.output_shape[0]:
            raise ComposeError(
                f"label {part.labels.max()} has no score: the network has {graph.output_shape[0]} outputs"
            )

    def trainer(chosen: Choices, epochs: int) -> Trainer:
        return Trainer(
            graph,
            plan,
            histograms,
            chosen,
            settings,
            train,
            validation,
            replace(schedule, epochs=epochs),
            seed,
            device,
        )

    options = (
        candidates(plan, histograms, choices) if schedule.try_inputs and schedule.epochs > 1 else [choices]
    )
    if len(options) == 1:
        return trainer(choices, schedule.epochs)
    share = train.batch_count(schedule.batch(len(train.labels))) // len(options)
    tried = iter(range(1, len(options) + 1))

    def try_out(chosen: Choices) -> tuple[float, float]:
        result = trainer(chosen, 1).trial(max(1, share))
        progress("try input codebooks", next(tried), len(options))
        return result

    best, trials = best_input(options, plan, try_out)
    found = trainer(best, schedule.epochs - 1)
    found.input_trials = trials
    return found
