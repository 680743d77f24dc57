"""Small programs with the tables a test wants, made without composing."""

from dataclasses import replace

import numpy as np

from rapidnn.data.preprocess import Preprocess
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.tables.products import neuron_bounds, product_limit
from rapidnn.tables.program import CodeGroup, EncodeInput, Program, WeightedSum
from rapidnn.tables.validate import validate


def dense(taps, channels, *, bits, products, weights=4, inputs=6, seed=0, bias=False):
    """Input codes and one linear layer ``fc``; ``products`` ``(w, u)`` or None for the outer product."""
    return _program((taps,), (channels, taps), None, bits, products, weights, inputs, seed, bias)


def convolution(
    shape, channels, window, *, bits, products, groups=1, weights=4, inputs=6, seed=0, bias=False
):
    """Input codes and one convolution ``fc`` of samples ``(C, ...)``."""
    codes = (channels, shape[0] // groups, *window.kernel)
    return _program(shape, codes, window, bits, products, weights, inputs, seed, bias, groups)


def _program(shape, codes, window, bits, products, weights, inputs, seed, bias, groups=1):
    rng = np.random.default_rng(seed)
    values = np.arange(inputs, dtype=np.int32) - inputs // 2
    group = CodeGroup("g", values, 0.5, 16, inputs // 2)
    thresholds = ((values[:-1] + values[1:]) * 0.25).astype(np.float32)
    book = np.sort(rng.integers(-127, 128, (1, weights))).astype(np.int32)
    if products is None:
        limit = product_limit(bits)
        products = np.clip(book[0][:, np.newaxis].astype(np.int64) * values, -limit, limit)
    tables = np.asarray(products, np.int16 if bits <= 16 else np.int32)
    tables = tables if tables.ndim == 3 else tables[np.newaxis]
    weight_codes = rng.integers(0, weights, codes, dtype=np.uint8)
    step = WeightedSum(
        "fc",
        "x",
        window,
        groups,
        weight_codes,
        book,
        np.array([0.1]),
        8,
        tables,
        bits,
        0,
        rng.integers(-5, 6, codes[0]).astype(np.int32) * bias,
        np.array([0.05]),
        0,
        (),
    )
    bound = int((neuron_bounds(tables, weight_codes) + np.abs(step.bias.astype(np.int64))).max())
    program = Program((group,), (EncodeInput("x", "g", thresholds, shape), replace(step, bound=bound)), "fc")
    validate(program)
    return program


def network(program):
    """The program as its user holds it."""
    return ComposedNetwork(program, Preprocess.identity(program.input_shape), {})
