"""The host's operators against torch, and exp and log against the library's."""

import numpy as np
import pytest
import torch

from rapidnn.execute.host import exp, run_host, softmax
from rapidnn.graph import ops

RNG = np.random.default_rng(0)


def test_exp_is_accurate_to_a_few_units_in_the_last_place():
    x = np.concatenate([-RNG.exponential(20, 20_000), [0.0, -1e-300, -699.9, -701.0, -1e9]])
    expected = np.exp(x)
    normal = x > -699
    assert (np.abs(exp(x) - expected)[normal] <= 4e-16 * expected[normal]).all()
    assert exp(np.array([-1e9]))[0] == 0.0
    assert exp(np.array([0.0]))[0] == 1.0


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_softmax(log, axis):
    x = (RNG.normal(size=(3, 5, 7)) * 10).astype(np.float32)
    function = torch.log_softmax if log else torch.softmax
    expected = function(torch.from_numpy(x).double(), dim=axis + 1).numpy()
    found = run_host(ops.Softmax(axis, log), [x])
    assert found.dtype == np.float32
    assert np.allclose(found, expected, rtol=2e-7, atol=1e-12)
    assert np.allclose(softmax(x.astype(np.float64), axis + 1, log=log), expected, rtol=1e-13, atol=1e-13)


def test_layer_norm_and_matmul():
    x = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
    scale, shift = RNG.normal(size=(2, 4, 5)).astype(np.float32)
    expected = torch.nn.functional.layer_norm(
        torch.from_numpy(x).double(),
        (4, 5),
        torch.from_numpy(scale).double(),
        torch.from_numpy(shift).double(),
        1e-5,
    )
    assert np.allclose(run_host(ops.LayerNorm(2, scale, shift, 1e-5), [x]), expected, rtol=3e-7, atol=1e-9)
    y = RNG.normal(size=(2, 3, 5, 6)).astype(np.float32)
    assert np.allclose(run_host(ops.MatMul(), [x, y]), x.astype(np.float64) @ y, rtol=2e-7, atol=1e-7)
