"""Sizes for a bound on the loss: the least energy that meets it, by prediction first and verification last.

SPEC section 2, step 7. Predictions (``pricing.py``) order the choices; whether one meets the bound is always decided by
running its program bit-true on the validation data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.choices import Choices, choose
from rapidnn.composer.energy import energy_of, energy_table
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan
from rapidnn.composer.pricing import Move, Prices, Sized, Units
from rapidnn.composer.sample import float_outputs
from rapidnn.composer.sensitivity import measure
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import tabulate
from rapidnn.data.preprocess import Preprocess
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation, compare_outputs
from rapidnn.frames import frame
from rapidnn.graph import Graph
from rapidnn.tables.program import Program

if TYPE_CHECKING:
    import pandas as pd

SIZES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Codebook sizes that are considered: up to the rows of the default machine's associative memories.

The machine's energy follows the number of products, so sizes between the powers of two are worth having.
"""

_MISSES = 6
"""Steps down that break the bound, one after another, before the search ends."""
_MOST_STEPS = 48
"""Steps down that are verified at most."""
_WORTH_TRYING = 0.005
"""A step down must save at least this share of the energy, by prediction."""

_ROUNDING = 1e-9
"""A loss is a difference of two shares, so one that equals the bound may come out this much above it."""
_COST_SAMPLES = 32
"""Calibration samples whose codes are counted for the energies that are reported."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Trial:
    """One verified choice of sizes; ``predicted_uj`` is the energy it was priced at."""

    loss: float
    predicted_uj: float


@dataclass(frozen=True)
class EqualSize:
    """The smallest size that meets the bound when every codebook has it (or its cap), and its energy."""

    size: int
    loss: float
    energy_uj: float


@dataclass(frozen=True)
class BudgetReport:
    """What ``info["max_loss"]`` holds.

    ``loss`` is float minus composed accuracy on ``samples`` validation samples, bit-true; ``energy_uj`` one input's on
    ``hardware``. ``equal_size`` is None where no single size meets the bound. ``tried`` are all verified choices
    in order.
    """

    bound: float
    loss: float
    met: bool
    samples: int
    energy_uj: float
    hardware: str
    equal_size: EqualSize | None
    sensitivity_samples: int
    tried: tuple[Trial, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a verified choice of sizes, in order."""
        return frame(self.tried)


@dataclass(frozen=True, eq=False)
class Found:
    """A verified choice, its program and its evaluation."""

    sized: Sized
    program: Program
    evaluation: Evaluation

    @property
    def loss(self) -> float:
        """Float minus composed accuracy."""
        assert self.evaluation.loss is not None
        return self.evaluation.loss


@dataclass(frozen=True, eq=False)
class Budget:
    """A bound on the loss (a share of 0 to 1), and the labelled samples that it is held to."""

    bound: float
    samples: NDArray[np.float32]
    labels: NDArray[Any]


def meet_budget(
    budget: Budget,
    graph: Graph,
    plan: Plan,
    histograms: Mapping[str, Histogram],
    calibration: NDArray[np.float32],
    settings: Settings,
    compose_with: Callable[[Settings], Program],
    *,
    threads: int | None,
    progress: Progress,
) -> tuple[Found, Settings, BudgetReport]:
    """The cheapest program found that keeps the budget, or else the best one, with its settings and what was tried.

    The sizes in ``settings`` are the largest that are allowed.
    """
    expected = float_outputs(
        graph, budget.samples, threads=threads, progress=lambda i, n: progress("validate float", i, n)
    )
    compare_outputs(expected, budget.labels)  # before minutes are spent: do the labels fit?
    prices = _prices(graph, plan, histograms, calibration, settings, threads, progress)

    def verify(program: Program) -> Evaluation:
        network = ComposedNetwork(program, Preprocess.identity(graph.input_shape), {})
        return compare_outputs(network(budget.samples), budget.labels, expected)

    search = Search(prices, settings, compose_with, verify, budget.bound, progress)
    best = search.run()
    cost, equal_size = energy_of(best.program, calibration[:_COST_SAMPLES]), None
    if search.equal is not None:
        equal_cost = energy_of(search.equal.program, calibration[:_COST_SAMPLES])
        equal_size = EqualSize(search.equal_at, search.equal.loss, equal_cost.energy_pj / 1e6)
        if equal_cost.energy_pj <= cost.energy_pj:  # counted on more samples, the prediction was wrong
            best, cost = search.equal, equal_cost
    report = BudgetReport(
        bound=budget.bound,
        loss=best.loss,
        met=search.meets(best),
        samples=len(budget.samples),
        energy_uj=cost.energy_pj / 1e6,
        hardware=cost.hardware,
        equal_size=equal_size,
        sensitivity_samples=prices.sensitivity.samples,
        tried=tuple(search.trials.values()),
    )
    return best, prices.units.settings(best.sized, settings), report


def remeasured(
    budget: Budget,
    graph: Graph,
    calibration: NDArray[np.float32],
    found: Found,
    program: Program,
    report: BudgetReport,
    threads: int | None,
) -> tuple[Found, BudgetReport]:
    """What holds if another program of the same sizes (fine-tuned, say) takes the place of the one found.

    The one of less loss stays.
    """
    expected = float_outputs(graph, budget.samples, threads=threads)
    network = ComposedNetwork(program, Preprocess.identity(graph.input_shape), {})
    other = replace(
        found, program=program, evaluation=compare_outputs(network(budget.samples), budget.labels, expected)
    )
    if other.loss > found.loss:
        return found, report
    cost = energy_of(program, calibration[:_COST_SAMPLES])
    return other, replace(
        report, loss=other.loss, met=other.loss <= budget.bound, energy_uj=cost.energy_pj / 1e6
    )


