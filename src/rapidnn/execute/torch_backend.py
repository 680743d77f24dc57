"""The torch executor: the reference's integers through tensor operations, on any device torch has.

This module imports torch; ``rapidnn.execute.composed`` imports it only where the backend is asked for. Codes are uint8,
sums int32 and real edges float32 tensors on the device. Operators of the host, and an activation at the network's
end, are computed where they are defined, on the CPU (``rapidnn.execute.reference``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rapidnn.errors import DataError
from rapidnn.execute.inputs import check_input
from rapidnn.execute.reference import Edge, Observer, run_step
from rapidnn.execute.torch_sums import TorchSum, TorchTerm, look_up, windows
from rapidnn.execute.vectorised import last_uses
from rapidnn.graph import ops
from rapidnn.tables.program import (
    Carry,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    EncodeReal,
    Join,
    PooledSum,
    Program,
    Step,
    WeightedSum,
    sources_of,
)

_NO_FLOAT64 = ("mps",)


def open_device(name: str) -> torch.device:
    """The torch device of that name, after a trial.

    Raises
    ------
    DataError
        If torch knows no such device, or this machine has none.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        have = ", ".join(["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))])
        raise DataError(f"device {name!r} cannot be used ({reason}); this machine has {have}") from None
    return device


class TorchNetwork:
    """A program with its tables on a device.

    Parameters
    ----------
    device
        As torch names it: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.

    Raises
    ------
    DataError
        If the device does not exist or cannot hold what the program needs.
    """

    def __init__(self, program: Program, device: str = "cpu") -> None:
        self.program, self.device = program, open_device(device)
        self.wide = self.device.type not in _NO_FLOAT64
        self._sums: dict[str, TorchSum] = {}
        self._terms: dict[str, list[TorchTerm]] = {}
        self._tables: dict[str, tuple[Tensor, ...]] = {}
        self._unit_axis: dict[str, int | None] = {}
        for step in program.steps:
            self._pack(step)

    def run(self, x: NDArray[Any], observe: Observer | None = None) -> Edge:
        """Same contract and same integers as :func:`rapidnn.execute.reference.run_reference`."""
        edges: dict[str, Tensor] = {}
        try:
            with torch.inference_mode():
                for step, finished in zip(self.program.steps, last_uses(self.program), strict=True):
                    edges[step.name] = self._run(step, edges, x)
                    if observe is not None:
                        observe(step.name, _to_host(edges[step.name]))
                    for name in finished:
                        del edges[name]
                return _to_host(edges[self.program.output])
        except (torch.OutOfMemoryError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"device {str(self.device)!r}: {reason}; use another device or backend") from None

    def _put(self, array: Any) -> Tensor:
        return torch.tensor(np.ascontiguousarray(array)).to(self.device)

    def _pack(self, step: Step) -> None:
        program, name = self.program, step.name
        match step:
            case EncodeInput() | EncodeReal():
                self._tables[name] = (self._put(step.thresholds),)
            case WeightedSum():
                shape, group = program.shapes[name], program.group_of[step.source]
                self._sums[name] = TorchSum(step, shape, group, self.device, wide=self.wide)
                axis = len(shape) - 1 if step.window is None else 0
                self._terms[name] = [TorchTerm(t, axis, len(shape), self.device) for t in step.residuals]
            case PooledSum():
                self._tables[name] = (self._put(step.row),)
            case CodeSum():
                rank = len(program.shapes[name])
                self._terms[name] = [TorchTerm(term, 0, rank, self.device) for term in step.terms]
                self._tables[name] = (self._put(np.int32(0) if step.offset is None else step.offset),)
            case CodeProduct():
                self._tables[name] = (self._put(step.products.astype(np.int32).reshape(-1)),)
            case Encode():
                unit = program.unit_index(step.source)
                self._tables[name] = tuple(self._put(table) for table in (step.thresholds, step.codes, unit))
                self._unit_axis[name] = _unit_axis(unit, len(step.thresholds))
            case Join():
                self._tables[name] = tuple(self._put(table) for table in step.recode)
            case _:
                pass

    def _run(self, step: Step, edges: dict[str, Tensor], x: NDArray[Any]) -> Tensor:
        tables = self._tables.get(step.name, ())
        match step:
            case EncodeInput():
                return _count_below(tables[0], self._put(check_input(self.program, x))).to(torch.uint8)
            case EncodeReal():
                return _count_below(tables[0], edges[step.source]).to(torch.uint8)
            case WeightedSum():
                return self._add_terms(self._sums[step.name](edges[step.source]), step, edges)
            case PooledSum():
                decoded = look_up(tables[0], edges[step.source])
                view = windows(decoded, step.window, step.divisor_index.shape, 0)
                return view.sum(dim=_kernel_axes(step.window.kernel), dtype=torch.int32)
            case CodeSum():
                return self._add_terms(tables[0], step, edges)
            case CodeProduct():
                rows = edges[step.left].int() * step.products.shape[1]
                return look_up(tables[0], rows + edges[step.right])
            case Encode():
                return _encode(step, tables, self._unit_axis[step.name], edges[step.source])
            case Carry():
                return self._carry(step, edges[step.source])
            case Join():
                parts = [edges[name] for name in step.sources]
                recoded = [look_up(table, codes) for table, codes in zip(tables, parts, strict=False)]
                return torch.cat(recoded or parts, dim=step.axis + 1)
            case _:
                read = {name: _to_host(edges[name]) for name in sources_of(step)}
                return self._put(run_step(self.program, step, read, x))

    def _add_terms(self, acc: Tensor, step: WeightedSum | CodeSum, edges: dict[str, Tensor]) -> Tensor:
        for term in self._terms[step.name]:
            acc = acc + term(edges[term.source])
        return acc

    def _carry(self, step: Carry, x: Tensor) -> Tensor:
        shape = self.program.shapes[step.name]
        match step.op:
            case ops.MaxPool():
                # Code 0 is never above another one, so that padding with it never wins.
                view = windows(x, step.op, shape[1:], 0)
                return view.amax(dim=_kernel_axes(step.op.kernel))
            case ops.Pad():
                pads = [n for pair in reversed(step.op.pads) for n in pair]
                return F.pad(x, pads, value=self._pad_code(step))
            case ops.ZeroStuff():
                result = x.new_full((len(x), *shape), self._pad_code(step))
                result[(slice(None), slice(None), *(slice(None, None, s) for s in step.op.stride))] = x
                return result
            case ops.Reshape():
                return x.reshape(len(x), *step.op.shape)
            case ops.Transpose():
                return x.permute(0, *(axis + 1 for axis in step.op.perm))
            case ops.Slice():
                bounds = zip(step.op.starts, step.op.stops, step.op.steps, strict=True)
                return x[(slice(None), *(slice(*bound) for bound in bounds))]
            case ops.Take():
                return x.index_select(step.op.axis + 1, torch.tensor(step.op.indices, device=self.device))

    def _pad_code(self, step: Carry) -> int:
        code = self.program.group_of[step.source].pad_code
        assert code is not None
        return code


def _kernel_axes(kernel: tuple[int, ...]) -> list[int]:
    return list(range(-len(kernel), 0))


def _to_host(values: Tensor) -> Edge:
    return values.cpu().numpy()


def _count_below(thresholds: Tensor, x: Tensor) -> Tensor:
    """How many thresholds ``(m,)`` lie below each value, int32."""
    return torch.searchsorted(thresholds, x.contiguous(), out_int32=True)


def _unit_axis(unit: NDArray[np.intp], sets: int) -> int | None:
    """The axis of a sample along which the units simply count up, if there is one."""
    if not np.array_equal(unit.reshape(-1), np.arange(sets)) or sets not in unit.shape:
        return None
    return unit.shape.index(sets)


def _encode(step: Encode, tables: tuple[Tensor, ...], axis: int | None, acc: Tensor) -> Tensor:
    """``codes[t, #(acc > thresholds[t])]``, t the unit at each place; ``axis`` as :func:`_unit_axis` has it."""
    thresholds, codes, unit = tables
    sets = len(step.thresholds)
    if sets == 1:
        return look_up(codes[0], _count_below(thresholds[0], acc))
    if axis is not None:  # one search of as many rows
        rows = acc.movedim(axis + 1, 0)
        found = torch.searchsorted(thresholds, rows.reshape(sets, -1).contiguous())
        return codes.gather(1, found).view(rows.shape).movedim(0, axis + 1)
    result = torch.empty_like(acc, dtype=torch.uint8)
    for t in range(sets):
        part = look_up(codes[t], _count_below(thresholds[t], acc))
        result = torch.where(unit == t, part, result)
    return result
