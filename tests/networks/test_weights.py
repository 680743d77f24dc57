from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rapidnn.errors import ModelError
from rapidnn.networks import build, load_weights, resolve, save_weights


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return dict(build("digits-cnn", 1).state_dict())


def write(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **{name: value.numpy() for name, value in tensors.items()})
    else:
        save_file(tensors, path)
    return path


def same(module: torch.nn.Module, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz"])
def test_weights_by_name(tmp_path: Path, state: dict, name: str) -> None:
    network = resolve("digits-cnn", write(tmp_path / name, state), seed=2)
    assert same(network.module, state)
    assert (network.random, network.input_shape, network.data_set) == (False, (1, 8, 8), "digits")


def test_save_and_load(tmp_path: Path) -> None:
    module = build("resnet20", 3)
    save_weights(module, tmp_path / "deep" / "w.safetensors")
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["w.safetensors"]
    other = build("resnet20", 4)
    load_weights(other, tmp_path / "deep" / "w.safetensors")
    assert same(other, module.state_dict())


def test_weights_are_cast_to_the_modules_type(tmp_path: Path, state: dict) -> None:
    path = write(tmp_path / "w.safetensors", {name: value.double() for name, value in state.items()})
    module = resolve("digits-cnn", path).module
    assert same(module, state)
    assert module.get_parameter("fc1.weight").dtype == torch.float32


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_mistakes_are_one_line(tmp_path: Path, state: dict, suffix: str) -> None:
    broken = {name: value.clone() for name, value in state.items()}
    broken["fc1.bias"][3] = torch.nan
    infinite = {name: value.clone() for name, value in state.items()}
    infinite["fc1.bias"][3] = torch.inf
    cases = {
        "lacks fc2.bias, which the network has": {k: v for k, v in state.items() if k != "fc2.bias"},
        "lacks conv1.bias, conv1.weight, conv2.bias and 5 more": {},
        "holds fc9.bias, which the network has not": state | {"fc9.bias": torch.zeros(2)},
        r"fc2.bias has shape \(11,\), the network expects \(10,\)": state | {"fc2.bias": torch.zeros(11)},
        "fc1.bias holds NaN or infinite": broken,
        "fc1.bias holds NaN or infinite.": infinite,
    }
    module = build("digits-cnn", 5)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for message, tensors in cases.items():
        path = write(tmp_path / f"w.{suffix}", tensors)
        with pytest.raises(ModelError, match=message) as error:
            load_weights(module, path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
        assert same(module, before)


def test_unreadable_files(tmp_path: Path, state: dict) -> None:
    whole = write(tmp_path / "w.safetensors", state).read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "noise.npz").write_bytes(b"hello")
    (tmp_path / "w.pt").write_bytes(b"hello")
    np.savez(tmp_path / "object.npz", a=np.array([{}], dtype=object))
    (tmp_path / "array.npz").write_bytes(_single_array())
    for name, message in {
        "cut.safetensors": "cannot be read",
        "noise.npz": "cannot be read",
        "object.npz": "cannot be read",
        "array.npz": "cannot be read",
        "absent.npz": "does not exist",
        "w.pt": r"unknown kind; use .safetensors or .npz",
    }.items():
        with pytest.raises(ModelError, match=f"{name}.*{message}") as error:
            resolve("digits-cnn", tmp_path / name)
        assert "\n" not in str(error.value)


def _single_array() -> bytes:
    import io

    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()
