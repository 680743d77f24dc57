"""What all exported networks have in common, and the file their tensors are in."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rapidnn.handoff.torch.runtime.books import Codebook, Step
from rapidnn.handoff.torch.runtime.sums import CodeSum, WeightedSum


class Composed(nn.Module):
    """A composed network; call it with preprocessed inputs ``(N, *INPUT)`` for float32 outputs.

    ``codebooks`` are those of the codes between layers; those of the weights are the layers' own.
    """

    INPUT: ClassVar[tuple[int, ...]]
    EDGES: ClassVar[dict[str, tuple[str, str | None]]]
    """By module: its edge's name in the artifact, and the codebook if it is one of codes."""

    codebooks: nn.ModuleDict
    tail: nn.Sequential
    unit: Tensor
    coded = True

    def run(self, x: Tensor) -> Tensor:
        """The last edge, before the operators at the end."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """The network's outputs, a softmax at its end left to the caller."""
        if not self.coded:
            plain: Tensor = self.tail(self.run(x))
            return plain
        real = (self._integers(x).double() * self.unit).float()
        found: Tensor = self.tail(real)
        return found

    @torch.no_grad()
    def accumulators(self, x: Tensor) -> Tensor:
        """The integers behind the outputs, int32."""
        found: Tensor = self.tail(self._integers(x))
        return found.round().to(torch.int32)

    @torch.no_grad()
    def edges(self, x: Tensor) -> dict[str, Tensor]:
        """All edges by their names in the artifact: codes uint8, accumulators int32."""
        found: dict[str, Tensor] = {}
        hooks = []
        for module, (edge, book) in self.EDGES.items():

            def keep(_: Any, __: Any, result: Tensor, edge: str = edge, book: str | None = book) -> None:
                codebook = None if book is None else self.codebooks[book]
                if isinstance(codebook, Codebook):
                    found[edge] = codebook.codes(result).to(torch.uint8)
                else:
                    found[edge] = result.round().to(torch.int32)

            hooks.append(self.get_submodule(module).register_forward_hook(keep))
        try:
            self._integers(x)
        finally:
            for hook in hooks:
                hook.remove()
        return found

    def plain(self) -> Composed:
        """A copy without codes: a float network with the codebooks' values for weights, to compose again or export."""
        twin = copy.deepcopy(self)
        twin.coded = False
        for module in twin.modules():
            if isinstance(module, Step):
                module.coded = False
            if isinstance(module, WeightedSum):
                scale = module.codebook.scale.view(-1, *[1] * (module.weight.ndim - 1))
                module.weight.data = (module.integers().detach() * scale).float()
                module.bias.data = module.bias.data.float()
            if isinstance(module, CodeSum) and module.offset is not None:
                module.offset.data = module.offset.data.float()
        return twin

    def _integers(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) != self.INPUT:
            raise ValueError(
                f"input has shape {tuple(x.shape)}, expected (batch, {', '.join(map(str, self.INPUT))})"
            )
        if self.unit.dtype != torch.float64:
            raise TypeError(
                "scales must stay float64: move the model with .to(device), but do not change its types"
            )
        if torch.isnan(x).any():
            raise ValueError("the input holds NaN; replace or drop it")
        with torch.autocast(x.device.type, enabled=False):
            return self.run(x.float())


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises
    ------
    ValueError
        If the file is none.
    """
    kinds = {
        "F64": torch.float64,
        "F32": torch.float32,
        "I64": torch.int64,
        "I32": torch.int32,
        "U8": torch.uint8,
    }
    data = Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8:start])
        header.pop("__metadata__", None)
        found = {}
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            part = bytearray(data[start + first : start + last])
            kind = kinds[entry["dtype"]]
            flat = torch.frombuffer(part, dtype=kind) if part else torch.zeros(0, dtype=kind)
            found[name] = flat.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        raise ValueError(f"{path}: not a safetensors file, or damaged") from None
    return found
