"""What fixed point costs: codebook values snapped to the operand grid, and products rounded to ``product_bits``.

An artifact's codebooks and codes are taken as they are and its tables made anew for each width of a product, so the
losses differ by the rounding of products alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.blame import check_same, decibels
from rapidnn.composer.choices import Choices, LayerChoice, merged
from rapidnn.composer.decode import decoded_weight
from rapidnn.composer.energy import energy_of
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan, plan_graph
from rapidnn.composer.sample import calibrate, float_outputs
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import sampled_edges, tabulate
from rapidnn.composer.weights import WeightCodebooks
from rapidnn.data.preprocess import Preprocess
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation, compare_outputs
from rapidnn.frames import frame
from rapidnn.graph import Graph, ops
from rapidnn.tables.products import product_limit, product_table
from rapidnn.tables.program import CodeGroup, Float64, Program, WeightedSum, word_width

if TYPE_CHECKING:
    import pandas as pd

NARROW = 11
"""The narrowest product reported (SPEC section 1 has 16 by default)."""
_WIDEST = 16
_COST_SAMPLES = 32
_NOTHING = 1e-12
"""Below this share of the power an error is none."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class LayerFixedPoint:
    """One weighted layer.

    ``weight_sqnr_db`` and ``input_sqnr_db``: of the values its codes stand for, about the float weights and the
    calibration values. ``*_added``: the share by which snapping raises that squared error over the best value for each
    code, their mean. ``product_sqnr_db`` and ``narrow_sqnr_db``: of single products about the exact ones, at the
    artifact's ``product_bits`` and at 11, weight and input codes taken as independent. None where there is no error.
    """

    name: str
    weight_bits: int
    weight_sqnr_db: float | None
    weight_added: float | None
    input_bits: int
    input_sqnr_db: float | None
    input_added: float | None
    shift: int
    product_sqnr_db: float | None
    narrow_sqnr_db: float | None


@dataclass(frozen=True)
class ProductWidth:
    """The network with products of ``product_bits``: largest shift and word width, result, and one input's energy."""

    product_bits: int
    shift: int
    word_bits: int
    evaluation: Evaluation
    energy_uj: float


@dataclass(frozen=True)
class FixedPoint:
    """Fixed point layer by layer, and the whole network against the width of a product on validation data."""

    product_bits: int
    layers: tuple[LayerFixedPoint, ...]
    widths: tuple[ProductWidth, ...]

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a layer."""
        return frame(self.layers, "name")


def fixed_point(
    composed: ComposedNetwork,
    graph: Graph,
    calibration: NDArray[np.float32],
    validation: tuple[NDArray[np.float32], NDArray[Any]],
    *,
    threads: int | None = None,
    progress: Progress,
) -> FixedPoint:
    """The errors of fixed point in ``composed``, the composition of ``graph``.

    Parameters
    ----------
    calibration
        Preprocessed samples: their values weigh input codebooks, and their codes give the energy.
    validation
        Preprocessed labelled samples the losses are measured on.

    Raises
    ------
    ArtifactError
        If the artifact does not record its settings.
    DataError
        If it was composed of another network.
    """
    settings = Settings.recorded(composed.info)
    plan = plan_graph(graph, settings.concat)
    check_same(plan, composed.program)
    histograms = calibrate(
        graph,
        calibration,
        sampled_edges(plan),
        threads=threads,
        progress=lambda i, n: progress("calibrate", i, n),
    )
    choices = choices_of(composed.program)
    x, labels = validation
    expected = float_outputs(graph, x, threads=threads, progress=lambda i, n: progress("float network", i, n))
    widths = []
    bits = range(max(_WIDEST, settings.product_bits), min(NARROW, settings.product_bits) - 1, -1)
    for done, width in enumerate(bits, start=1):
        program = tabulate(graph, plan, histograms, choices, replace(settings, product_bits=width))
        outputs = ComposedNetwork(program, Preprocess.identity(graph.input_shape), {})(x, threads=threads)
        widths.append(_width(program, width, compare_outputs(outputs, labels, expected), calibration))
        progress("product bits", done, len(bits))
    return FixedPoint(
        settings.product_bits, _layers(graph, plan, histograms, composed.program), tuple(widths)
    )


def choices_of(program: Program) -> Choices:
    """The codebooks, codes and biases that a program's tables were made of."""
    layers = {}
    for step in program.steps:
        if isinstance(step, WeightedSum):
            books = WeightCodebooks(step.values, step.scales, step.bits, step.weight_codes)
            layers[step.name] = LayerChoice(books, step.bias * step.acc_scales)
    return Choices(program.group, layers)


