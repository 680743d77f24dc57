"""From accumulators, real values or other codes to the integers of a codebook: nearest search, straight through."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rapidnn.composer.finetune.books import Snapped, encoding_cuts
from rapidnn.composer.finetune.layer import Sum
from rapidnn.composer.finetune.ops import through
from rapidnn.composer.finetune.staircase import Tables, staircase
from rapidnn.execute.reference import activate as activate_integers
from rapidnn.graph import ops
from rapidnn.graph.float_exec import apply_op
from rapidnn.tables import program as tables
from rapidnn.tables.activation import COMPARED, encoding_table, fuse
from rapidnn.tables.program import ActivationTable


def encode(
    acc: Sum, activation: ops.Activation | None, group: Snapped, step: tables.Step, unit: NDArray[np.intp]
) -> torch.Tensor:
    """Activation and nearest search of an accumulator, float32 codebook integers.

    ``unit`` says which table set of ``step`` holds where (`rapidnn.tables.program.Program.unit_index`).
    """
    assert isinstance(step, tables.Encode)
    kind = "identity" if activation is None else activation.kind
    if kind not in COMPARED:
        assert activation is not None
        return _encode_through_table(acc, activation, group, step.activation, unit)
    values, scale = group.values[0], float(group.scales[0])
    cap = np.rint(6.0 / acc.scales).astype(np.int64) if kind == "relu6" else None
    rows = encoding_table(ActivationTable(kind), acc.scales, values.astype(np.int32), scale).astype(np.int64)
    low = rows[:, 0] - 1 if kind == "identity" else np.zeros(len(rows))
    high = rows[:, -1] if cap is None else np.minimum(rows[:, -1], cap)
    made = Tables(
        encoding_cuts(rows, kind, cap),
        np.broadcast_to(values.astype(np.float32), rows.shape),
        low.astype(np.float64),
        high.astype(np.float64),
        acc.scales / scale,
    )
    return staircase(acc.value, group.book[0], made, acc.axis)


def encode_real(x: torch.Tensor, group: Snapped, thresholds: NDArray[np.float32]) -> torch.Tensor:
    """Float32 numbers to the nearest value of the codebook by exact thresholds."""
    values, index = np.unique(group.values[0], return_index=True)
    scale = np.array([float(group.scales[0])])
    made = Tables(
        thresholds.astype(np.float64)[np.newaxis],
        values.astype(np.float32)[np.newaxis],
        values[:1] * scale,
        values[-1:] * scale,
        1.0 / scale,
    )
    return staircase(x, group.book[0, torch.from_numpy(index)], made, None)


def activate(acc: Sum, activation: ops.Activation, step: tables.Step, unit: NDArray[np.intp]) -> Sum:
    """An activation at the network's end; a table's result counts in its own unit."""
    assert isinstance(step, tables.Activate)
    table = step.activation
    approximate = _float_activation(acc, activation)
    if table.g_scale is None:
        cap = None if table.cap is None else torch.from_numpy(np.rint(6.0 / acc.scales)).to(acc.value.device)
        exact = acc.value.detach().clamp(min=0.0)
        exact = exact if cap is None else torch.minimum(exact, _per_unit(cap, acc).to(exact.dtype))
        units = _per_unit(torch.from_numpy(acc.scales).to(acc.value.device), acc)
        return Sum(through(approximate / units, exact.double()), acc.scales, acc.axis)
    found = activate_integers(table, acc.value.detach().cpu().numpy().astype(np.int64), unit)
    exact = torch.from_numpy(found.astype(np.float64)).to(acc.value.device)
    return Sum(through(approximate / table.g_scale, exact), np.array([table.g_scale]), None)


def recode(value: torch.Tensor, source: Snapped, target: Snapped) -> torch.Tensor:
    """Integers of one codebook as the nearest of another; the same tensor where both are one."""
    if source is target:
        return value
    from rapidnn.composer.tabulate import recoding
    from rapidnn.tables.program import CodeGroup

    books = []
    for book in (source, target):
        distinct = np.unique(book.values[0]).astype(np.int32)
        books.append(CodeGroup("", distinct, float(book.scales[0]), 16, None))
    translated = books[1].values[recoding(books[0], books[1])].astype(np.float32)
    place = torch.searchsorted(
        torch.from_numpy(books[0].values.astype(np.float32)), value.detach().contiguous()
    )
    exact = torch.from_numpy(translated)[place]
    return through(value * (books[0].scale / books[1].scale), exact)


def _encode_through_table(
    acc: Sum, activation: ops.Activation, group: Snapped, table: ActivationTable, unit: NDArray[np.intp]
) -> torch.Tensor:
    """The stored table decides the code; the gradient is that of the function, inside the codebook's range."""
    values, index = np.unique(group.values[0], return_index=True)
    scale = float(group.scales[0])
    encoding = encoding_table(table, acc.scales, values.astype(np.int32), scale)
    thresholds, codes = fuse(table, encoding)
    if len(thresholds) > 1:
        thresholds, codes = thresholds[unit.reshape(-1)], codes[unit.reshape(-1)]
    far = np.full(len(thresholds), np.inf)
    count = staircase(
        acc.value.detach(),
        group.book.new_zeros(codes.shape),
        Tables(thresholds.astype(np.float64), codes.astype(np.float32), -far, far, far),
        None if len(thresholds) == 1 else acc.axis,
    ).long()
    smooth = _float_activation(acc, activation) / scale
    inside = ((smooth >= float(values[0])) & (smooth <= float(values[-1]))).float()
    chosen = group.book[0, torch.from_numpy(index)][count].float()
    exact = torch.from_numpy(values.astype(np.float32)).to(count.device)[count]
    # Both the function's argument and the codebook learn; only one of them is in the value.
    carrier = smooth.float() * inside + (chosen - chosen.detach())
    return through(carrier, exact)


def _float_activation(acc: Sum, activation: ops.Activation) -> torch.Tensor:
    units = _per_unit(torch.from_numpy(acc.scales).to(acc.value.device), acc)
    return apply_op(activation, [acc.value.double() * units])


def _per_unit(per_set: torch.Tensor, acc: Sum) -> torch.Tensor:
    return per_set[0] if len(per_set) == 1 else per_set.reshape(_unit_shape(acc))


def _unit_shape(acc: Sum) -> tuple[int, ...]:
    """The shape in which units broadcast against one sample."""
    sample = tuple(acc.value.shape[1:])
    if len(acc.scales) == 1:
        return (1,) * len(sample)
    if acc.axis == 1:
        return (-1, *(1,) * (len(sample) - 1))
    trailing = next(k for k in range(1, len(sample) + 1) if np.prod(sample[-k:]) == len(acc.scales))
    return (1,) * (len(sample) - trailing) + sample[len(sample) - trailing :]
