"""The Verilog block gives the executor's integers in the micro-simulator's cycles."""

import shutil
import subprocess

import pytest

import rapidnn
from rapidnn.errors import DataError, HardwareError, ModelError
from tests.handoff.networks import digits, hosted, mlp

SIMULATORS = [
    pytest.param(
        name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")
    )
    for name in ("iverilog", "verilator")
]


def needs(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def folders(folder):
    return sorted(path.name for path in folder.iterdir() if (path / "tb.sv").is_file())


def make(goal, folder, layer):
    return subprocess.run(
        ["make", goal, f"LAYER={layer}"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def perceptron(tmp_path_factory):
    composed, x = mlp()
    folder = tmp_path_factory.mktemp("verilog") / "out"
    rapidnn.export(composed, "verilog", folder, x=x)
    return folder


@needs("iverilog")
def test_a_layer_in_icarus(perceptron):
    assert "PASS 20 neurons" in make("iverilog", perceptron, folders(perceptron)[-1]).stdout


@pytest.mark.slow
@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("network", [digits, mlp])
def test_every_layer(tmp_path, network, simulator):
    composed, x = network()
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    for layer in folders(tmp_path / "out"):
        assert "PASS 20 neurons" in make(simulator, tmp_path / "out", layer).stdout, layer


@pytest.mark.slow
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_the_bench_sees_a_wrong_weight(tmp_path, simulator):
    composed, x = mlp()
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    layer = folders(tmp_path / "out")[-1]
    weights = tmp_path / "out" / layer / "weights.hex"
    lines = weights.read_text().split()
    weights.write_text("\n".join([*lines[:-1], f"{(int(lines[-1], 16) + 1) % 6:02x}"]) + "\n")
    done = make(simulator, tmp_path / "out", layer)
    assert "FAIL" in done.stdout + done.stderr
    assert done.returncode != 0


@needs("verilator")
def test_nothing_to_warn_of(perceptron):
    for layer in folders(perceptron):
        done = make("lint", perceptron, layer)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr


@needs("yosys")
@pytest.mark.slow
def test_gates_with_memories_left_out(perceptron):
    done = make("yosys", perceptron, folders(perceptron)[-1])
    assert done.returncode == 0, done.stderr
    counts = {
        words[0]: int(words[1])
        for line in done.stdout.splitlines()
        if len(words := line.split()) == 2 and words[1].isdigit()
    }
    assert counts["rna_cells"] > 0  # a black box per lane
    assert sum(count for name, count in counts.items() if name.startswith("$_")) > 1000
    assert not any("memory" in name for name in counts)


def test_each_layer_has_a_bench(tmp_path):
    composed, x = mlp()
    export = rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    layers = folders(tmp_path / "out")
    assert len(layers) == 3
    assert {f"{layer}/programme.hex" for layer in layers} <= set(export.files)
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
