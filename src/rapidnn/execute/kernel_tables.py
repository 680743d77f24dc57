"""A weighted sum's product tables in every form that the native kernels can use."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.execute import layout, packing
from rapidnn.execute.residual import offsets, residual_table, split_products
from rapidnn.execute.splitting import Split
from rapidnn.tables.program import Program, UInt8, WeightedSum

Float64 = NDArray[np.float64]

_SEARCHED_AT_LEAST, _FEW_PRODUCTS = 100, 1 << 16


def minor_steps(program: Program) -> frozenset[str]:
    """Weighted sums for which the search of a split, tens of milliseconds each, would not pay.

    In networks of hundreds of layers those of few products a sample, but for the largest.
    """
    products = {
        step.name: math.prod(program.shapes[step.name]) * step.taps
        for step in program.steps
        if isinstance(step, WeightedSum)
    }
    smaller = sorted(products, key=products.__getitem__, reverse=True)[_SEARCHED_AT_LEAST:]
    return frozenset(name for name in smaller if products[name] < _FEW_PRODUCTS)


def add_tables(
    net: _native.Network, program: Program, step: WeightedSum, codes: UInt8, *, search: bool = True
) -> None:
    """Give the network's last step its tables; ``codes`` as :func:`packing.grouped_codes` gives them.

    Without ``search`` tables that are no outer product of bytes are kept as planes only, which is quick.
    """
    sets, rows, entries = step.products.shape
    used = np.bincount(step.weight_codes.reshape(-1), minlength=rows).astype(np.float64)
    planes = packing.split_planes(step.products.reshape(-1, entries), np.tile(used, sets))
    turned = packing.split_planes(step.products[0].T, np.ones(entries)) if sets == 1 else None
    if planes is not None and (turned is not None or sets > 1):
        columns = packing.channel_columns(codes) if turned is not None else np.empty((0,), np.uint8)
        net.planes(
            planes.bytes.reshape(-1),
            planes.base,
            list(planes.shift),
            np.empty(0, np.uint8) if turned is None else turned.bytes.reshape(-1),
            np.empty(0, np.int32) if turned is None else turned.base,
            [] if turned is None else list(turned.shift),
            columns.reshape(-1),
            columns.shape[-1],
        )
    else:
        planes = None
    group = program.group_of[step.source]
    factors = packing.factorise(step, group)
    if factors is not None:
        net.factors(
            factors.weights.reshape(-1), factors.operand.reshape(-1), factors.correction, factors.zero
        )
        if planes is not None:
            _outer(net, program, step, codes, packing.exact_split(step, group), None, factors=True)
    elif planes is not None and search:
        exact = packing.remainder_split(step, group)
        if turned is not None:
            _rough(net, step, codes, planes.cost)
        found = packing.best_split(step, planes, used, exact)
        if found is not None:
            _outer(net, program, step, codes, *found)


def _rough(net: _native.Network, step: WeightedSum, codes: UInt8, planes: float) -> None:
    """Byte dot products and a residual, where they cost less than planes; their sums are meant modulo 2**32."""
    split = split_products(step.products[0], large=step.weight_codes.size > packing.LARGE)
    if split is None or split.cost >= planes:
        return
    dot = packing.pack_dot([row[codes] for row in split.weights], split.inputs, offsets(split))
    least_offset = max(0, -int(split.least.min()))
    net.rough(
        dot.weights.reshape(-1),
        dot.operand.reshape(-1),
        dot.correction,
        dot.zero,
        residual_table(split).reshape(-1),
        (split.least + least_offset).astype(np.uint8),
        least_offset,
        split.segment,
    )


def _outer(
    net: _native.Network,
    program: Program,
    step: WeightedSum,
    codes: UInt8,
    split: Split,
    rest: packing.Planes | None,
    *,
    factors: bool = False,
) -> None:
    image, start, width, row = layout.image(
        step, program.shapes[step.source], program.shapes[step.name], codes.shape[2]
    )
    packed = packing.pack_outer(codes, split, len(step.products), width)
    net.outer(
        packed.operand.reshape(-1),
        packed.zero,
        packed.weights.reshape(-1),
        packed.correction,
        image,
        start.reshape(-1),
        start.shape[1],
        width,
        row,
        split.down,
        factors,
    )
    if rest is not None:
        net.rest(rest.bytes.reshape(-1), rest.base, list(rest.shift))
