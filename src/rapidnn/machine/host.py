"""Operators that run on the host in float32: their operations, and what these cost.

``rapidnn.execute.host`` defines what they compute, bit for bit and in float64; they are charged as the float32
arithmetic and the SRAM accesses of a plain processor, whose constants are the description's ``host`` records.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from rapidnn.graph import ops
from rapidnn.graph.shapes import Shape
from rapidnn.machine.edges import FLOAT_BITS, edge_bits
from rapidnn.machine.ledger import Ledger
from rapidnn.machine.records import Hardware
from rapidnn.tables.program import Host, HostOp, Program

_SHAPE_OPS = (ops.Reshape, ops.Transpose, ops.Slice, ops.Take)


@dataclass(frozen=True)
class HostWork:
    """Float operations of one input. A comparison counts as an addition; ``accesses`` are 32-bit SRAM accesses."""

    additions: int = 0
    multiplications: int = 0
    divisions: int = 0
    exponentials: int = 0
    logarithms: int = 0
    roots: int = 0
    accesses: int = 0
    macs: int = 0


@dataclass(frozen=True)
class HostLayer:
    """One stage of the pipeline on the host: an operator with the shape operators that follow it there.

    ``reads`` are the edges that come from the machine for it (an edge that several operators read comes once), of
    ``link_bits`` bits together. ``neurons`` is the number of elements it produces.
    """

    name: str
    operator: str
    steps: tuple[str, ...]
    neurons: int
    work: HostWork
    reads: tuple[str, ...]
    link_bits: int

    @property
    def kind(self) -> str:
        """As reports print it: ``host: softmax``."""
        return f"host: {self.operator}"


def moves_only(step: Host) -> bool:
    """Whether a host step is a shape operator, which computes nothing."""
    return isinstance(step.op, _SHAPE_OPS)


def host_layer(program: Program, step: Host, steps: tuple[str, ...], moved: frozenset[str]) -> HostLayer:
    """The stage of a host step; ``moved`` are edges that an earlier stage has brought to the host."""
    shapes = [program.shapes[source] for source in step.sources]
    reads = [s for s in step.sources if s not in moved and not isinstance(program.step[s], Host)]
    return HostLayer(
        name=step.name,
        operator=operator_name(step.op),
        steps=steps,
        neurons=math.prod(program.shapes[step.name]),
        work=host_work(step.op, shapes),
        reads=tuple(dict.fromkeys(reads)),
        link_bits=sum(edge_bits(program, edge) for edge in dict.fromkeys(reads)),
    )


def tail_layer(program: Program, op: ops.Softmax) -> HostLayer:
    """The stage of the softmax that the host takes of the network's result, which it has anyhow."""
    name = f"{program.output}:{operator_name(op).replace(' ', '_')}"
    while name in program.step:
        name += "'"
    shape = program.output_shape
    return HostLayer(name, operator_name(op), (name,), math.prod(shape), host_work(op, [shape]), (), 0)


def operator_name(op: HostOp) -> str:
    """An operator in words, such as ``log softmax``."""
    match op:
        case ops.Softmax():
            return "log softmax" if op.log else "softmax"
        case ops.LayerNorm():
            return "layer norm"
        case ops.MatMul():
            return "matmul"
        case _:
            return ops.op_name(op).lower()


def host_work(op: HostOp, shapes: list[Shape]) -> HostWork:
    """Operations of one sample, one pass over the elements after another, every pass reading and writing SRAM.

    Softmax, per element: a maximum, a subtraction, an exponential, an addition to the sum and a division (its
    logarithm: a subtraction instead, and one logarithm a row); five accesses (maximum 1, exponential 2, division 2).
    Layer norm, per element: two additions to sums, the mean subtracted, a square, a division, scale and shift; seven
    accesses (mean 1, variance 2, result 2 and its scale and shift). Per row two divisions by the extent, epsilon and a
    root. Product of two matrices: K multiplications and additions per element, 2 K + 1 accesses, without reuse in
    registers. Shape operators: none, the host reads accordingly.
    """
    elements = math.prod(shapes[0])
    match op:
        case ops.Softmax():
            rows = elements // shapes[0][op.axis]
            work = HostWork(additions=3 * elements, exponentials=elements, accesses=5 * elements)
            if op.log:
                return replace(work, additions=4 * elements, logarithms=rows)
            return replace(work, divisions=elements)
        case ops.LayerNorm():
            rows = elements // math.prod(shapes[0][-op.axes :])
            return HostWork(
                additions=4 * elements + rows,
                multiplications=2 * elements,
                divisions=elements + 2 * rows,
                roots=rows,
                accesses=7 * elements,
            )
        case ops.MatMul():
            outputs = elements // shapes[0][-1] * shapes[1][-1]
            macs = outputs * shapes[0][-1]
            return HostWork(additions=macs, multiplications=macs, accesses=2 * macs + outputs, macs=macs)
        case _:
            return HostWork()


def arithmetic(work: HostWork, hardware: Hardware) -> tuple[int, int]:
    """Additions and multiplications in all, divisions and functions taken apart as the description says."""
    host = hardware.host
    adds, muls = work.additions, work.multiplications
    for times, additions, multiplications in (
        (work.divisions, host.divide_adds, host.divide_muls),
        (work.exponentials, host.exp_adds, host.exp_muls),
        (work.logarithms, host.log_adds, host.log_muls),
        (work.roots, host.root_adds, host.root_muls),
    ):
        adds += times * additions.value
        muls += times * multiplications.value
    return adds, muls


def host_ledger(layer: HostLayer, hardware: Hardware) -> Ledger:
    """Energy of a host stage for one input: arithmetic and SRAM, and the way of its inputs from the machine."""
    host = hardware.host
    adds, muls = arithmetic(layer.work, hardware)
    computed = adds * host.add_pj.value + muls * host.mul_pj.value
    ledger = Ledger()
    ledger.charge("host", layer.work.accesses * FLOAT_BITS, host.sram_pj_32b.value / 32, pj=computed)
    ledger.charge("host_link", layer.link_bits, hardware.buffer.read_pj_32b.value / 32, action="read")
    return ledger.charge("host_link", layer.link_bits, hardware.link.pj_per_bit.value)


def host_ns(layer: HostLayer, hardware: Hardware) -> float:
    """Time of a host stage: its operations at the host's rate, after its inputs have come over the link."""
    operations = sum(arithmetic(layer.work, hardware))
    return operations / hardware.host.gflop_per_s.value + link_ns(layer.link_bits, hardware)


def link_ns(bits: float, hardware: Hardware) -> float:
    """Time of bits on the link."""
    return bits / 8 / hardware.link.gbyte_per_s.value
