"""Networks to hand off, without host operators."""

import functools

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import rapidnn
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.tables.program import EncodeReal, Host
from tests.execute.programs import network
from tests.strategies import compositions, with_hostile_tables


@st.composite
def tabled(draw):
    """``(network, inputs)``: random compositions that need no host, perhaps with hostile tables."""
    _, composed, x = draw(compositions())
    assume(not any(isinstance(step, Host | EncodeReal) for step in composed.program.steps))
    if draw(st.booleans()):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        return network(with_hostile_tables(composed.program, rng)), x
    return composed, x


def reference(composed: ComposedNetwork, x):
    return composed.run(x, backend="reference")


@functools.cache
def digits():
    """The digits CNN with random weights, composed on real digits; and 100 real inputs."""
    from rapidnn.data.datasets import load_data
    from rapidnn.networks import registry

    found = load_data("digits")
    x = found.preprocess.apply(found.x_train[:200])
    return rapidnn.compose(registry.build("digits-cnn", 0), x[:100], weights=16, inputs=16), x[100:]


@functools.cache
def mlp():
    """A perceptron on random inputs, with sizes that are not powers of two and tables per channel."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(23, 19), nn.Sigmoid(), nn.Linear(19, 11), nn.ReLU6(), nn.Linear(11, 5)
    ).eval()
    x = np.random.default_rng(0).normal(size=(150, 23)).astype(np.float32)
    composed = rapidnn.compose(model, x[:50], weights=6, inputs=11, granularity="channel")
    return composed, x[50:]


@functools.cache
def hosted():
    """A network with a layer normalisation, which runs on the host."""
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 2)).eval()
    return rapidnn.compose(
        model, np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32), weights=4, inputs=4
    )
