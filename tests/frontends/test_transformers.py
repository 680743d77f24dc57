"""Attention, and other code that moves the batch about, by both of PyTorch's exporters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rapidnn.errors import ModelError
from rapidnn.frontends import import_model
from rapidnn.frontends.quiet import quiet
from rapidnn.graph import ops
from rapidnn.graph.float_exec import run_float
from rapidnn.graph.ir import Graph
from tests.frontends.onnx_models import floats


class Encoder(nn.Module):
    """Class token, positions, PyTorch's own attention (which puts time first), GELU, mean over time."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.position = nn.Parameter(torch.randn(1, 4, 8))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        h = self.norm(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        x = x + self.mlp(self.norm(x))
        return F.log_softmax(self.head(x[:, 0] + x.mean(1)), -1)


class Packed(nn.Module):
    """One linear layer for queries, keys and values; a written-out attention with its scale on the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, e = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)) * 0.5
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, e))


class Scaled(Packed):
    """The same by PyTorch's function."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, e = x.shape
        q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, e))


class TimeFirst(nn.Module):
    """Layers of PyTorch that work on (time, batch, features)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.transpose(0, 1)).transpose(0, 1)[:, ::2]


class Block(nn.Module):
    """ConvNeXt's: a norm over channels in the middle of an image, channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.norm = nn.LayerNorm(6)
        self.mlp = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 6))
        self.gamma = nn.Parameter(torch.rand(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.mlp(self.norm(self.depthwise(x).permute(0, 2, 3, 1))) * self.gamma
        return x + y.permute(0, 3, 1, 2)


class Mixed(nn.Module):
    """In-place activations, chunks, channel shuffle, roll by concatenation, group norm, upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(2, 4)
        self.up = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.act = nn.PReLU(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = F.hardswish(x * 2, inplace=True).chunk(2, 1)
        x = torch.cat([F.relu_(a - 1), b], 1)
        n, c, h, w = x.shape
        x = x.reshape(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = self.up(self.norm(x)) + F.interpolate(x, scale_factor=2)
        return self.act(F.pixel_unshuffle(x, 2)[:, :4] * torch.sigmoid(x.mean((2, 3), keepdim=True)))


CASES = {
    "encoder": (Encoder, (3, 8)),
    "packed": (Packed, (5, 8)),
    "scaled": (Scaled, (5, 8)),
    "time first": (TimeFirst, (4, 8)),
    "block": (Block, (6, 4, 5)),
    "mixed": (Mixed, (4, 4, 6)),
}


def script_file(module: nn.Module, shape: tuple[int, ...], path: Path, *, dynamic: bool = True) -> Path:
    """The older exporter's file."""
    file = path / "script.onnx"
    axes = {"x": {0: "N"}} if dynamic else None
    with quiet():
        torch.onnx.export(
            module.eval(), (torch.zeros(2, *shape),), file, dynamo=False, opset_version=14,
            input_names=["x"], dynamic_axes=axes,
        )  # fmt: skip
    return file


def assert_equal(graph: Graph, module: nn.Module, x: np.ndarray) -> None:
    with torch.no_grad():
        wanted = module.eval()(torch.tensor(x)).numpy()
    np.testing.assert_allclose(run_float(graph, x), wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in ("encoder", "mixed") else pytest.mark.slow) for n in CASES]
)
def test_both_exporters(name: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    make, shape = CASES[name]
    module = make().eval()
    graph = import_model(module, floats(3, *shape))
    assert_equal(graph, module, floats(5, *shape))
    for dynamic in (True,) if name == "encoder" else (True, False):
        scripted = import_model(script_file(module, shape, tmp_path, dynamic=dynamic), floats(3, *shape))
        assert_equal(scripted, module, floats(5, *shape))


@pytest.mark.parametrize("make", [Packed, Scaled])
def test_the_scale_of_attention_costs_nothing(make: type[nn.Module]) -> None:
    torch.manual_seed(3)
    graph = import_model(make().eval(), floats(2, 5, 8))
    found = [ops.op_name(node.op) for node in graph if isinstance(node.op, (ops.Conv, ops.Linear, *ops.HOST))]
    assert sorted(found) == ["Linear", "Linear", "MatMul", "MatMul", "Softmax"]


class Causal(Packed):
    """A mask of minus infinity is a choice between activations and a constant."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = x @ x.transpose(1, 2)
        mask = torch.ones(5, 5, dtype=torch.bool).triu(1)
        return scores.masked_fill(mask, -1e4).softmax(-1) @ x


def test_masks_are_refused() -> None:
    with pytest.raises(ModelError, match=r"'Where'.*a choice between activations"):
        import_model(Causal(), floats(2, 5, 8))