def _prices(
    graph: Graph,
    plan: Plan,
    histograms: Mapping[str, Histogram],
    calibration: NDArray[np.float32],
    settings: Settings,
    threads: int | None,
    progress: Progress,
) -> Prices:
    units = Units.of(plan)
    allowed = units.allowed(settings, SIZES)
    sizes = allowed.all_sizes
    choices = {
        size: choose(plan, histograms, replace(settings, weights=size, inputs=size))
        for size in sorted({*sizes[0], *sizes[1]})
    }
    sensitivity = measure(
        graph,
        plan,
        choices,
        calibration,
        threads=threads,
        progress=lambda i, n: progress("sensitivity", i, n),
    )
    energy = energy_table(
        plan,
        lambda w, u: tabulate(
            graph, plan, histograms, Choices(choices[u].groups, choices[w].layers), settings
        ),
        (sizes[0] or sizes[1][:1], sizes[1]),
        calibration,
        lambda i, n: progress("energy by size", i, n),
    )
    return Prices(units, allowed, sensitivity, energy)


class Search:
    """The search for sizes within a bound.

    Parameters
    ----------
    prices
        Predictions.
    settings
        Everything but the sizes.
    compose_with
        Makes the program for settings that hold sizes.
    verify
        Runs it bit-true on the validation data.
    bound
        The largest loss allowed.
    """

    def __init__(
        self,
        prices: Prices,
        settings: Settings,
        compose_with: Callable[[Settings], Program],
        verify: Callable[[Program], Evaluation],
        bound: float,
        progress: Progress,
    ) -> None:
        self.prices = prices
        self.settings = settings
        self.compose_with = compose_with
        self.verify = verify
        self.bound = bound
        self.progress = progress
        self.trials: dict[Sized, Trial] = {}
        self.best: Found | None = None
        self.equal: Found | None = None
        self.equal_at = 0

    def run(self) -> Found:
        """Verify choices until none cheaper is likely to meet the bound; the best one found."""
        if self._equal_sizes():
            self._bisect()
            self._step_down()
        assert self.best is not None
        return self.best

    def meets(self, found: Found) -> bool:
        """Whether a choice keeps the bound."""
        return found.loss <= self.bound + _ROUNDING

    def _equal_sizes(self) -> bool:
        """The smallest equal size that meets the bound, taking the loss to fall with the size; False if none does."""
        sizes = sorted({size for kind in self.prices.allowed.all_sizes for size in kind})
        low, high = 0, len(sizes)
        while low < high:
            middle = (low + high) // 2
            found = self._try(self.prices.allowed.equal(sizes[middle]))
            if self.meets(found):
                self.equal, self.equal_at, high = found, sizes[middle], middle
            else:
                low = middle + 1
        return self.equal is not None

    def _bisect(self) -> None:
        """The cheapest choice of the hull that meets the bound, taking the loss to rise with the noise."""
        hull = self.prices.hull()
        assert self.equal is not None
        limit = self.prices.noise(self.equal.sized)
        # The first guess: as noisy as the equal size that was good enough.
        middle = next((i for i, sized in enumerate(hull) if self.prices.noise(sized) <= limit), len(hull) - 1)
        low, high = 0, len(hull)
        while low < high:
            if self.meets(self._try(hull[middle])):
                high = middle
            else:
                low = middle + 1
            middle = (low + high) // 2

    def _step_down(self) -> None:
        """One codebook smaller at a time, the most energy for the least noise first, while the bound holds."""
        misses, refused = 0, set[Move]()
        for _ in range(_MOST_STEPS):
            assert self.best is not None
            here = self.best.sized
            moves = [move for move in self.prices.allowed.smaller(here) if move not in refused]
            least = _WORTH_TRYING * self.prices.energy_pj(here)
            moves = [move for move in moves if self._saving(here, here.moved(move)) >= least]
            if not moves or misses == _MISSES:
                return
            move = max(moves, key=lambda move: self._worth(here, here.moved(move)))
            if self.meets(self._try(here.moved(move))):
                misses = 0
            else:
                misses += 1
                refused.add(move)

    def _saving(self, here: Sized, there: Sized) -> float:
        return self.prices.energy_pj(here) - self.prices.energy_pj(there)

    def _worth(self, here: Sized, there: Sized) -> float:
        noise = self.prices.noise(there) - self.prices.noise(here)
        return self._saving(here, there) / max(noise, 1e-12)

    def _try(self, sized: Sized) -> Found:
        chosen = self.prices.units.settings(sized, self.settings)
        program = self.compose_with(chosen)
        found = Found(sized, program, self.verify(program))
        self.trials[sized] = Trial(found.loss, self.prices.energy_pj(sized) / 1e6)
        if self.best is None or self._rank(found) < self._rank(self.best):
            self.best = found
        self.progress("choose sizes", len(self.trials), len(self.trials) + 1)
        return found

    def _rank(self, found: Found) -> tuple[bool, float, float]:
        """Choices that meet the bound by their energy; the others behind them, by their loss."""
        met, energy = self.meets(found), self.prices.energy_pj(found.sized)
        return (False, energy, found.loss) if met else (True, found.loss, energy)
