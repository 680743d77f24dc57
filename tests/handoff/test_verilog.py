"""The Verilog block gives the executor's integers in the micro-simulator's cycles."""

import contextlib
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import rapidnn
from rapidnn.errors import DataError, HardwareError, ModelError
from tests.handoff.networks import digits, hosted, mlp, tabled
from tests.handoff.simulators import (
    folders,
    lints,
    make,
    needs_iverilog,
    needs_verilator,
    needs_yosys,
    passes,
)

MACHINES = [
    {},
    {"rna.shift_interconnect": False},
    {"rna.shift_interconnect": False, "rna.columns": 64, "rna.addend_rows": 12},
    {"rna.adder": "magic-13n", "rna.copy_cycles": 1, "rna.read_cycles": 2, "am.cycles_per_level": 3},
    {"rna.adder": "aritpim-18n1", "rna.compressor": "nor-10"},
]


@needs_iverilog
def test_icarus_on_a_layer(tmp_path):
    composed, x = mlp()
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    passes(tmp_path / "out", "iverilog", folders(tmp_path / "out")[0])


@needs_verilator
def test_lint(tmp_path):
    composed, x = mlp()
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    for layer in folders(tmp_path / "out"):
        lints(tmp_path / "out", layer)
    for source in [*(tmp_path / "out").glob("*/tb.sv"), *(tmp_path / "out" / "rtl").iterdir()]:
        assert "lint_off" not in source.read_text()


@needs_verilator
@pytest.mark.slow
@pytest.mark.parametrize("network", [digits, mlp])
def test_verilator(tmp_path, network):
    composed, x = network()
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    for layer in folders(tmp_path / "out"):
        passes(tmp_path / "out", "verilator", layer)


@needs_iverilog
@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: " ".join(map(str, machine.values())))
def test_machines(tmp_path, machine):
    composed, x = mlp()
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x, overrides=machine)
    for layer in folders(tmp_path / "out"):
        passes(tmp_path / "out", "iverilog", layer)


@needs_iverilog
@pytest.mark.slow
@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # every try to shrink runs simulators
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(tabled())
def test_random_networks(tmp_path_factory, drawn):
    composed, x = drawn
    folder = tmp_path_factory.mktemp("random") / "out"
    with contextlib.suppress(ModelError, HardwareError):  # no layer with a block, or more pairs than counters
        rapidnn.export(composed, "verilog", folder, x=x)
    for layer in folders(folder) if folder.is_dir() else ():
        lints(folder, layer)
        passes(folder, "iverilog", layer)


@needs_yosys
@needs_iverilog
@pytest.mark.slow
def test_synthesis(tmp_path):
    composed, x = mlp()
    folder = tmp_path / "out"
    rapidnn.export(composed, "verilog", folder, x=x)
    layer = folders(folder)[1]
    passes(folder, "netlist", layer)
    cells = dict(re.findall(r"^ +(\$?\w+) +(\d+)$", (folder / layer / "cells.txt").read_text(), re.MULTILINE))
    assert {name for name in cells if name.startswith("rna_")} == {"rna_crossbar", "rna_store", "rna_table"}
    assert not any("LATCH" in name or "mem" in name for name in cells)
    logic = sum(int(count) for name, count in cells.items() if name.startswith("$_"))
    assert 1_000 < logic < 100_000


@needs_iverilog
@pytest.mark.parametrize(
    "damaged",
    ["weights", *(pytest.param(name, marks=pytest.mark.slow) for name in ("products", "bias", "codes", "z"))],
)
def test_the_bench_sees_a_damaged_table(tmp_path, damaged):
    composed, x = mlp()
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    layer = folders(tmp_path / "out")[0]
    table = tmp_path / "out" / layer / f"{damaged}.hex"
    words = table.read_text().split()
    width = len(words[0])
    table.write_text(
        "".join(
            f"{(int(word, 16) + 1) % (5 if damaged == 'weights' else 1 << 8):0{width}x}\n" for word in words
        )
    )
    status, printed = make(tmp_path / "out", "iverilog", layer)
    assert status != 0
    assert "FAIL" in printed


@needs_iverilog
def test_the_bench_sees_a_wrong_number_of_cycles(tmp_path):
    composed, x = mlp()
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    layer = folders(tmp_path / "out")[-1]
    bench = tmp_path / "out" / layer / "tb.sv"
    bench.write_text(bench.read_text().replace(".COPY(2)", ".COPY(3)"))
    assert "FAIL 20 of 20 neurons" in make(tmp_path / "out", "iverilog", layer)[1]


def test_each_layer_has_a_bench(tmp_path):
    composed, x = mlp()
    export = rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    layers = folders(tmp_path / "out")
    assert len(layers) == 3
    for name in ("programme.hex", "synth.ys"):
        assert {f"{layer}/{name}" for layer in layers} <= set(export.files)
    for layer in layers:
        assert len((tmp_path / "out" / layer / "vectors.hex").read_text().split()) == 20


def test_refusals(tmp_path):
    composed, x = mlp()
    with pytest.raises(DataError, match="takes real inputs"):
        rapidnn.export(composed, "verilog", tmp_path / "out")
    with pytest.raises(HardwareError, match=r"set delivery\.mode=broadcast"):
        rapidnn.export(composed, "verilog", tmp_path / "out", x=x, overrides={"delivery.mode": "gather"})
    with pytest.raises(ModelError, match="runs on the host"):
        rapidnn.export(hosted(), "verilog", tmp_path / "out", x=x[:, :4])
    assert not list(tmp_path.iterdir())


def test_a_network_without_a_block_is_refused(tmp_path):
    from torch import nn

    x = np.random.default_rng(0).normal(size=(20, 1, 4, 4)).astype(np.float32)
    composed = rapidnn.compose(nn.Sequential(nn.MaxPool2d(2), nn.Flatten()), x, weights=4, inputs=4)
    with pytest.raises(ModelError, match="this network has none"):
        rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
