"""The Verilog block gives the executor's integers in the micro-simulator's cycles."""

import shutil
import subprocess

import pytest

import rapidnn
from rapidnn.errors import DataError, HardwareError, ModelError
from tests.handoff.networks import digits, hosted, mlp

needs_verilator = pytest.mark.skipif(shutil.which("verilator") is None, reason="verilator is not installed")


def folders(folder):
    return sorted(path.name for path in folder.iterdir() if (path / "tb.sv").is_file())


def simulate(folder, layer):
    done = subprocess.run(
        ["make", "verilator", f"LAYER={layer}"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout


@needs_verilator
@pytest.mark.slow
@pytest.mark.parametrize("make", [digits, mlp])
def test_every_layer(tmp_path, make):
    composed, x = make()
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    for layer in folders(tmp_path / "out"):
        assert "PASS 20 neurons" in simulate(tmp_path / "out", layer), layer


@needs_verilator
@pytest.mark.slow
def test_the_bench_sees_a_wrong_weight(tmp_path):
    composed, x = mlp()
    rapidnn.export(composed, "verilog", tmp_path / "out", x=x)
    layer = folders(tmp_path / "out")[-1]
    weights = tmp_path / "out" / layer / "weights.hex"
    lines = weights.read_text().split()
    weights.write_text("\n".join([*lines[:-1], f"{(int(lines[-1], 16) + 1) % 6:02x}"]) + "\n")
    assert "FAIL" in simulate(tmp_path / "out", layer)


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
