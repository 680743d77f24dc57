"""Letting the CPU multiply 8-bit integers as bfloat16, which holds every integer up to 256."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def byte_operands(allowed: bool) -> Iterator[None]:
    """Inside, oneDNN may round operands of float32 convolutions and matrix products to bfloat16; sums stay float32.

    In the forward pass operands are codebook integers, so on an 8-bit grid nothing is rounded; gradients are, to 8
    bits of mantissa. Where the processor or torch has no such mode nothing changes. On a GPU, TF32 stays off.
    """
    scopes = [getattr(torch.backends.mkldnn, name, None) for name in ("conv", "matmul")]
    scopes = [scope for scope in scopes if allowed and hasattr(scope, "fp32_precision")]
    before = [scope.fp32_precision for scope in scopes]  # type: ignore[union-attr]
    for scope in scopes:
        scope.fp32_precision = "bf16"  # type: ignore[union-attr]
    try:
        yield
    finally:
        for scope, precision in zip(scopes, before, strict=True):
            scope.fp32_precision = precision  # type: ignore[union-attr]
