"""Labelled samples to train on, and the order in which they come."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.data.dataset import held_out
from rapidnn.data.preprocess import Preprocess
from rapidnn.errors import DataError
from rapidnn.execute.inputs import as_array
from rapidnn.networks.augment import Augment, augment


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Labelled samples for fine-tuning, with the changes that leave a label true.

    Attributes
    ----------
    inputs
        Array or tensor ``(N, ...)``: raw samples if ``preprocess`` is given, else the network's inputs.
    labels
        Integers ``(N,)`` from 0.
    preprocess
        From raw samples to inputs.
    augment, pixels
        Random shifts by up to ``pixels`` and flips of raw images (see `rapidnn.networks.augment.augment`).
    noise
        Standard deviation of Gaussian noise added to preprocessed inputs.
    """

    inputs: Any
    labels: Any
    preprocess: Preprocess | None = None
    augment: Augment = "none"
    pixels: int = 0
    noise: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether a sample differs from epoch to epoch."""
        return self.augment != "none" or self.noise > 0

    def checked(self, input_shape: tuple[int, ...]) -> TrainingData:
        """The same with arrays, checked.

        Raises
        ------
        DataError
            If inputs and labels do not go together or do not fit the network.
        """
        x, y = as_array(self.inputs), as_array(self.labels)
        if y.ndim != 1 or y.dtype.kind not in "ui" or len(x) != len(y) or len(y) == 0:
            raise DataError(
                f"fine-tuning data: {x.shape} inputs and {y.dtype} labels of shape {y.shape}; one integer label per "
                f"input is expected"
            )
        prepare = self.preprocess or Preprocess.identity(input_shape)
        if prepare.shape != tuple(input_shape):
            raise DataError(
                f"fine-tuning data: preprocessing gives shape {prepare.shape}, the network takes {input_shape}"
            )
        prepare.check(x)
        return TrainingData(x, y.astype(np.int64), prepare, self.augment, self.pixels, self.noise)

    def part(self, chosen: NDArray[Any]) -> TrainingData:
        """The samples of a mask or an index."""
        return TrainingData(
            self.inputs[chosen], self.labels[chosen], self.preprocess, self.augment, self.pixels, self.noise
        )

    def split(self, seed: int) -> tuple[TrainingData, TrainingData]:
        """All but a stratified tenth, and that tenth.

        Raises
        ------
        DataError
            If there is one sample only.
        """
        count = math.ceil(len(self.labels) / 10)
        if count >= len(self.labels):
            raise DataError(
                "one sample is too few to fine-tune; give more, or validation samples of their own"
            )
        held = held_out(self.labels, count, np.random.default_rng(seed))
        return self.part(~held), self.part(held)

    def labelled(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """All samples as inputs of the network, and their labels."""
        return self.prepared(0, len(self.labels)), self.labels

    def prepared(self, start: int, stop: int) -> NDArray[np.float32]:
        """Inputs of the network for some samples, unchanged."""
        assert self.preprocess is not None
        return self.preprocess.apply(self.inputs[start:stop])

    def batches(
        self, size: int, rng: np.random.Generator
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.int64]]]:
        """One epoch in random order: indices, inputs, labels; a last batch of less than half the size is left out."""
        assert self.preprocess is not None
        order = rng.permutation(len(self.labels))
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            if start and 2 * len(chosen) < size:
                return
            changed = augment(self.inputs[chosen], self.augment, self.pixels, self.preprocess.layout, rng)
            inputs = self.preprocess.apply(changed)
            if self.noise:
                inputs += self.noise * rng.standard_normal(inputs.shape, np.float32)
            yield chosen, inputs, self.labels[chosen]

    def batch_count(self, size: int) -> int:
        """How many batches an epoch has."""
        full, rest = divmod(len(self.labels), size)
        return max(1, full + (2 * rest >= size and rest > 0))
