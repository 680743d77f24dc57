"""Step functions with straight-through gradients: native and torch paths, layouts, and the fused search."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.composer.finetune import staircase as module
from rapidnn.composer.finetune.books import Codebook, encoding_cuts
from rapidnn.composer.finetune.staircase import Layout, Tables, staircase
from rapidnn.tables.activation import fuse
from rapidnn.tables.program import ActivationTable


def random_tables(rng, sets, steps):
    thresholds = np.sort(rng.integers(-40, 40, (sets, steps)).astype(float), axis=1)
    values = rng.integers(-127, 128, (sets, steps + 1)).astype(np.float32)
    low = rng.integers(-45, 0, sets).astype(float)
    return Tables(thresholds, values, low, low + 40, rng.uniform(0.5, 2, sets))


def expected(x, tables, index):
    count = (x[..., np.newaxis] > tables.thresholds[index]).sum(axis=-1)
    passes = (x > tables.low[index]) & (x <= tables.high[index])
    return tables.values[index, count], passes * tables.slopes[index], count


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    steps=st.sampled_from([1, 3, 15, 31, 32, 33, 100, 255]),
    kind=st.sampled_from([torch.float32, torch.float64]),
    case=st.sampled_from(["flat", "channel", "last", "channels_last", "places"]),
    native=st.booleans(),
)
def test_every_path_gives_the_definition(seed, steps, kind, case, native):
    rng = np.random.default_rng(seed)
    shape = (3, 5, 4, 7)
    x = torch.from_numpy(rng.integers(-50, 50, shape).astype(float)).to(kind)
    sets, axis = {
        "flat": (1, None),
        "channel": (5, 1),
        "last": (7, -1),
        "channels_last": (5, 1),
        "places": (28, -1),
    }[case]
    if case == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    tables = random_tables(rng, sets, steps)
    index = {
        "flat": np.zeros((1, 1, 1, 1), int),
        "channel": np.arange(5).reshape(1, 5, 1, 1),
        "last": np.arange(7).reshape(1, 1, 1, 7),
        "channels_last": np.arange(5).reshape(1, 5, 1, 1),
        "places": np.arange(28).reshape(1, 1, 4, 7),
    }[case]
    index = np.broadcast_to(index, shape)
    y, slope, count = expected(x.numpy(), tables, index)
    g = torch.from_numpy(rng.normal(size=shape).astype(np.float32))
    x.requires_grad_()
    book = torch.zeros((sets, steps + 1), dtype=torch.float64, requires_grad=True)
    before = module._NATIVE_PIECES
    module._NATIVE_PIECES = before if native else 0
    try:
        found = staircase(x, book, tables, axis)
        found.backward(g)
    finally:
        module._NATIVE_PIECES = before
    assert np.array_equal(found.detach().numpy(), y)
    np.testing.assert_allclose(x.grad.numpy(), g.numpy() * slope, rtol=1e-6)
    sums = np.zeros((sets, steps + 1))
    np.add.at(sums, (index, count), g.numpy())
    np.testing.assert_allclose(book.grad.numpy(), sums, atol=1e-5)


def test_shared_book_gets_the_sum_over_sets():
    tables = random_tables(np.random.default_rng(0), 5, 3)
    book = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    staircase(torch.randn(2, 5, 3), book, tables, 1).sum().backward()
    assert book.grad.sum() == 30


def test_large_batches_are_shared_among_threads_with_equal_sums():
    tables = random_tables(np.random.default_rng(0), 1, 3)
    x = torch.randn(1 << 18) * 30
    results = []
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        book = torch.zeros(4, dtype=torch.float64, requires_grad=True)
        y = staircase(x, book, tables, None)
        y.backward(torch.ones_like(y))
        results.append((y.detach(), book.grad))
    torch.set_num_threads(before)
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert results[0][1].sum() == 1 << 18


def test_native_kernel_refuses_tables_that_do_not_fit():
    from rapidnn import _native

    one, empty = np.zeros(1, np.float32), np.zeros(0, np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        _native.staircase_f32(one, one, one, one, one, 1, one.copy(), np.zeros(1, np.uint16), 1)
    with pytest.raises(ValueError, match="do not fit"):
        _native.staircase_backward(one, np.zeros(2, np.uint16), one, 1, empty, np.zeros(1), 1)


def test_layout_of_an_ambiguous_tensor_is_consistent():
    x = torch.arange(12.0).reshape(12, 1, 1, 1)
    layout = Layout.of(x, 1, None)
    assert torch.equal(layout.flat(x), torch.arange(12.0))


rows_of_tables = st.lists(st.integers(-30, 30), min_size=1, max_size=6).map(sorted)


@settings(max_examples=200, deadline=None)
@given(rows_of_tables, st.sampled_from(["identity", "relu", "relu6"]), st.integers(0, 25))
def test_cuts_equal_the_fused_search(rows, kind, cap):
    table = ActivationTable(kind, cap=np.array([cap], np.int32) if kind == "relu6" else None)
    encoding = np.array([rows], np.int32)
    thresholds, codes = fuse(table, encoding)
    acc = np.arange(-40, 41)
    fused = codes[0][np.searchsorted(thresholds[0], acc, side="left")]
    cuts = encoding_cuts(encoding.astype(np.int64), kind, np.array([cap]) if kind == "relu6" else None)
    assert np.array_equal((acc[:, np.newaxis] > cuts[0]).sum(axis=1), fused)


def test_a_codebook_keeps_its_grid_its_zero_and_its_order():
    book = Codebook(np.array([[-3, 0, 5]]), np.array([0.5]), 8, held=1, unsigned=False)
    snapped = book.snap()
    assert snapped.values.tolist() == [[-76, 0, 127]]
    assert np.allclose(snapped.values * snapped.scales, [[-1.5, 0, 2.5]], atol=0.01)
    with torch.no_grad():
        book.values.copy_(torch.tensor([[2.0, 0.3, -1.0]]))
    book.settle()
    assert book.values.tolist() == [[0.0, 0.0, 0.0]]
    unsigned = Codebook(np.array([[0, 5]]), np.array([0.5]), 8, held=0, unsigned=True)
    with torch.no_grad():
        unsigned.values.copy_(torch.tensor([[0.2, -1.0]]))
    unsigned.settle()
    assert unsigned.values.min() == 0
    assert unsigned.snap().values.tolist() == [[0, 0]]
