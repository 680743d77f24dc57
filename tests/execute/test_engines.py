"""Every engine equals the reference on hostile tables, long sums, odd sizes, any batch, and any array."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn.tables.program import Window
from tests.execute.engines import assert_engines_equal
from tests.execute.programs import convolution, dense, network
from tests.strategies import compositions, with_hostile_tables

RELAXED = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
LOW, HIGH = -(2**15), 2**15 - 1
FILLS = {
    "highest": lambda rng, shape: np.full(shape, HIGH),
    "lowest": lambda rng, shape: np.full(shape, LOW),
    "extremes": lambda rng, shape: rng.choice([LOW, HIGH], shape),
    "extreme rows": lambda rng, shape: np.broadcast_to(rng.choice([LOW, HIGH], (*shape[:-1], 1)), shape),
    "extreme columns": lambda rng, shape: np.broadcast_to(rng.choice([LOW, HIGH], shape[-1]), shape),
    "random": lambda rng, shape: rng.integers(LOW, HIGH, shape, endpoint=True),
}
BATCHES = [1, 2, 63, 64, 65, 127, 129, 300, 1024, 1025]


def inputs(rng, batch, *shape):
    """Values that reach every code of the test programs, infinities among them."""
    x = rng.normal(size=(batch, *shape)).astype(np.float32) * 20
    x.flat[0] = np.inf
    x.flat[-1] = -np.inf
    return x


@RELAXED
@given(compositions(), st.sampled_from([1, 7, 64, 65, 257]), st.booleans(), st.integers(0, 2**32 - 1))
def test_random_graphs(made, batch, hostile, seed):
    _, composed, x = made
    rng = np.random.default_rng(seed)
    if hostile:
        composed = network(with_hostile_tables(composed.program, rng))
    assert_engines_equal(composed, x[rng.integers(len(x), size=batch)], threads=2)


@pytest.mark.parametrize("sizes", [(1, 1), (5, 16), (16, 16), (64, 64), (128, 33), (16, 256), (256, 256)])
@pytest.mark.parametrize("fill", FILLS)
def test_tables_of_extremes(fill, sizes):
    """Odd numbers of taps and channels, at a batch that leaves a part of a vector, and at one sample."""
    rng = np.random.default_rng(0)
    weights, codes = sizes
    for taps, channels, batch in [(37, 5, 67), (130, 67, 1)]:
        products = FILLS[fill](rng, sizes)
        made = dense(
            taps, channels, bits=16, products=products, weights=weights, inputs=codes, seed=1, bias=True
        )
        assert_engines_equal(network(made), inputs(rng, batch, taps))


@pytest.mark.parametrize(
    ("fill", "codes"), [("highest", 16), ("lowest", 64), ("extremes", 16), ("random", 64)]
)
@pytest.mark.parametrize("taps", [4095, 25_088])
def test_long_sums(taps, fill, codes):
    rng = np.random.default_rng(2)
    made = dense(taps, 3, bits=16, products=FILLS[fill](rng, (codes, codes)), weights=codes, inputs=codes)
    assert made.step["fc"].bound > 2**26
    for batch in (1, 70):
        assert_engines_equal(network(made), inputs(rng, batch, taps), reference=2)


@pytest.mark.parametrize("fill", ["lowest", "extremes"])
def test_extremes_per_neuron(fill):
    rng = np.random.default_rng(3)
    composed = network(dense(611, 9, bits=16, products=None, weights=16, inputs=16))
    damaged = composed.with_products({"fc": FILLS[fill](rng, (9, 16, 16))})
    for batch in (1, 70):
        assert_engines_equal(damaged, inputs(rng, batch, 611), reference=3)


@pytest.mark.parametrize("fill", ["lowest", "extremes", "random", None])
@pytest.mark.parametrize(
    ("shape", "channels", "groups", "window"),
    [
        ((3, 7, 5), 5, 1, Window((3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2))),
        ((6, 9), 9, 3, Window((4,), (3,), ((2, 0),), (1,))),
        ((67, 3, 3), 67, 67, Window((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))),
        ((2, 3, 4, 3), 3, 1, Window((2, 2, 2), (1, 1, 1), ((0, 1), (1, 0), (0, 0)), (1, 1, 1))),
    ],
)
def test_convolutions(shape, channels, groups, window, fill):
    rng = np.random.default_rng(4)
    products = None if fill is None else FILLS[fill](rng, (16, 16))
    made = convolution(
        shape,
        channels,
        window,
        bits=16,
        products=products,
        groups=groups,
        weights=16,
        inputs=16,
        bias=True,
    )
    for batch in (1, 65):
        assert_engines_equal(network(made), inputs(rng, batch, *shape))


@pytest.mark.parametrize("products", ["extremes", None])
def test_batches(products):
    rng = np.random.default_rng(5)
    tables = None if products is None else FILLS[products](rng, (16, 16))
    composed = network(dense(45, 66, bits=16, products=tables, weights=16, inputs=16))
    for batch in BATCHES:
        assert_engines_equal(composed, inputs(rng, batch, 45), reference=64, threads=1 + batch % 3)


def forms(x):
    """The same numbers ``(N, 3, 6, 5)`` as arrays that lie in memory every other way, and as tensors."""
    wide = np.zeros((2 * len(x), 3, 6, 10), np.float32)
    wide[::2, :, :, 1::2] = x
    yield "strided", wide[::2, :, :, 1::2]
    yield "negative strides", x[::-1, :, ::-1].copy()[::-1, :, ::-1]
    yield "Fortran order", np.asfortranarray(x)
    yield "transposed", x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    yield "float64", x.astype(np.float64)
    yield "big endian", x.astype(">f4")
    frozen = x.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
    unaligned = np.frombuffer(b"." + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    assert not unaligned.flags.aligned
    yield "unaligned", unaligned
    yield "tensor", torch.from_numpy(x.copy())
    yield "channels-last tensor", torch.from_numpy(x.copy()).to(memory_format=torch.channels_last)
    yield "float64 tensor", torch.from_numpy(x.copy()).double()
    yield "tensor with a gradient", torch.from_numpy(x.copy()).requires_grad_()


@pytest.mark.filterwarnings("error")
def test_arrays_of_every_form():
    rng = np.random.default_rng(6)
    window = Window((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    made = convolution(
        (3, 6, 5), 4, window, bits=16, products=FILLS["extremes"](rng, (16, 16)), weights=16, inputs=16
    )
    composed = network(made)
    for batch in (1, 70):
        x = inputs(rng, batch, 3, 6, 5)
        expected = composed.run(x, backend="reference")
        for form, array in forms(x):
            for backend in ("cpu", "numpy", "reference", "torch"):
                assert (composed.run(array, backend=backend) == expected).all(), (form, backend)


def test_numbers_that_are_not_float32():
    composed = network(dense(6, 3, bits=16, products=None))
    x = np.arange(-12, 12).reshape(4, 6)
    expected = composed.run(x.astype(np.float32), backend="reference")
    for array in (x, x.astype(np.int8), x.astype(np.float16), torch.from_numpy(x).bfloat16()):
        for backend in ("cpu", "torch"):
            assert (composed.run(array, backend=backend) == expected).all(), array.dtype
