"""Training the built-in networks: one loop, one recipe per network, the test split never looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.data import DataSet, Preprocess
from rapidnn.errors import ModelError
from rapidnn.networks.augment import Augment, augment

if TYPE_CHECKING:
    from torch import nn

_EVAL_BATCH = 500


@dataclass(frozen=True)
class Recipe:
    """How to train: AdamW with a one-cycle learning rate (up for 30 % of the steps, then down to almost 0).

    ``noise`` is the standard deviation of Gaussian noise added to the preprocessed input (features),
    ``augment`` a change of the raw images by up to ``pixels``.
    """

    epochs: int
    batch_size: int = 128
    peak_rate: float = 2e-3
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    augment: Augment = "none"
    pixels: int = 0
    noise: float = 0.0


RECIPES: dict[str, Recipe] = {
    "digits-cnn": Recipe(epochs=15, batch_size=32, peak_rate=4e-3),
    "mnist-mlp": Recipe(epochs=15, augment="shift", pixels=1),
    "isolet-mlp": Recipe(epochs=20, batch_size=64, noise=0.1, label_smoothing=0.05),
    "har-mlp": Recipe(epochs=20, batch_size=64, noise=0.05, label_smoothing=0.05),
    "har-inertial-mlp": Recipe(epochs=20, batch_size=64, noise=0.05, label_smoothing=0.05),
    "cifar10-cnn": Recipe(epochs=40, weight_decay=5e-4, label_smoothing=0.05, augment="shift-flip", pixels=4),
    "cifar100-cnn": Recipe(epochs=60, weight_decay=5e-4, label_smoothing=0.1, augment="shift-flip", pixels=4),
    "resnet20": Recipe(epochs=100, peak_rate=1e-2, weight_decay=5e-4, augment="shift-flip", pixels=4),
    "resnet56": Recipe(epochs=100, peak_rate=1e-2, weight_decay=5e-4, augment="shift-flip", pixels=4),
}
"""Recipes by built-in network; ``vgg16`` has none, since ImageNet is not among the data sets."""


@dataclass(frozen=True)
class EpochReport:
    """One epoch: mean loss and share of correct answers on the (changed) training batches."""

    epoch: int
    epochs: int
    loss: float
    train_accuracy: float


@dataclass(frozen=True)
class TrainResult:
    """What a training did; the same seed, threads, torch version and machine give the same weights."""

    reports: tuple[EpochReport, ...]
    seed: int
    threads: int
    samples: int


def recipe(name: str) -> Recipe:
    """The recipe of a built-in network.

    Raises
    ------
    ModelError
        If there is none.
    """
    if name not in RECIPES:
        raise ModelError(f"there is no training recipe for {name!r}; there is one for {', '.join(RECIPES)}")
    return RECIPES[name]


def train(
    module: nn.Module,
    data: DataSet,
    how: Recipe,
    *,
    preprocess: Preprocess | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[EpochReport], None] | None = None,
) -> TrainResult:
    """Train a classifier in place on the training split; it is left in eval mode on ``device``.

    Parameters
    ----------
    module
        Takes the preprocessed batch, gives logits ``(N, classes)``.
    data
        Only its training split is read, and of that not the tenth that `DataSet.validation_split` holds out: composing
        measures losses there.
    preprocess
        In place of the data set's, for example for a network that wants flat inputs (`Preprocess.for_shape`).
    progress
        Told after every epoch.

    Raises
    ------
    ModelError
        If the module does not take the data, gives fewer logits than classes, or the loss is not finite.
    DataError
        If there is no training split.
    """
    import torch

    x, y, _, _ = data.validation_split()
    prepare = preprocess or data.preprocess
    module.to(device)
    _check_fit(module, prepare.apply(x[:2]), data.classes, device)
    rng = np.random.default_rng(seed)
    loop = _Loop(module, how, math.ceil(len(x) / how.batch_size), device)
    reports = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # dropout draws from it
        for epoch in range(1, how.epochs + 1):
            loss, share = loop.epoch(_batches(x, y, how, prepare, rng))
            if not math.isfinite(loss):
                raise ModelError(
                    f"training diverged in epoch {epoch}: the loss is {loss}; lower the peak rate"
                )
            reports.append(EpochReport(epoch, how.epochs, loss, share))
            if progress is not None:
                progress(reports[-1])
    module.eval()
    return TrainResult(tuple(reports), seed, torch.get_num_threads(), len(x))


def predict(
    module: nn.Module,
    x: NDArray[Any],
    preprocess: Preprocess,
    *,
    batch_size: int = _EVAL_BATCH,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Logits float32 ``(N, classes)`` of a raw array, in eval mode, batch by batch."""
    import torch

    module.eval()
    with torch.inference_mode():
        parts = [
            module(torch.from_numpy(preprocess.apply(x[start : start + batch_size])).to(device)).cpu().numpy()
            for start in range(0, len(x), batch_size)
        ]
    return np.concatenate(parts).astype(np.float32, copy=False)


def accuracy(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Share of samples whose greatest logit (on a tie the first) is the label's."""
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def _batches(
    x: NDArray[Any], y: NDArray[np.int64], how: Recipe, prepare: Preprocess, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    order = rng.permutation(len(x))
    for start in range(0, len(x), how.batch_size):
        chosen = order[start : start + how.batch_size]
        inputs = prepare.apply(augment(x[chosen], how.augment, how.pixels, prepare.layout, rng))
        if how.noise:
            inputs += how.noise * rng.standard_normal(inputs.shape, np.float32)
        yield inputs, y[chosen]


class _Loop:
    """A module with its optimiser and learning-rate schedule."""

    def __init__(self, module: nn.Module, how: Recipe, steps_per_epoch: int, device: str) -> None:
        import torch

        self.module, self.how, self.device = module, how, device
        self.optimiser = torch.optim.AdamW(
            module.parameters(), lr=how.peak_rate, weight_decay=how.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, how.peak_rate, total_steps=how.epochs * steps_per_epoch
        )

    def epoch(self, batches: Iterable[tuple[NDArray[np.float32], NDArray[np.int64]]]) -> tuple[float, float]:
        """Mean loss per sample and share of correct answers over one pass."""
        import torch
        import torch.nn.functional as F

        self.module.train()
        total, correct, seen = 0.0, 0, 0
        for inputs, labels in batches:
            target = torch.from_numpy(labels).to(self.device)
            logits = self.module(torch.from_numpy(inputs).to(self.device))
            loss = F.cross_entropy(logits, target, label_smoothing=self.how.label_smoothing)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self.schedule.step()
            total += float(loss.detach()) * len(labels)
            correct += int((logits.argmax(1) == target).sum())
            seen += len(labels)
        return total / seen, correct / seen


def _check_fit(module: nn.Module, inputs: NDArray[np.float32], classes: int, device: str) -> None:
    import torch

    module.eval()
    try:
        with torch.inference_mode():
            logits = module(torch.from_numpy(inputs).to(device))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"the network does not take inputs of shape {inputs.shape[1:]}: {reason}") from None
    if logits.ndim != 2 or logits.shape[1] < classes:
        raise ModelError(
            f"the network's output has shape {tuple(logits.shape[1:])}; {classes} classes are in the data"
        )
