"""compare(): ratios follow from the two costs and the basis; the command prints and explains them."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

import rapidnn
from rapidnn.cli.main import exit_code
from rapidnn.errors import HardwareError


@pytest.fixture(scope="module")
def composed():
    rng = np.random.default_rng(0)
    x = rng.random((200, 64)).astype(np.float32)
    network = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10)).eval()
    return rapidnn.compose(network, x, 8, 8), x[:8]


def test_energy_gain_is_the_quotient_of_the_energies(composed):
    found = rapidnn.compare(*composed, against=["isaac", "eyeriss"])
    ours, isaac, eyeriss = found.machines
    assert ours.speed_gain == ours.energy_gain == ours.latency_gain == 1
    assert isaac.energy_gain == pytest.approx(isaac.energy_pj / found.ours.energy_pj)
    assert eyeriss.latency_gain == pytest.approx(eyeriss.latency_ns / found.ours.latency_ns)
    density = [m.throughput_per_s / m.area_mm2 for m in (ours, isaac)]
    assert isaac.speed_gain == pytest.approx(density[0] / density[1])
    assert [m.machine for m in found.eight_bit] == ["isaac"]
    assert list(found.to_frame().index) == ["rapidnn", "isaac", "eyeriss", "isaac@8"]


def test_bases_differ(composed):
    speeds = {
        b: rapidnn.compare(*composed, against=["isaac"], basis=b).machines[1]
        for b in ("area", "chip", "power")
    }
    assert speeds["power"].speed_gain == pytest.approx(speeds["power"].energy_gain)
    assert speeds["chip"].speed_gain != pytest.approx(speeds["area"].speed_gain)


def test_a_common_node_scales_area_and_energy_by_its_square(composed):
    own = rapidnn.compare(*composed, against=["dadiannao"]).machines[1]
    half = rapidnn.compare(*composed, against=["dadiannao"], node_nm=16).machines[1]
    assert half.area_mm2 == pytest.approx(own.area_mm2 / 4)
    assert half.energy_pj == pytest.approx(own.energy_pj / 4)
    assert half.latency_ns == pytest.approx(own.latency_ns / 2)


def test_bad_choices_are_refused(composed):
    with pytest.raises(HardwareError, match="basis 'silicon'"):
        rapidnn.compare(*composed, basis="silicon")
    with pytest.raises(HardwareError, match="no rival is named"):
        rapidnn.compare(*composed, against=["tpu"])


def test_the_command_explains(composed, tmp_path, capsys):
    network, x = composed
    network.save(tmp_path / "n.rapidnn")
    np.savez(tmp_path / "d.npz", inputs=x, labels=np.zeros(len(x), np.int64))
    command = [
        "compare",
        str(tmp_path / "n.rapidnn"),
        "--data",
        str(tmp_path / "d.npz"),
        "--against",
        "isaac",
    ]
    assert exit_code([*command, "--explain", "isaac"]) == 0
    assert "ISAAC Table I" in capsys.readouterr().out
    assert exit_code([*command, "--explain", "eyeriss"]) == 2
    assert "not among the rivals compared" in capsys.readouterr().err
    assert exit_code([*command, "--dense"]) == 0
    assert "zero products charged" in capsys.readouterr().out
    assert exit_code([*command, "--measure"]) == 2
    assert "name it with --network" in capsys.readouterr().err