def _width(
    program: Program, bits: int, evaluation: Evaluation, calibration: NDArray[np.float32]
) -> ProductWidth:
    steps = [step for step in program.steps if isinstance(step, WeightedSum)]
    return ProductWidth(
        product_bits=bits,
        shift=max((step.shift for step in steps), default=0),
        word_bits=max((word_width(step.bound) for step in steps), default=0),
        evaluation=evaluation,
        energy_uj=energy_of(program, calibration[:_COST_SAMPLES]).energy_pj / 1e6,
    )


def _layers(
    graph: Graph, plan: Plan, histograms: Mapping[str, Histogram], program: Program
) -> tuple[LayerFixedPoint, ...]:
    sampled = plan.sampled_edges()
    found = []
    for planned in plan.layers():
        step = program.step[planned.name]
        assert isinstance(step, WeightedSum)
        group = program.group_of[step.source]
        points = merged(histograms, sampled[group.name]).points()
        found.append(_layer(graph, step, group, points))
    return tuple(found)


def _layer(
    graph: Graph, step: WeightedSum, group: CodeGroup, points: tuple[Float64, Float64]
) -> LayerFixedPoint:
    op = graph[step.name].op
    assert isinstance(op, ops.Linear | ops.Conv)
    books = WeightCodebooks(step.values, step.scales, step.bits, step.weight_codes)
    size = step.values.shape[1]
    flat = op.weight.astype(np.float64).reshape(step.channels, -1)
    codes = step.weight_codes.reshape(step.channels, -1).astype(np.intp)
    if len(step.values) > 1:
        codes = codes + size * np.arange(step.channels)[:, np.newaxis]
    weights = snapping(flat.ravel(), np.ones(flat.size), codes.ravel(), decoded_weight(books).ravel())
    real = group.values * group.scale
    nearest = np.searchsorted((real[:-1] + real[1:]) / 2, points[0])
    inputs = snapping(*points, nearest, real[nearest])
    shares = np.bincount(nearest, points[1], minlength=group.size).astype(np.float64)
    uses = np.bincount(codes.ravel(), minlength=step.values.size).reshape(step.values.shape)

    def products(bits: int) -> float | None:
        return product_sqnr(step, group, uses, shares, bits)

    return LayerFixedPoint(
        step.name,
        step.bits,
        *weights,
        group.bits,
        *inputs,
        step.shift,
        products(step.product_bits),
        products(NARROW),
    )


def snapping(
    values: Float64, weights: Float64, codes: NDArray[np.intp], stand_for: NDArray[np.floating]
) -> tuple[float | None, float | None]:
    """SQNR in dB of ``stand_for`` about ``values``, and the share its error is above that of each code's mean."""
    power = float(weights @ values**2)
    noise = float(weights @ (values - stand_for) ** 2)
    mass, sums = np.bincount(codes, weights), np.bincount(codes, weights * values)
    means = np.divide(sums, mass, out=np.zeros_like(sums), where=mass > 0)
    least = float(weights @ (values - means[codes]) ** 2)
    if noise <= _NOTHING * power:
        return None, None
    return decibels(power, noise), None if least <= _NOTHING * power else noise / least - 1


def product_sqnr(
    step: WeightedSum, group: CodeGroup, uses: NDArray[np.int64], shares: Float64, bits: int
) -> float | None:
    """SQNR in dB of products rounded to ``bits``: codes meet as often as ``uses`` ``(G, w)`` x ``shares`` ``(u,)``.

    At the step's own width the shift is the step's; at another the least for which products fit.
    """
    exact = step.values.astype(np.float64)[:, :, np.newaxis] * group.values
    shift = step.shift
    if bits != step.product_bits:
        shift = next(s for s in range(64) if np.rint(np.abs(exact).max() / 2.0**s) <= product_limit(bits))
    rounded = product_table(step.values, group.values, shift, bits).astype(np.float64) * 2.0**shift
    often = uses[:, :, np.newaxis] * (step.scales**2)[:, np.newaxis, np.newaxis] * shares
    return decibels(float((often * exact**2).sum()), float((often * (rounded - exact) ** 2).sum()))
