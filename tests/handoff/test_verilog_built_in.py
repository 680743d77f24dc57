"""Twenty neurons of every layer of the digits CNN, the MNIST MLP and ResNet-20, on real inputs, in Verilog."""

import pytest

import rapidnn
from tests.handoff.built_in import NAMES, built_in
from tests.handoff.simulators import folders, lints, needs_iverilog, needs_verilator, passes

pytestmark = pytest.mark.slow
LAYERS = {"digits-cnn": 4, "mnist-mlp": 3, "resnet20": 21}
TYPES = {
    "digits-cnn": ["00_conv1"],
    "mnist-mlp": ["00_fc1", "02_fc3"],
    "resnet20": ["00_conv1", "02_layer1_0_conv2", "14_layer3_0_conv2", "19_mean", "20_linear"],
}
"""One layer of each kind, width and depth; the others differ from it only in tables."""


@pytest.fixture(params=NAMES)
def exported(request, tmp_path):
    """``(name, folder)``"""
    composed, x = built_in(request.param)
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    return request.param, tmp_path / "out"


@needs_iverilog
def test_icarus_on_every_layer(exported):
    name, folder = exported
    assert len(folders(folder)) == LAYERS[name]
    for layer in folders(folder):
        passes(folder, "iverilog", layer)


@needs_verilator
def test_verilator_on_every_kind(exported):
    name, folder = exported
    for layer in TYPES[name]:
        passes(folder, "verilator", layer)


@needs_verilator
def test_lint_of_every_layer(exported):
    _, folder = exported
    for layer in folders(folder):
        lints(folder, layer)
