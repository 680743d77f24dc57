from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rapidnn.errors import DataError, ModelError
from rapidnn.frontends import import_model
from rapidnn.frontends.quiet import quiet
from rapidnn.graph import ops
from rapidnn.graph.float_exec import run_float
from rapidnn.graph.ir import Graph
from tests.frontends.onnx_models import floats


def settled(module: nn.Module) -> nn.Module:
    """Batch norms with statistics as after training."""
    generator = torch.Generator().manual_seed(5)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor, low in (
                (part.weight.data, 0.5),
                (part.running_var, 0.5),
                (part.bias.data, -1),
                (part.running_mean, -1),
            ):
                tensor.uniform_(low, 1.5, generator=generator)
    return module


class OptionA(nn.Module):
    """A residual block whose shortcut has no parameters."""

    def __init__(self, planes: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(planes, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.more = out - planes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(x + y)


class JoinedZeros(nn.Module):
    """Option A by way of an average pool and a joined tensor of zeros; the batch norm comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(3)
        self.act = nn.ReLU()
        self.conv = nn.Conv2d(3, 6, 3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(self.act(self.bn(x)))
        z = F.avg_pool2d(x, 1, 2)
        return torch.cat([z, torch.zeros_like(z)], 1) + y


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(OptionA(4, 4, 1))
        self.layer2 = nn.Sequential(OptionA(4, 8, 2))
        self.linear = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
        return self.linear(x.mean((2, 3)))


class Normalised(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, std = (
            torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1),
            torch.tensor([0.2, 0.3, 0.4]).view(1, 3, 1, 1),
        )
        return ((x / 2 - mean) / std).permute(0, 2, 3, 1).reshape(x.shape[0], -1)


MODULES = {
    "mlp": (
        lambda: nn.Sequential(
            nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.BatchNorm1d(8), nn.Dropout(),
            nn.Linear(8, 6, bias=False), nn.Sigmoid(), nn.Linear(6, 5), nn.Tanh(), nn.ReLU6(),
        ),
        (12,),
        ["Linear", "relu", "Reshape", "Conv", "Reshape", "Linear", "sigmoid", "Linear", "tanh", "relu6"],
    ),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 6, 3, stride=(2, 1), padding=(0, 2), bias=False), nn.BatchNorm2d(6),
            nn.Conv2d(6, 6, (1, 3), dilation=(1, 2), groups=3), nn.Conv2d(6, 4, 2, padding="same"),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        ),
        (4, 9, 10),
        ["Conv", "Conv", "Conv", "AvgPool", "Reshape"],
    ),
    "pools": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.ReLU(), nn.AvgPool2d(3, 2, 1, ceil_mode=True),
            nn.AvgPool2d(2, 1, 1, count_include_pad=False), nn.MaxPool2d(2, 1, dilation=2),
        ),
        (2, 18, 17),
        ["Conv", "relu", "MaxPool", "AvgPool", "AvgPool", "MaxPool"],
    ),
    "signals": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 4, 5, 2), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2), nn.AvgPool1d(3, 2, 1), nn.Flatten(),
            nn.Linear(16, 2),
        ),
        (3, 32),
        ["Conv", "relu", "MaxPool", "AvgPool", "Reshape", "Linear"],
    ),
    "rows": (
        lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.Flatten(), nn.Linear(28, 2)),
        (7, 6),
        ["Linear", "relu", "Linear", "Reshape", "Linear"],
    ),
    "resnet": (
        ResNet,
        (3, 8, 8),
        ["Conv", "relu", "Conv", "relu", "Conv", "Add", "relu", "Conv", "relu", "Conv", "Slice", "Pad", "Add", "relu",
         "AvgPool", "Reshape", "Linear"],
    ),
    "joined zeros": (JoinedZeros, (3, 8, 8), ["Conv", "relu", "Conv", "Slice", "Pad", "Add"]),
    "normalised": (Normalised, (3, 4, 5), ["Conv", "Transpose", "Reshape"]),
}  # fmt: skip


RESNET_NAMES = [
    "x", "conv1", "relu", "layer1.0.conv1", "layer1.0.relu", "layer1.0.conv2", "layer1.0.add", "layer1.0.relu_1"
]  # fmt: skip


def kinds(graph: Graph) -> list[str]:
    return [ops.op_name(node.op) for node in graph][1:]


def exported(module: nn.Module, shape: tuple[int, ...], path: Path, *, dynamic: bool) -> Path:
    file = path / "module.onnx"
    with quiet():
        shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
        torch.onnx.export(
            module.eval(),
            (torch.zeros(2, *shape),),
            file,
            dynamo=True,
            dynamic_shapes=shapes,
            verbose=False,
        )
    return file


@pytest.mark.parametrize("name", MODULES)
def test_modules_and_their_exports(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    make, shape, expected = MODULES[name]
    module = settled(make())
    graph = import_model(module, floats(3, *shape))
    assert sorted(kinds(graph)) == sorted(expected)
    x = floats(4, *shape)
    with torch.no_grad():
        wanted = module.eval()(torch.tensor(x)).numpy()
    np.testing.assert_allclose(run_float(graph, x), wanted, atol=1e-4 * np.abs(wanted).max())
    if name == "resnet":
        assert [node.name for node in graph][:8] == RESNET_NAMES
    if name not in ("mlp", "resnet"):
        return  # nothing in their export differs from these two, and the networks of tests/zoo enter both ways
    from_file = import_model(
        exported(module, shape, tmp_path, dynamic=name in ("mlp", "resnet")), floats(3, *shape)
    )
    np.testing.assert_allclose(run_float(from_file, x), wanted, atol=1e-4 * np.abs(wanted).max())
    assert sorted(kinds(from_file)) == sorted(expected)
    accumulations = [n.name for n in graph if isinstance(n.op, ops.Conv | ops.Linear)]
    assert [n.name for n in from_file if isinstance(n.op, ops.Conv | ops.Linear)] == accumulations


def test_a_layer_used_twice_has_two_names() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.act = nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.act(self.fc(self.act(self.fc(x))))

    graph = import_model(Twice(), floats(2, 4))
    assert [node.name for node in graph] == ["x", "fc", "act", "fc_1", "act_1"]


def test_weights_are_shared_read_only_and_training_flags_restored() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.9), nn.ReLU())
    module.train()
    module[2].eval()
    graph = import_model(module, floats(1, 4))  # one sample is enough
    assert [part.training for part in module.modules()] == [True, True, True, False]
    assert graph["0"].op.weight.ctypes.data == module[0].weight.data_ptr()
    assert not graph["0"].op.weight.flags.writeable
    assert module[0].weight.requires_grad
    assert kinds(graph) == ["Linear", "relu"]


class TwoInputs(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


class TwoOutputs(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


class MixesSamples(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(0)).relu()


class DependsOnData(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else x * 2


def spoiled() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    module[1].running_var[0] = float("nan")
    return module


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (TwoInputs(), r"several inputs \(x, y\)"),
        (TwoOutputs(), "returns a tuple"),
        (MixesSamples(), "operator 'ReduceMean'.* along the batch"),
        (DependsOnData(), "cannot be exported to ONNX: "),
        (nn.Linear(3, 2).double(), r"'weight' is torch.float64.*call \.float\(\)"),
        (spoiled(), "tensor '1.running_var' of node '1' holds NaN"),
        (nn.Sequential(nn.Linear(3, 2), nn.Softplus()), "'Softplus' at node '1'"),
    ],
)
def test_modules_that_cannot_be_imported(module: nn.Module, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        import_model(module, floats(2, 3))
    assert "\n" not in str(caught.value)


def test_a_sample_that_does_not_fit() -> None:
    with pytest.raises(DataError, match=r"rejects a batch of shape \(2, 4\): .*shapes cannot be multiplied"):
        import_model(nn.Linear(3, 2), floats(2, 4))


def test_import_prints_nothing() -> None:
    code = """
        import numpy as np
        from torch import nn
        from rapidnn.frontends import import_model
        net = nn.Sequential(nn.Conv2d(1, 2, 2, padding="same"), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
        import_model(net, np.ones((2, 1, 4, 4), np.float32))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr == ""


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, rapidnn.frontends, rapidnn.graph.float_exec, rapidnn.graph.passes\n"
    code += "assert not {'torch', 'onnx', 'onnx_ir', 'onnxruntime'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
