"""Hand-made programs, small enough to check by eye, with tables of our choosing."""

import numpy as np

from rapidnn.graph import ops
from rapidnn.tables.program import (
    ActivationTable,
    Carry,
    CodeGroup,
    Encode,
    EncodeInput,
    PooledSum,
    Program,
    Residual,
    WeightedSum,
    Window,
)


def group(size, name="g"):
    """A codebook of ``size`` ascending integers; code 0 is not the value 0 unless size is 1."""
    values = np.arange(1, size + 1, dtype=np.int32)
    return CodeGroup(name, values, 1.0, 8, None)


def encode_input(shape, size, name="x", book="g"):
    thresholds = np.linspace(-1, 1, size - 1, dtype=np.float32)
    return EncodeInput(name, book, thresholds, shape)


def weighted(
    name, source, weight_codes, products, *, bias=None, window=None, groups=1, bound=1000, residuals=()
):
    """A weighted sum; ``products`` ``(w, u)`` or ``(G, w, u)``."""
    products = np.asarray(products, np.int16)
    products = products if products.ndim == 3 else products[np.newaxis]
    sets, w, _ = products.shape
    codes = np.asarray(weight_codes, np.uint8)
    return WeightedSum(
        name=name,
        source=source,
        window=window,
        groups=groups,
        weight_codes=codes,
        values=np.tile(np.arange(w, dtype=np.int32), (sets, 1)),
        scales=np.ones(sets),
        bits=8,
        products=products,
        product_bits=16,
        shift=0,
        bias=np.zeros(len(codes), np.int32) if bias is None else np.asarray(bias, np.int32),
        acc_scales=np.ones(sets),
        bound=bound,
        residuals=residuals,
    )


def encode(name, source, size, *, activation=None, book="g", units=1):
    """An encoding of ``size`` codes; only its extents matter to the cost."""
    rows = np.tile(np.arange(size, dtype=np.int32), (units, 1))
    return Encode(
        name,
        source,
        book,
        activation or ActivationTable("relu"),
        rows,
        rows[:, 1:],
        np.tile(np.arange(size, dtype=np.uint8), (units, 1)),
    )


def table_activation(rows=8, sets=1):
    """A sigmoid-like activation with a table of ``rows`` rows, for ``sets`` accumulator units."""
    z = np.arange(rows, dtype=np.int32)
    return ActivationTable("sigmoid", (), None, np.tile(z, (sets, 1)), z, 1.0)


def dense_program(inputs=8, outputs=4, w=4, u=4, seed=0, **more):
    """Input -> one dense layer, random tables."""
    rng = np.random.default_rng(seed)
    step = weighted(
        "fc",
        "x",
        rng.integers(0, w, (outputs, inputs)),
        rng.integers(-500, 500, (1, w, u)),
        bias=rng.integers(-5, 5, outputs),
        **{"bound": 501 * inputs, **more},
    )
    return Program((group(u),), (encode_input((inputs,), u), step), "fc")


def conv_program(seed=0):
    """conv, ReLU, max pool, strided and padded grouped conv with a residual, sigmoid table, average pool."""
    rng = np.random.default_rng(seed)
    u, w = 8, 4
    first = weighted(
        "conv1",
        "x",
        rng.integers(0, w, (4, 2, 3, 3)),
        rng.integers(-9, 9, (1, w, u)),
        bias=[1, 0, 2, 3],
        window=Window((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
        bound=3000,
    )
    pool = Carry("pool", "conv1.code", ops.MaxPool((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False))
    second = weighted(
        "conv2",
        "pool",
        rng.integers(0, w, (4, 2, 3, 3)),
        rng.integers(-9, 9, (4, w, u)),
        window=Window((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
        groups=2,
        bound=3000,
        residuals=(Residual("pool", rng.integers(-3, 3, (4, u)).astype(np.int32)),),
    )
    window = Window((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
    row = np.arange(1, u + 1, dtype=np.int32)
    one = np.array([4], np.int32)
    mean = PooledSum(
        "mean", "conv2.code", window, False, row, one, np.zeros((2, 2), np.uint8), np.ones(1), 32
    )
    steps = (
        encode_input((2, 8, 8), u),
        first,
        encode("conv1.code", "conv1", u),
        pool,
        second,
        encode("conv2.code", "conv2", u, activation=table_activation(sets=4), units=1),
        mean,
    )
    return Program((group(u),), steps, "mean")
