"""A GPU by its roofline: arithmetic at peak or bytes at full bandwidth, the longer of both, at board power."""

from __future__ import annotations

from rapidnn.rivals.cost import EnergyTerm, RivalCost, Stage
from rapidnn.rivals.description import Gpu
from rapidnn.rivals.work import LayerWork, Workload


def layer_ns(gpu: Gpu, layer: LayerWork, batch: int) -> float:
    """Time of a layer for one input of a batch."""
    arithmetic = 2 * layer.macs / gpu.tflops.value / 1000
    width = gpu.weight_bits.value / 8
    moved = width * (layer.weights / batch + layer.input_elements + layer.output_elements)
    return max(arithmetic, moved / gpu.gbyte_per_s.value)


def estimate_gpu(gpu: Gpu, work: Workload, chips: int | None = None) -> RivalCost:
    """A stream runs in batches that share one read of the weights; one input alone reads them and launches kernels."""
    chips = chips or 1
    stream = [layer_ns(gpu, layer, gpu.batch.value) for layer in work.layers]
    alone = sum(layer_ns(gpu, layer, 1) + gpu.launch_us.value * 1000 for layer in work.layers)
    constants = ("board_w", "tflops", "gbyte_per_s", "weight_bits", "batch")
    return RivalCost(
        machine=gpu.name,
        precision=f"{gpu.weight_bits.value} bits",
        chips=chips,
        network_copies=chips,
        area_mm2=chips * gpu.die_mm2.value,
        node_nm=gpu.node.value,
        latency_ns=alone,
        interval_ns=sum(stream) / chips,
        macs=work.macs,
        stages=tuple(
            Stage(layer.name, 1, chips, time) for layer, time in zip(work.layers, stream, strict=True)
        ),
        terms=tuple(
            EnergyTerm(layer.name, "board", time, "ns", gpu.board_w.value * 1000, constants)
            for layer, time in zip(work.layers, stream, strict=True)
        ),
        validated=gpu.validated,
        notes=("the area is the die's, without memory",),
    )
