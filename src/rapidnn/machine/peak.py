"""Peak figures at a reference neuron: a dense neuron of K inputs with uniform codes, in every block of one chip."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import HardwareError
from rapidnn.machine.area import block_area_um2, buffer_area_um2
from rapidnn.machine.cost import PeakPoint
from rapidnn.machine.digits import digit_counts
from rapidnn.machine.edges import code_bits
from rapidnn.machine.layers import Layer, Readout
from rapidnn.machine.macro import Profile
from rapidnn.machine.records import Hardware
from rapidnn.machine.stage import stage_time
from rapidnn.tables.program import word_width

CURVE = (64, 256, 1024, 4096, 16384)
"""K of the peak's curve."""


def reference_layer(hardware: Hardware, inputs: int) -> Layer:
    """A dense layer of reference neurons, one channel for every block of a tile, with ReLU and a bias."""
    reference = hardware.reference
    w, u, bits = reference.weights.value, reference.codes.value, reference.product_bits.value
    width = word_width((inputs + 1) * (2 ** (bits - 1) - 1))
    channels = hardware.chip.blocks_per_tile.value * hardware.rna.neurons_per_block.value
    return Layer(
        name=f"reference neuron K={inputs}",
        kind="WeightedSum",
        steps=(),
        channels=channels,
        places=1,
        groups=1,
        taps=inputs,
        place_taps=np.array([inputs]),
        weights=w,
        inputs=u,
        table_sets=1,
        product_bits=bits,
        word_bits=width,
        has_bias=True,
        residual_sizes=(),
        readouts=(Readout("reference", 1, 0, 0, u, width, code_bits(u), 1),),
        pools=(),
        sources=(),
        counted=True,
    )


@lru_cache(maxsize=128)
def uniform_profile(inputs: int, weights: int, codes: int) -> Profile:
    """Expected statistics of K independent, uniformly distributed pairs of codes with non-zero products and a bias.

    Each of the w x u counters is binomially distributed (K, 1 / wu); A is its expectation, rounded up. The sampled
    neuron's weight groups are taken as K / w each.
    """
    pairs = weights * codes
    share = _binomial(inputs, 1 / pairs)
    digits, negative = digit_counts(np.arange(inputs + 1))
    mean_digits = pairs * float(share @ digits)
    correction = 1.0 - (1.0 - float(share @ negative)) ** pairs
    addends = np.array([math.ceil(mean_digits + correction + 1)])
    return Profile(
        addends=addends,
        share=np.ones(1),
        digits=mean_digits,
        table_rows=1.0,
        corrections=correction,
        occupied=pairs * (1.0 - float(share[0])),
        taps=float(inputs),
        group_taps=np.full(weights, inputs / weights),
    )


def _binomial(n: int, p: float) -> NDArray[np.float64]:
    """Probabilities of 0 ... n successes."""
    if p >= 1:
        return np.concatenate([np.zeros(n), np.ones(1)])
    k = np.arange(n + 1)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    logs = factorial[n] - factorial[k] - factorial[n - k] + k * math.log(p) + (n - k) * math.log1p(-p)
    return np.asarray(np.exp(logs), np.float64)


def peak_point(hardware: Hardware, inputs: int) -> PeakPoint:
    """Rates of one chip whose every block evaluates reference neurons of ``inputs`` inputs.

    Each tile is one broadcast domain with double buffers for its codes and results; area is that of blocks and those
    buffers.

    Raises
    ------
    HardwareError
        If the reference neuron does not fit the hardware.
    """
    layer = reference_layer(hardware, inputs)
    profile = uniform_profile(inputs, layer.weights, layer.inputs)
    stage = stage_time(layer, profile, hardware)
    placement, neuron, cycles = stage.placement, stage.cost, stage.neuron_cycles()
    block_mm2 = sum(block_area_um2(hardware, [layer]).values()) / 1e6
    pitch = math.sqrt(block_mm2)
    listeners = placement.blocks_per_stream
    stream_mm = math.sqrt(listeners) * pitch / 2 + hardware.wire.tree_factor.value * listeners * pitch
    wire, buffer = hardware.wire.pj_per_bit_mm.value, hardware.buffer
    stream_pj = neuron.stream_bits * (buffer.read_pj_32b.value / 32 + wire * stream_mm) / listeners
    out_pj = layer.input_bits * (buffer.write_pj_32b.value / 32 + wire * math.sqrt(listeners) * pitch / 2)
    reload_pj = placement.reload_bits * (hardware.crossbar.write_pj_32b.value + buffer.read_pj_32b.value) / 32
    pj = neuron.energy.energy_pj + stream_pj + out_pj + reload_pj
    gops = hardware.chip.blocks * 2 * inputs / (cycles * hardware.rna.cycle_ns.value)
    codes = 2 * (inputs + layer.channels) * layer.input_bits
    area = (
        hardware.chip.blocks * block_mm2 + hardware.chip.tiles.value * buffer_area_um2(hardware, codes) / 1e6
    )
    busy_mw = next(iter(hardware.power.values())).value if hardware.power else 0.0
    top_down = busy_mw * cycles * hardware.rna.cycle_ns.value
    return PeakPoint(
        inputs, cycles, pj / inputs, top_down / inputs, gops, gops / area, 2 * inputs / pj * 1000
    )


def peak_points(hardware: Hardware, inputs: Iterable[int] = CURVE) -> tuple[PeakPoint, ...]:
    """The description's reference neuron first, then :func:`peak_point` over a range of K.

    Values of K that the hardware cannot run are left out; where that is the reference neuron itself, all are.
    """
    wanted = (hardware.reference.inputs.value, *inputs)
    kept = hardware.memo.setdefault("peak", {})
    if wanted not in kept:
        kept[wanted] = _peak_points(hardware, wanted)
    found: tuple[PeakPoint, ...] = kept[wanted]
    return found


def _peak_points(hardware: Hardware, inputs: Iterable[int]) -> tuple[PeakPoint, ...]:
    found = []
    for k in inputs:
        try:
            found.append(peak_point(hardware, k))
        except HardwareError:
            if not found:
                return ()
    return tuple(found)
