"""The native executor: packs a program once, then runs batches without Python in between.

The kernels are C++ (``src/native``), one file per instruction set; ``RAPIDNN_KERNELS`` forces one of ``amx``,
``avx512``, ``avx2``, ``portable``, otherwise the best the machine has is taken. All give the reference's integers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.errors import DataError
from rapidnn.execute import layout, packing
from rapidnn.execute.inputs import as_input, refuse_nan
from rapidnn.execute.kernel_tables import add_tables, minor_steps
from rapidnn.execute.reference import carry, taps
from rapidnn.execute.storage import Storage, channel_last
from rapidnn.graph import ops
from rapidnn.tables.program import (
    Activate,
    Carry,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    EncodeReal,
    Host,
    Int32,
    Join,
    PooledSum,
    Program,
    Step,
    Summing,
    WeightedSum,
    sources_of,
)

KERNELS_VARIABLE = "RAPIDNN_KERNELS"
_MAX_THREADS = 256


def kernel_path() -> str:
    """The instruction set to use.

    Raises
    ------
    DataError
        If the environment asks for one this machine does not have.
    """
    try:
        return _native.kernel_path()
    except ValueError as error:
        raise DataError(str(error)) from None


def supports(program: Program) -> bool:
    """Whether the native executor runs the program: nothing on the host, and no activation at its end."""
    return not any(isinstance(step, Host | EncodeReal | Activate) for step in program.steps)


class NativeNetwork:
    """A program packed for the kernels.

    Parameters
    ----------
    program
        One that :func:`supports` accepts.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        packer = _Packer(program)
        self._network = packer.pack()
        self.storage = {
            name: Storage.of(packer.edges[name], packer.order[name], program.shapes[name])
            for name in program.group_of
        }
        self._output_shape = program.shapes[program.output]
        self._ends_in_codes = program.output in program.group_of

    def run(self, x: NDArray[Any], *, threads: int, use_factors: bool = True) -> NDArray[Any]:
        """The output edge for a batch ``(N, *input_shape)``: int32 sums, or uint8 codes.

        ``use_factors`` allows byte dot products where every product table is an outer product of bytes.

        Raises
        ------
        DataError
            If the input has another shape, or holds NaN.
        """
        inputs = np.ascontiguousarray(as_input(self.program, x))
        out = np.empty((len(inputs), *self._output_shape), np.int32)
        try:
            self._network.run(inputs, out, min(threads, _MAX_THREADS), use_factors)
        except ValueError as error:
            raise _refusal(inputs, error) from None
        return out.astype(np.uint8) if self._ends_in_codes else out

    def watch(self, x: NDArray[Any], edges: list[int], *, threads: int) -> list[NDArray[np.uint8]]:
        """Run a batch and keep the codes of numbered edges as stored, uint8 ``(N, elements)`` each."""
        inputs = np.ascontiguousarray(as_input(self.program, x))
        out = np.empty((len(inputs), *self._output_shape), np.int32)
        sizes = {place.edge: math.prod(place.shape) for place in self.storage.values()}
        # Names that only reshape an edge share it. One allocation: the system backs a large one with large pages,
        # and touching many small ones for the first time costs as much as the run.
        ends = np.cumsum([len(inputs) * sizes[edge] for edge in dict.fromkeys(edges)])
        parts = np.split(np.empty(ends[-1] if edges else 0, np.uint8), ends[:-1])
        buffers = {
            edge: part.reshape(len(inputs), sizes[edge])
            for edge, part in zip(dict.fromkeys(edges), parts, strict=False)
        }
        count = min(threads, _MAX_THREADS)
        try:
            self._network.observe(inputs, out, count, True, list(buffers), list(buffers.values()))
        except ValueError as error:
            raise _refusal(inputs, error) from None
        return [buffers[edge] for edge in edges]


def _refusal(x: NDArray[np.float32], error: ValueError) -> DataError:
    """What the kernels refused: an input with NaN, named by its sample, or the instruction set asked for."""
    refuse_nan(x)
    return DataError(str(error))


