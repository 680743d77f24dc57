"""The native encoders against a binary search in NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidnn import _native
from rapidnn.composer.cluster import encode, midpoints

HOSTILE = np.array(
    [0.0, -0.0, 1e-45, -1e-45, 1e-39, -1e-39, 1e-38, np.inf, -np.inf, np.nan, -np.nan, 3.4e38, -3.4e38],
    np.float32,
)
CUT = st.floats(width=32, allow_nan=False)


def methods(x, cuts):
    """Codes by every method this machine has, of so many values that tables are used too."""
    many = np.tile(x, 65_536 // len(x) + 1)
    for method in ("best", "keys", "tree"):
        for values in (x, many):
            codes = np.full(len(values), 255, np.uint8)
            try:
                _native.encode(values, cuts, codes, 2, method)
            except RuntimeError:
                assert method == "tree"
                continue
            assert (codes == np.resize(codes[: len(x)], len(values))).all()
            yield codes[: len(x)]


@given(cuts=st.lists(CUT, max_size=40), data=st.data())
def test_all_encoders_search_alike(cuts, data):
    cuts = np.sort(np.array(cuts, np.float32))
    with np.errstate(over="ignore"):
        beside = [np.nextafter(cuts, np.float32(end)) for end in (np.inf, -np.inf)]
    x = np.concatenate([HOSTILE, cuts, *beside])
    x = np.append(x, np.array(data.draw(st.lists(CUT, max_size=20)), np.float32))
    expected = np.searchsorted(cuts, x, side="left")
    for codes in methods(x, cuts):
        assert (codes == expected).all()


@pytest.mark.parametrize("size", [1, 2, 3, 16, 17, 32, 33, 64, 65, 128, 129, 255, 256])
def test_every_depth_of_the_tree(size):
    rng = np.random.default_rng(size)
    cuts = np.sort(rng.normal(size=size - 1)).astype(np.float32)
    x = np.concatenate([rng.normal(size=1000), cuts, cuts]).astype(np.float32)
    for codes in methods(x, cuts):
        assert (codes == np.searchsorted(cuts, x, side="left")).all()


def test_ties_go_to_the_lower_code():
    values = np.array([-2, 0, 1, 5], np.int32)
    assert encode(np.array([[-1, 0.5], [3, 3.0000002]], np.float32), values, 1.0).tolist() == [[0, 1], [2, 3]]


def test_layouts_and_threads():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(500, 1001)).astype(np.float32)
    values, scale = np.sort(rng.choice(200, 40, replace=False)).astype(np.int32) - 100, 0.03
    expected = np.searchsorted(midpoints(values, scale).astype(np.float32), x, side="left")
    for same in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        for threads in (1, 3, None):
            codes = encode(same, values, scale, threads=threads)
            assert codes.flags.c_contiguous
            assert (codes == expected).all()
    assert encode(np.float32(1.0).reshape(()), values, scale).shape == ()


def test_what_does_not_fit_is_refused():
    x, codes = np.zeros(4, np.float32), np.zeros(3, np.uint8)
    with pytest.raises(ValueError, match="same length"):
        _native.encode(x, x, codes)
    with pytest.raises(ValueError, match="255"):
        _native.encode(x[:3], np.zeros(256, np.float32), codes)
