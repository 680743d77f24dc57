"""A user's mistake gets one clear line on stderr and exit code 2; an interrupt 130."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from rapidnn.__main__ import run
from rapidnn.networks import build, save_weights
from tests.cli.conftest import run_cli


def refused(*arguments, env=None):
    """The one line a refused command prints."""
    done = run_cli(*arguments, env=env)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("rapidnn: ")
    return lines[0]


@pytest.fixture
def weights(demo):
    return demo[0] / "digits-cnn.safetensors"


def test_wrong_paths(tmp_path, weights):
    assert "no such file" in refused("evaluate", tmp_path / "absent.rapidnn")
    assert "absent.onnx" in refused(
        "compose", tmp_path / "absent.onnx", "--data", "digits", "-o", tmp_path / "x"
    )
    line = refused(
        "compose", "digits-cnn", "--weights", tmp_path / "w.safetensors", "-o", tmp_path / "x.rapidnn"
    )
    assert "w.safetensors" in line
    line = refused(
        "compose", "digits-cnn", "--weights", weights, "--data", tmp_path / "d.npz", "-o", tmp_path / "x"
    )
    assert "d.npz" in line
    assert "unknown network 'lenet'" in refused("compose", "lenet", "-o", tmp_path / "x.rapidnn")
    assert list(tmp_path.iterdir()) == []


def test_untrained_network_needs_a_word(tmp_path):
    assert "untrained" in refused("compose", "digits-cnn", "-o", tmp_path / "x.rapidnn")


def test_wrong_shape(demo, tmp_path):
    artifact = demo[0] / "digits-cnn.rapidnn"
    np.savez(tmp_path / "x.npz", inputs=np.zeros((3, 9, 9), np.float32))
    line = refused("run", artifact, "--input", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert "9, 9" in line
    assert "1, 8, 8" in line


def test_run_wants_a_file(demo, tmp_path):
    artifact = demo[0] / "digits-cnn.rapidnn"
    assert "a folder; --input takes an .npz" in refused(
        "run", artifact, "--input", tmp_path, "-o", tmp_path / "y"
    )
    assert "no such file; --input takes" in refused(
        "run", artifact, "--input", tmp_path / "x.npz", "-o", tmp_path / "y"
    )
    assert not (tmp_path / "y.npz").exists()


def test_label_mismatch(demo, tmp_path):
    artifact = demo[0] / "digits-cnn.rapidnn"
    x = np.zeros((4, 8, 8), np.float32)
    np.savez(tmp_path / "few.npz", inputs=x, labels=np.zeros(3, np.int64))
    assert "4 inputs but 3 labels" in refused("evaluate", artifact, "--data", tmp_path / "few.npz")
    np.savez(tmp_path / "high.npz", inputs=x, labels=np.full(4, 10))
    line = refused("evaluate", artifact, "--data", tmp_path / "high.npz")
    assert "10 outputs" in line


def test_nan_weights(tmp_path):
    module = build("digits-cnn", 0)
    with torch.no_grad():
        module.fc1.weight[3, 4] = float("nan")
    save_weights(module, tmp_path / "nan.safetensors")
    line = refused(
        "compose", "digits-cnn", "--weights", tmp_path / "nan.safetensors", "-o", tmp_path / "x.rapidnn"
    )
    assert "fc1.weight" in line
    assert not (tmp_path / "x.rapidnn").exists()


def test_unsupported_operator_is_named_with_its_node(tmp_path):
    class Strange(nn.Module):
        def forward(self, x):
            return torch.cumsum(x.flatten(1), dim=1)

    path = tmp_path / "strange.onnx"
    torch.onnx.export(Strange().eval(), (torch.zeros(2, 1, 8, 8),), path, dynamo=True, verbose=False)
    line = refused("compose", path, "--data", "digits", "-o", tmp_path / "x.rapidnn")
    assert "'CumSum'" in line
    assert "node" in line


def test_truncated_artifact(demo, tmp_path):
    whole = (demo[0] / "digits-cnn.rapidnn").read_bytes()
    (tmp_path / "half.rapidnn").write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refused("evaluate", tmp_path / "half.rapidnn")


def test_bad_options(demo, tmp_path, weights):
    artifact = demo[0] / "digits-cnn.rapidnn"
    start = ["compose", "digits-cnn", "--weights", weights, "-o", tmp_path / "x.rapidnn"]
    assert "1 to 256" in refused(*start, "-w", "300")
    assert "expected a size" in refused(*start, "-w", "many")
    assert "no layer 'conv9'" in refused(*start, "-w", "conv9=4")
    assert "available: cpu, numpy, reference, torch" in refused("evaluate", artifact, "--backend", "gpu")
    assert "'cuda:99' cannot be used" in refused(
        "evaluate", artifact, "--backend", "torch", "--device", "cuda:99"
    )
    assert "belongs to the backend 'torch'" in refused("evaluate", artifact, "--device", "cuda")
    assert "rna.cycle_ns" in refused("cost", artifact, "--set", "rna.cycle_n=1")
    assert "KEY=VALUE" in refused("cost", artifact, "--set", "rna.cycle_ns")
    assert "hardware" in refused("cost", artifact, "--hardware", "none-such")
    assert "No such option" in refused("evaluate", artifact, "--bogus")
    assert "No such command" in refused("composed")
    assert not (tmp_path / "x.rapidnn").exists()


def test_offline_says_what_to_do(tmp_path, demo):
    artifact = demo[0] / "digits-cnn.rapidnn"
    env = {"RAPIDNN_DATA": "", "RAPIDNN_CACHE": str(tmp_path), "RAPIDNN_MIRROR": "http://127.0.0.1:9"}
    line = refused("evaluate", artifact, "--data", "mnist", env=env)
    assert "RAPIDNN_DATA" in line


def test_unwritable_output(demo, tmp_path, weights):
    (tmp_path / "file").write_text("in the way")
    line = refused("compose", "digits-cnn", "--weights", weights, "-o", tmp_path / "file" / "x.rapidnn")
    assert "cannot be written" in line


def test_interrupt(tmp_path):
    command = [
        sys.executable,
        "-m",
        "rapidnn",
        "train",
        "digits-cnn",
        "--epochs",
        "1000",
        "-o",
        str(tmp_path / "w"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ) as process:
        time.sleep(8)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.decode().strip().splitlines()[-1] == "rapidnn: interrupted"
    assert list(tmp_path.iterdir()) == []


def test_interrupt_while_loading(monkeypatch, capsys):
    class Interrupted:
        def find_spec(self, name, path=None, target=None):
            if name == "rapidnn.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "rapidnn.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as exit_:
        run()
    assert exit_.value.code == 130
    assert capsys.readouterr().err == "rapidnn: interrupted\n"


def test_a_result_never_replaces_an_input(demo, tmp_path, weights):
    artifact = demo[0] / "digits-cnn.rapidnn"
    x = np.zeros((20, 8, 8), np.float32)
    np.savez(tmp_path / "x.npz", inputs=x, labels=np.zeros(20, np.int64))
    before = (tmp_path / "x.npz").read_bytes()
    assert "also an input" in refused(
        "run", artifact, "--input", tmp_path / "x.npz", "-o", tmp_path / "x.npz"
    )
    start = ["compose", "digits-cnn", "--weights", weights, "--data", tmp_path / "x.npz"]
    assert "also an input" in refused(*start, "-o", tmp_path / "x.npz")
    assert (tmp_path / "x.npz").read_bytes() == before


def test_another_float_network_is_refused(demo, tmp_path):
    class Narrow(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(64, 3)

        def forward(self, x):
            return self.fc(x.flatten(1))

    path = tmp_path / "narrow.onnx"
    torch.onnx.export(Narrow().eval(), (torch.zeros(2, 1, 8, 8),), path, dynamo=True, verbose=False)
    line = refused("evaluate", demo[0] / "digits-cnn.rapidnn", "--network", path)
    assert "(360, 3)" in line
