"""Results of fault studies: frozen records with units in their names."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.reliability.remedy import RemedyCost

if TYPE_CHECKING:
    import pandas as pd

_RESAMPLES = 2000


@dataclass(frozen=True)
class FaultPoint:
    """Accuracy over fault maps at one rate, with one remedy, within one scope.

    ``remedy`` as it is given; ``layer`` and ``bit`` say what alone was damaged (None: all). Losses are accuracy
    without faults minus accuracy with them on the same samples, 0 to 1. ``loss_low_95`` and ``loss_high_95`` hold the
    mean loss with 95 % confidence (bootstrap over maps), ``loss_p95`` is the 95th percentile of maps. ``faults_mean``
    counts faults drawn in a map, ``wrong_mean`` words (dead blocks, moved boundaries) other than they should be.
    """

    kind: str
    rate: float
    remedy: str
    layer: str | None
    bit: int | None
    maps: int
    accuracy_mean: float
    accuracy_least: float
    loss_mean: float
    loss_low_95: float
    loss_high_95: float
    loss_p95: float
    loss_most: float
    faults_mean: float
    wrong_mean: float

    @classmethod
    def of(
        cls, kind: str, rate: float, remedy: str, layer: str | None, bit: int | None, clean: float,
        accuracy: NDArray[np.float64], faults: list[int], wrong: list[int], rng: np.random.Generator,
    ) -> FaultPoint:  # fmt: skip
        """From the accuracy of each map."""
        loss = clean - accuracy
        drawn = loss[rng.integers(len(loss), size=(_RESAMPLES, len(loss)))].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        return cls(
            kind, rate, remedy, layer, bit, len(loss),
            accuracy_mean=float(accuracy.mean()), accuracy_least=float(accuracy.min()),
            loss_mean=float(loss.mean()), loss_low_95=float(low), loss_high_95=float(high),
            loss_p95=float(np.quantile(loss, 0.95)), loss_most=float(loss.max()),
            faults_mean=float(np.mean(faults)), wrong_mean=float(np.mean(wrong)),
        )  # fmt: skip


@dataclass(frozen=True)
class FaultStudy:
    """What :func:`rapidnn.faults` found.

    ``points`` are the curves, one point a remedy and rate; ``by_layer`` and ``by_bit`` damage one layer, or one bit of
    every product word, at the highest rate and without a remedy. ``most_fragile`` is the layer with the largest mean
    loss where it alone is damaged. ``costs`` has each remedy's price. ``maps_per_minute`` counts maps that were run.
    """

    kind: str
    meaning: str
    modelled: str
    samples: int
    clean_accuracy: float
    seed: int
    hardware: str
    points: tuple[FaultPoint, ...]
    by_layer: tuple[FaultPoint, ...]
    by_bit: tuple[FaultPoint, ...]
    most_fragile: str | None
    costs: tuple[RemedyCost, ...]
    maps_per_minute: float

    def to_json(self) -> dict[str, Any]:
        """The study as plain JSON values."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a point of the curves."""
        import pandas as pd

        return pd.DataFrame([asdict(point) for point in self.points])


@dataclass(frozen=True)
class WearPoint:
    """Accuracy after ``years`` of use; ``dead_share`` of the blocks have worn out, losses as in FaultPoint."""

    years: float
    dead_share: float
    dead_share_after_spares: float
    maps: int
    accuracy_mean: float
    accuracy_least: float
    loss_mean: float
    loss_p95: float


@dataclass(frozen=True)
class WearStudy:
    """What :func:`rapidnn.reliability.wear.wear` found.

    ``writes_per_input`` is what a layer's hottest cell takes for one input. ``endurance_writes`` is the median of the
    cells, ``endurance_sigma`` the standard deviation of its natural logarithm.
    """

    hardware: str
    inputs_per_s: float
    endurance_writes: float
    endurance_sigma: float
    scratch_groups: int
    spare_blocks: float
    samples: int
    clean_accuracy: float
    writes_per_input: dict[str, float]
    scratch_cells: dict[str, int]
    points: tuple[WearPoint, ...]

    def to_json(self) -> dict[str, Any]:
        """The study as plain JSON values."""
        return asdict(self)
