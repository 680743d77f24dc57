"""The state of one fine-tuning and its epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from rapidnn.composer.choices import Choices
from rapidnn.composer.finetune import checkpoint as files
from rapidnn.composer.finetune.check import check_forward
from rapidnn.composer.finetune.faults import StuckCells
from rapidnn.composer.finetune.finetune import EpochReport, Finetuned, FinetuneReport, Progress, Schedule
from rapidnn.composer.finetune.inputs import InputTrial
from rapidnn.composer.finetune.network import TrainableNetwork
from rapidnn.composer.finetune.precision import byte_operands
from rapidnn.composer.finetune.samples import TrainingData
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan
from rapidnn.composer.sample import float_outputs
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import tabulate
from rapidnn.data.preprocess import Preprocess
from rapidnn.errors import ComposeError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.graph import Graph
from rapidnn.graph.float_exec import run_float
from rapidnn.tables.program import Program

CHECKED_SAMPLES = 8
_CHUNK, _A_DRAW = 1024, 64


class Trainer:
    """Network, optimiser and best state so far; ``epoch`` counts finished epochs."""

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        histograms: Mapping[str, Histogram],
        choices: Choices,
        settings: Settings,
        data: TrainingData,
        validation: TrainingData,
        schedule: Schedule,
        seed: int,
        device: str,
    ) -> None:
        self.graph, self.plan, self.histograms, self.settings = graph, plan, histograms, settings
        self.data, self.validation, self.schedule, self.seed = data, validation, schedule, seed
        self.device, self.quick = device, settings.operand_bits == 8 and device == "cpu"
        self.network = TrainableNetwork(graph, plan, choices, settings).to(device)
        if len(graph.input_shape) == 3:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(_groups(self.network, schedule), betas=(0.9, 0.99), eps=1e-10)
        self.batch = schedule.batch(len(data.labels))
        self.steps = schedule.epochs * data.batch_count(self.batch)
        self.input_trials: tuple[InputTrial, ...] = ()
        self.epoch = 0
        self.reports: list[EpochReport] = []
        self.best: dict[str, torch.Tensor] = {}
        self.identity = self._fingerprint()
        self.taught: NDArray[np.float32] | None = None

    def begin(self) -> None:
        """Evaluate the choices as they came: epoch 0."""
        self._finish_epoch(None)

    def run_epoch(self, progress: Progress) -> None:
        """One pass over the data, then check, evaluation and report.

        Raises
        ------
        ComposeError
            If the loss is no longer finite.
        """
        number = self.epoch + 1
        rng = np.random.default_rng([self.seed, number])
        count = self.data.batch_count(self.batch)
        cells = self._cells(number)
        total = 0.0
        for done, (chosen, inputs, labels) in enumerate(self.data.batches(self.batch, rng)):
            self._set_rate(self.epoch * count + done)
            with byte_operands(self.quick), self.network.damaged(cells):
                total += self._step(inputs, labels, self._teach(chosen, inputs))
            if not math.isfinite(total):
                raise ComposeError(f"fine-tuning diverged in epoch {number}; lower the learning rate")
            progress(f"epoch {number} of {self.schedule.epochs}", done + 1, count)
        self.epoch = number
        self._finish_epoch(total / count)

    def trial(self, batches: int) -> tuple[float, float]:
        """Train for some batches only: agreement with the teacher and divergence from it on up to 1024 samples."""
        self.network.refresh(self._tabulate())
        self.steps = batches
        rng = np.random.default_rng([self.seed, 0])
        for done, (chosen, inputs, labels) in enumerate(self.data.batches(self.batch, rng)):
            if done == batches:
                break
            self._set_rate(done)
            with byte_operands(self.quick):
                self._step(inputs, labels, self._teach(chosen, inputs))
        x = self.validation.prepared(0, _CHUNK)
        with torch.no_grad():
            logits = self.network(torch.from_numpy(x).to(self.device))
        teacher = torch.from_numpy(run_float(self.graph, x)).to(self.device)
        logs = F.log_softmax(logits, 1), F.log_softmax(teacher, 1)
        divergence = F.kl_div(*logs, log_target=True, reduction="batchmean")
        return float((logits.argmax(1) == teacher.argmax(1)).float().mean()), float(divergence)

    def result(self) -> Finetuned:
        """The best epoch's choices."""
        self.network.load_state_dict(self.best)
        report = FinetuneReport(
            tuple(self.reports),
            best_epoch(self.reports, len(self.validation.labels)),
            len(self.data.labels),
            len(self.validation.labels),
            torch.get_num_threads(),
            self.device,
            replace(self.schedule, batch_size=self.batch),
            self.input_trials,
        )
        return Finetuned(self.network.export(), report)

    def save(self, path: Path) -> None:
        """Write the state after this epoch."""
        state = self.optimiser.state_dict()["state"]
        slots: dict[str, torch.Tensor] = {}
        for index, entries in state.items():
            slots |= {f"{index}/{name}": torch.as_tensor(value) for name, value in entries.items()}
        tensors = (
            files.prefixed("network", self.network.state_dict())
            | files.prefixed("best", self.best)
            | files.prefixed("optimiser", slots)
        )
        reports = [asdict(report) for report in self.reports]
        files.save_checkpoint(
            path, tensors, {"fingerprint": self.identity, "epoch": self.epoch, "reports": reports}
        )

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of this training."""
        tensors, state = files.load_checkpoint(path, self.identity)
        self.network.load_state_dict(files.under("network", tensors))
        self.best = files.under("best", tensors)
        record = self.optimiser.state_dict()
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in files.under("optimiser", tensors).items():
            index, slot = name.split("/")
            slots.setdefault(int(index), {})[slot] = value
        self.optimiser.load_state_dict({**record, "state": slots})
        self.epoch = int(state["epoch"])
        self.reports = [EpochReport(**report) for report in state["reports"]]
        self.network.refresh(self._tabulate())

    def _step(
        self, inputs: NDArray[np.float32], labels: NDArray[np.int64], taught: NDArray[np.float32]
    ) -> float:
        x = torch.from_numpy(inputs).to(self.device)
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        logits = self.network(x)
        how = self.schedule
        target = torch.from_numpy(labels).to(self.device)
        teacher = torch.from_numpy(taught).to(self.device) / how.temperature
        distilled = F.kl_div(
            F.log_softmax(logits / how.temperature, 1),
            F.log_softmax(teacher, 1),
            log_target=True,
            reduction="batchmean",
        )
        loss = how.distillation * how.temperature**2 * distilled
        loss = loss + (1 - how.distillation) * F.cross_entropy(logits, target)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.network.settle()
        return float(loss.detach())

    def _teach(self, chosen: NDArray[np.intp], inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The float network's logits; computed once where samples do not change."""
        if self.data.changes:
            return run_float(self.graph, _channels_last(inputs))
        if self.taught is None:
            self.taught = np.concatenate(
                [
                    float_outputs(self.graph, self.data.prepared(start, start + _CHUNK))
                    for start in range(0, len(self.data.labels), _CHUNK)
                ]
            )
        return self.taught[chosen]

    def _set_rate(self, step: int) -> None:
        share = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * share

    def _finish_epoch(self, loss: float | None) -> None:
        program = self._tabulate()
        self.network.refresh(program)
        with byte_operands(self.quick):
            check_forward(self.network, program, self.validation.prepared(0, CHECKED_SAMPLES), self.device)
        accuracy = self._accuracy(program)
        self.reports.append(EpochReport(self.epoch, loss, accuracy))
        if best_epoch(self.reports, len(self.validation.labels)) == self.epoch:
            self.best = {name: value.clone() for name, value in self.network.state_dict().items()}

    def _tabulate(self) -> Program:
        return tabulate(self.graph, self.plan, self.histograms, self.network.export(), self.settings)

    def _cells(self, number: int) -> StuckCells | None:
        """The broken cells of an epoch; number 0 draws those of every evaluation."""
        rate = self.schedule.stuck_cells
        return StuckCells(rate, np.random.default_rng([self.seed, number, 1])) if rate else None

    def _accuracy_broken(self, cells: StuckCells) -> float:
        """Accuracy on the validation samples, other broken blocks for every 64 of them."""
        right = 0
        with torch.no_grad(), self.network.damaged(cells):
            for start in range(0, len(self.validation.labels), _A_DRAW):
                x = torch.from_numpy(self.validation.prepared(start, start + _A_DRAW)).to(self.device)
                chosen = self.network(x).argmax(1).cpu().numpy()
                right += int((chosen == self.validation.labels[start : start + _A_DRAW]).sum())
        return right / len(self.validation.labels)

    def _accuracy(self, program: Program) -> float:
        """Bit-true accuracy on the validation samples; on broken blocks where training runs on such."""
        cells = self._cells(0)
        if cells is not None:
            return self._accuracy_broken(cells)
        composed = ComposedNetwork(program, Preprocess.identity(self.graph.input_shape), {})
        right = 0
        for start in range(0, len(self.validation.labels), _CHUNK):
            outputs = composed(
                self.validation.prepared(start, start + _CHUNK), threads=torch.get_num_threads()
            )
            right += int((outputs.argmax(1) == self.validation.labels[start : start + _CHUNK]).sum())
        return right / len(self.validation.labels)

    def _fingerprint(self) -> str:
        data = [
            [
                part.labels,
                part.prepared(0, CHECKED_SAMPLES),
                [part.augment, part.pixels, part.noise, len(part.inputs)],
            ]
            for part in (self.data, self.validation)
        ]
        about: list[Any] = [
            asdict(self.schedule),
            self.settings.to_json(),
            self.seed,
            torch.get_num_threads(),
        ]
        arrays = files.choice_arrays(self.network.state_dict())
        return files.fingerprint(about, *data[0], *data[1], *arrays)


def _channels_last(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same batch in the memory order in which convolutions of images are fastest."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if x.ndim == 4 else x


def best_epoch(reports: Sequence[EpochReport], samples: int) -> int:
    """The last epoch whose validation accuracy is within one standard error of the best.

    Differences below that are chance, and later epochs have the smaller learning rate.
    """
    best = max(report.validation_accuracy for report in reports)
    error = math.sqrt(best * (1 - best) / samples)
    return max(r.epoch for r in reports if r.validation_accuracy >= best - error)


def _groups(network: TrainableNetwork, schedule: Schedule) -> list[dict[str, Any]]:
    """Parameters with their peak rates: codebooks have one of their own and do not decay."""
    books = [p for name, p in network.named_parameters() if name.endswith("values")]
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    weights = [p for name, p in network.named_parameters() if name.endswith("weight")]
    return [
        {"params": weights, "peak": schedule.rate, "weight_decay": schedule.weight_decay},
        {"params": biases, "peak": schedule.book_rate, "weight_decay": 0.0},
        {"params": books, "peak": schedule.book_rate, "weight_decay": 0.0},
    ]
