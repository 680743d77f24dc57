from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rapidnn.errors import ModelError
from rapidnn.networks import resolve, save_weights

MODULE = """
import torch
from torch import nn

def net():
    return nn.Sequential(nn.Linear(3, 2), nn.Dropout())

def bad():
    m = net()
    nn.init.constant_(m[0].bias, float("nan"))
    return m

def fails():
    raise ValueError("no luck\\nsecond line")

def needs(x):
    return net()

def number():
    return 3

class Holder:
    net = staticmethod(net)

constant = 3
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"users_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / f"broken_{name}.py").write_text("import nothing_of_this_name")
    monkeypatch.chdir(tmp_path)
    return name


def test_a_factory_in_the_working_directory(mine: str) -> None:
    network = resolve(f"{mine}:net")
    assert not network.module.training
    assert (network.input_shape, network.data_set, network.random) == (None, None, False)
    assert isinstance(resolve(f"{mine}:Holder.net").module[0], torch.nn.Linear)


def test_a_factory_with_weights(mine: str, tmp_path: Path) -> None:
    save_weights(resolve(f"{mine}:net").module, tmp_path / "w.safetensors")
    first = resolve(f"{mine}:net", tmp_path / "w.safetensors").module.state_dict()
    second = resolve(f"{mine}:net", tmp_path / "w.safetensors").module.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no.such.module:net", "cannot import 'no.such.module'"),
        ("broken_{}:net", "nothing_of_this_name"),
        ("{}:absent", "has no 'absent'"),
        ("{}:", "has no ''"),
        (":net", "cannot import ''"),
        ("{}:constant", "not callable"),
        ("{}:number", "returned a int; a torch.nn.Module is expected"),
        ("{}:fails", "failed to build its network: ValueError: no luck"),
        ("{}:needs", "failed to build its network: TypeError"),
        ("{}:bad", "0.bias holds NaN or infinite"),
    ],
)
def test_mistakes_are_one_line(mine: str, spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as error:
        resolve(spec.format(mine))
    assert "\n" not in str(error.value)