class _Packer:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.net = _native.Network()
        self.edges: dict[str, int] = {}
        self.order: dict[str, NDArray[np.intp]] = {}  # edge -> natural element number at each storage place
        self.fused = _fused_encodings(program)
        self.minor = minor_steps(program)

    def pack(self) -> _native.Network:
        done = frozenset(self.fused.values())
        for step in self.program.steps:
            if step.name not in done:
                self._pack(step)
        output = self.program.output
        place = np.argsort(self.order[output])
        self.net.seal(self.edges[output], _int32(place))
        return self.net

    def _edge(self, name: str, order: NDArray[np.intp]) -> int:
        accumulator = name not in self.program.group_of
        self.edges[name] = self.net.add_edge(len(order), accumulator)
        self.order[name] = order
        return self.edges[name]

    def _natural(self, name: str) -> NDArray[np.intp]:
        return np.arange(math.prod(self.program.shapes[name]))

    def _source(self, name: str, order: NDArray[np.intp]) -> int:
        """A code edge in the wanted storage order, rearranged if it lies otherwise."""
        if np.array_equal(self.order[name], order):
            return self.edges[name]
        place = np.argsort(self.order[name])
        edge = int(self.net.add_edge(len(order), False))
        self.net.gather(edge, [self.edges[name]], _int32(place[order]), np.empty(0, np.uint8), 0)
        return edge

    def _sum_edge(self, step: Summing, order: NDArray[np.intp]) -> int:
        """The edge a sum ends in: its codes where one encoding is its only reader, else its accumulator."""
        return self._edge(self.fused.get(step.name, step.name), order)

    def _finish_sum(self, step: Summing) -> None:
        name = self.fused.get(step.name)
        if name is not None:
            encoding = self.program.step[name]
            assert isinstance(encoding, Encode)
            thresholds, codes = encoding.thresholds.reshape(-1), encoding.codes.reshape(-1)
            self.net.encode_last(thresholds, codes, len(encoding.thresholds))

    def _pack(self, step: Step) -> None:
        match step:
            case EncodeInput():
                order = channel_last(step.shape) if len(step.shape) > 1 else self._natural(step.name)
                keys = _ordered_keys(step.thresholds)
                codes = np.arange(len(keys) + 1, dtype=np.uint8)
                straight = np.array_equal(order, self._natural(step.name))
                place = np.empty(0, np.int32) if straight else _int32(np.argsort(order))
                self.net.encode_input(self._edge(step.name, order), place, keys, codes)
            case WeightedSum():
                self._weighted(step)
            case PooledSum():
                self._pooled(step)
            case CodeSum():
                self._code_sum(step)
            case CodeProduct():
                self._product(step)
            case Encode():
                self._encode(step)
            case Carry():
                self._carry(step)
            case Join():
                self._join(step)
            case _:
                raise AssertionError(step)

    def _weighted(self, step: WeightedSum) -> None:
        shape, source_shape = self.program.shapes[step.name], self.program.shapes[step.source]
        convolution = step.window is not None
        # A linear layer on a flat edge takes it as it lies: its weights are put in that order.
        flat = not convolution and len(source_shape) == 1
        wanted = channel_last(source_shape) if convolution else self._natural(step.source)
        source = self.edges[step.source] if flat else self._source(step.source, wanted)
        order = channel_last(shape) if convolution else self._natural(step.name)
        # Over the codebooks' where tables are damaged; rows then repeat for every set.
        sets = len(step.products)
        terms = [
            (self._source(term.source, order), np.broadcast_to(term.rows, (sets, term.rows.shape[1])))
            for term in step.residuals
        ]
        group = self.program.group_of[step.source]
        if flat:
            step = replace(step, weight_codes=step.weight_codes[:, self.order[step.source]])
        codes = packing.grouped_codes(step)
        first, place, base = layout.walk(step, source_shape, shape, codes.shape[2])
        self.net.weighted(
            self._sum_edge(step, order),
            source,
            step.channels,
            step.groups,
            sets,
            first,
            place,
            base,
            codes.shape[2],
            codes.shape[3],
            step.bias,
            packing.channel_blocks(codes).reshape(-1),
            step.products.astype(np.int32).reshape(-1),
            step.values.shape[1],
            group.size,
            not convolution and codes.shape[2] > 1,
        )
        add_tables(self.net, self.program, step, codes, search=step.name not in self.minor)
        for edge, rows in terms:
            self.net.term(edge, np.ascontiguousarray(rows).reshape(-1), rows.shape[1])
        self._finish_sum(step)

    def _pooled(self, step: PooledSum) -> None:
        w = step.window
        index = self._windows(
            step.source, w.kernel, w.stride, w.padding, w.dilation, step.divisor_index.shape
        )
        unit = np.broadcast_to(step.divisor_index, self.program.shapes[step.name]).reshape(-1)
        order = channel_last(self.program.shapes[step.name])
        source = self.edges[step.source]
        single = np.empty(0, np.int32) if len(step.divisors) == 1 else _int32(unit[order])
        edge = self._sum_edge(step, order)
        self.net.pooled(edge, source, _int32(index[order].reshape(-1)), index.shape[1], step.row, single)
        self._finish_sum(step)

    def _windows(
        self,
        source: str,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        padding: ops.Pairs,
        dilation: tuple[int, ...],
        out: tuple[int, ...],
    ) -> NDArray[np.int64]:
        """Storage places of each output's window, ``(outputs in natural order, taps)``, -1 for padding."""
        shape = self.program.shapes[source]
        place = np.argsort(self.order[source]).reshape(1, *shape)
        parts = [
            np.where(real, values, -1)
            for _, values, real in taps(place, kernel, stride, padding, dilation, out)
        ]
        return np.stack(parts, axis=-1).reshape(-1, len(parts))

    def _code_sum(self, step: CodeSum) -> None:
        order = self.order[step.terms[0].source]
        terms = [(self._source(term.source, order), term.rows) for term in step.terms]
        offset = np.empty(0, np.int32)
        if step.offset is not None:
            offset = np.broadcast_to(step.offset, self.program.shapes[step.name]).reshape(-1)[order]
        self.net.code_sum(self._sum_edge(step, order), np.ascontiguousarray(offset))
        for edge, rows in terms:
            self.net.term(edge, np.ascontiguousarray(rows).reshape(-1), rows.shape[1])
        self._finish_sum(step)

    def _product(self, step: CodeProduct) -> None:
        shape = self.program.shapes[step.name]
        order = channel_last(shape) if len(shape) > 1 else self._natural(step.name)
        index = []
        for name in (step.left, step.right):
            place = np.argsort(self.order[name]).reshape(self.program.shapes[name])
            index.append(np.broadcast_to(place, shape).reshape(-1)[order])
        table = step.products.astype(np.int32)
        left, right = self.edges[step.left], self.edges[step.right]
        pairs = _int32(np.stack(index, axis=1).reshape(-1))
        self.net.product(self._sum_edge(step, order), left, right, pairs, table.reshape(-1), table.shape[1])
        self._finish_sum(step)

    def _encode(self, step: Encode) -> None:
        order = self.order[step.source]
        unit = np.broadcast_to(self.program.unit_index(step.source), self.program.shapes[step.name]).reshape(
            -1
        )[order]
        source = self.edges[step.source]
        sets = len(step.thresholds)
        edge = self._edge(step.name, order)
        self.net.encode(edge, source, _int32(unit), step.thresholds.reshape(-1), step.codes.reshape(-1), sets)

    def _carry(self, step: Carry) -> None:
        shape = self.program.shapes[step.name]
        order = channel_last(shape) if len(shape) > 1 else self._natural(step.name)
        source = self.edges[step.source]
        if isinstance(step.op, ops.MaxPool):
            op = step.op
            index = self._windows(step.source, op.kernel, op.stride, op.padding, op.dilation, shape[1:])
            edge = self._edge(step.name, order)
            self.net.max_pool(edge, source, _int32(index[order].reshape(-1)), index.shape[1])
            return
        if isinstance(step.op, ops.Reshape):  # natural element numbers stay, so nothing moves
            self.edges[step.name], self.order[step.name] = self.edges[step.source], self.order[step.source]
            return
        place = np.argsort(self.order[step.source]).reshape(1, *self.program.shapes[step.source])
        moved = np.asarray(carry(step.op, place, -1)).reshape(-1)[order]
        pad = self.program.group_of[step.name].pad_code
        edge = self._edge(step.name, order)
        self.net.gather(edge, [source], _int32(moved), np.empty(0, np.uint8), pad or 0)

    def _join(self, step: Join) -> None:
        shape, count = self.program.shapes[step.name], len(step.sources)
        order = channel_last(shape) if len(shape) > 1 else self._natural(step.name)
        parts = []
        for which, name in enumerate(step.sources):
            place = np.argsort(self.order[name]).reshape(self.program.shapes[name])
            parts.append(place * count + which)
        index = np.concatenate(parts, axis=step.axis).reshape(-1)[order]
        recode = np.zeros((len(step.recode), 256), np.uint8)
        for row, table in zip(recode, step.recode, strict=True):
            row[: len(table)] = table
        sources = [self.edges[name] for name in step.sources]
        self.net.gather(self._edge(step.name, order), sources, _int32(index), recode.reshape(-1), 0)


def _fused_encodings(program: Program) -> dict[str, str]:
    """Sums whose only reader is one encoding, with that encoding's name: their accumulators are never stored."""
    readers: dict[str, list[Step]] = {}
    for step in program.steps:
        for name in sources_of(step):
            readers.setdefault(name, []).append(step)
    fused = {}
    for name, found in readers.items():
        sole = found[0] if len(found) == 1 else None
        if isinstance(sole, Encode) and name != program.output:
            fused[name] = sole.name
    return fused


def _ordered_keys(thresholds: NDArray[np.float32]) -> Int32:
    """int32 that ascend with the float32 values; both zeros have one key."""
    bits = (thresholds + np.float32(0)).view(np.int32)
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


def _int32(values: NDArray[Any]) -> Int32:
    return np.ascontiguousarray(values, np.int32)
