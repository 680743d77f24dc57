"""From accumulators to codes: activations and the nearest value of the next codebook."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rapidnn.handoff.torch.runtime.books import Codebook, Step, count, through


class Activation(Step):
    """An activation of an accumulator; a table of ``rows`` gives its own ``unit_after``, by the nearest row.

    ``sets`` is the shape in which units (and tables) broadcast against a sample where there are several.
    """

    set_of: Tensor
    cuts: Tensor
    results: Tensor
    unit_after: Tensor
    cap: Tensor

    def __init__(
        self, kind: str, *parameters: float, sets: tuple[int, ...] = (), rows: int = 0, tables: int = 1
    ) -> None:
        super().__init__()
        self.kind, self.parameters_of_kind, self.rows = kind, parameters, rows
        self.table("unit", *(sets or (1,)), dtype=torch.float64)
        self.table("set_of", *(sets or (1,)), dtype=torch.int64)
        self.one = not sets
        if rows:
            self.table("cuts", tables, rows - 1)
            self.table("results", tables, rows)
            self.table("unit_after", 1, dtype=torch.float64)
        elif kind == "relu6":
            self.table("cap", *(sets or (1,)))

    @property
    def sets(self) -> Tensor | None:
        """Which table is each place's; None where there is one."""
        return None if self.one else self.set_of

    def real(self, x: Tensor) -> Tensor:
        """The function."""
        p = self.parameters_of_kind
        functions: dict[str, Any] = {
            "identity": lambda: x,
            "relu": lambda: F.relu(x),
            "relu6": lambda: x.clamp(0.0, 6.0),
            "sigmoid": lambda: torch.sigmoid(x),
            "tanh": lambda: torch.tanh(x),
            "leaky_relu": lambda: F.leaky_relu(x, p[0]),
            "elu": lambda: F.elu(x, p[0]),
            "hard_sigmoid": lambda: _hard_sigmoid(x, p[0], p[1]),
            "hard_swish": lambda: F.hardswish(x),
            "gelu": lambda: F.gelu(x),
            "gelu_tanh": lambda: F.gelu(x, approximate="tanh"),
            "silu": lambda: F.silu(x),
            "clip": lambda: x.clamp(p[0], p[1]),
        }
        result: Tensor = functions[self.kind]()
        return result

    def looked_up(self, acc: Tensor) -> Tensor:
        """The result of the nearest row, float64; the accumulator itself where there is no table."""
        if not self.rows:
            return acc
        place = count(acc, self.cuts.double(), self.sets)
        return self.results[0 if self.one else self.set_of, place].double()

    def forward(self, acc: Tensor) -> Tensor:
        """The accumulator after it, in units of its own where a table gives them."""
        if not self.coded:
            return self.real(acc)
        real, exact = self.real(acc.double() * self.unit), self.looked_up(acc.detach().double())
        if self.rows:
            return through(real / self.unit_after, exact)
        exact = exact if self.kind == "identity" else exact.clamp(min=0.0)
        if self.kind == "relu6":
            exact = torch.minimum(exact, self.cap.double())
        return through(real / self.unit, exact)


class Encode(Step):
    """An activation and the nearest value of the next codebook; ``cuts`` move along with the codebook's values."""

    cuts: Tensor
    codes: Tensor

    def __init__(self, activation: Activation, tables: int, cuts: int) -> None:
        super().__init__()
        self.activation = activation
        self.table("cuts", tables, cuts)
        self.table("codes", tables, cuts + 1, dtype=torch.uint8)

    def forward(self, acc: Tensor, book: Codebook) -> Tensor:
        """Codes, as integers of ``book``."""
        if not self.coded:
            result: Tensor = self.activation(acc)
            return result
        smooth = self.activation.real(acc.double() * self.activation.unit) / book.scale
        value = self.activation.looked_up(acc.detach().double())
        sets = self.activation.sets if len(self.cuts) > 1 else None
        place = count(value, self._cuts(book), sets)
        codes = self.codes[0 if sets is None else sets, place]
        return book.decode(codes.long(), smooth)

    def _cuts(self, book: Codebook) -> Tensor:
        unit = self.activation.unit_after if self.activation.rows else self.activation.unit
        if len(self.cuts) > 1:
            per_set = torch.zeros(len(self.cuts), dtype=torch.float64, device=unit.device)
            unit = per_set.index_copy(0, self.activation.set_of.flatten(), unit.flatten())
        moved = book.moved(self.codes) * (book.scale / unit.flatten())[:, None]
        return (self.cuts.double() + moved.round()).cummax(dim=1).values


def _hard_sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    """torch's own where that is meant: exporters know it."""
    if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5:
        return F.hardsigmoid(x)
    return (x * alpha + beta).clamp(0.0, 1.0)
