"""The fused form must equal the two-step search on every int32: each threshold, its neighbours, and both ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidnn.tables.activation import (
    activation_table,
    encoding_table,
    fuse,
    nearest,
)
from rapidnn.tables.functions import function
from rapidnn.tables.placement import nonuniform_rows
from rapidnn.tables.program import ActivationTable

INT32 = st.integers(-(2**31) + 1, 2**31 - 1)
ENDS = np.array([-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 1])


def two_step(activation: ActivationTable, encoding, t, acc):
    rows = encoding[t if len(encoding) > 1 else 0]
    value = acc.astype(np.int64)
    if activation.kind != "identity" and activation.z is None:
        value = np.maximum(value, 0)
    if activation.cap is not None:
        value = np.minimum(value, activation.cap[t])
    if activation.z is not None:
        value = activation.g[nearest(activation.z[t], value)].astype(np.int64)
    return nearest(rows, value)


def check(activation, encoding, extra=()):
    thresholds, codes = fuse(activation, encoding)
    assert thresholds.shape[1] + 1 == codes.shape[1]
    for t in range(len(thresholds)):
        cuts = thresholds[t].astype(np.int64)
        probes = np.concatenate([cuts - 1, cuts, cuts + 1, ENDS, np.asarray(extra, np.int64)])
        probes = np.unique(np.clip(probes, -(2**31), 2**31 - 1))
        fused = codes[t][(probes[:, None] > cuts).sum(axis=1)]
        assert (fused == two_step(activation, encoding, t, probes)).all()
        real = cuts[cuts < 2**31 - 1]
        assert (np.diff(real) > 0).all()


@given(
    rows=st.lists(INT32, min_size=1, max_size=20),
    kind=st.sampled_from(["identity", "relu", "relu6"]),
    cap=st.integers(0, 2**31 - 1),
    extra=st.lists(INT32, max_size=20),
)
def test_compared_activations(rows, kind, cap, extra):
    encoding = np.sort(np.array([rows, rows[::-1]], np.int64), axis=1).astype(np.int32)
    caps = np.array([cap, cap // 2], np.int32) if kind == "relu6" else None
    check(ActivationTable(kind, cap=caps), encoding, extra)


@given(
    z=st.lists(INT32, min_size=1, max_size=12),
    rows=st.lists(INT32, min_size=1, max_size=12),
    data=st.data(),
)
def test_tables_whose_codes_need_not_be_monotone(z, rows, data):
    g = data.draw(st.lists(INT32, min_size=len(z), max_size=len(z)))
    activation = ActivationTable(
        "sigmoid", z=np.sort(np.array([z], np.int32)), g=np.array(g, np.int32), g_scale=1.0
    )
    check(activation, np.sort(np.array([rows], np.int32)), z)


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_a_real_table_follows_the_function(kind):
    scales = np.array([1e-4, 3e-5])
    activation = activation_table(kind, (), scales, nonuniform_rows(kind, (), -9.0, 9.0, 64))
    values = np.arange(-127, 128, 2, dtype=np.int32)
    encoding = encoding_table(activation, scales, values, 1 / 127)
    check(activation, encoding)
    real = np.linspace(-5, 5, 2001)
    for t, scale in enumerate(scales):
        acc = np.rint(real / scale).astype(np.int64)
        result = activation.g[nearest(activation.z[t], acc)] * activation.g_scale
        share = np.ptp(function(kind)(np.array([-9.0, 9.0]))) / 64
        # Half a share where the function is straight; a cut lies midway in z, not in g, where it bends.
        assert np.abs(result - function(kind)(real)).max() < 0.75 * share
