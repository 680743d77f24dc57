"""Recovery of one weighted layer against its float output, given what the composed layers before it produce."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rapidnn.composer.choices import LayerChoice
from rapidnn.composer.decode import decoded_weight
from rapidnn.composer.plan import PlannedSum
from rapidnn.composer.recover import books as search
from rapidnn.composer.recover.moments import Moments, Sums, outputs, patches
from rapidnn.composer.recover.walk import Walk
from rapidnn.composer.settings import Settings
from rapidnn.composer.weights import WeightCodebooks, channels_together, weight_codebooks
from rapidnn.graph import ops
from rapidnn.tables.program import Float64

if TYPE_CHECKING:
    from torch import Tensor

MAX_TAPS = 2304
"""Layers with more inputs a neuron get their bias corrected only: moments of K x K, and time of its cube."""

_MOMENT_MACS = 4e9
_REFIT_MACS = 2e10
_MAX_ROWS = 1 << 16
_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
_CHECK_SHARE = 4  # one shard in four is held back to choose the ridge


@dataclass(frozen=True)
class LayerRecovery:
    """What recovery did to one layer.

    ``sqnr_before_db`` and ``sqnr_after_db`` are signal-to-noise ratios of what the layer's accumulator holds about the
    float network's value of that edge, on the same composed inputs, with the clustered and with the recovered weights
    and bias; None where there is no noise or no signal. ``method`` is ``codes`` (weight codes, codebook and bias) or
    ``bias``; ``reason`` says why codes were left as they are.
    """

    layer: str
    method: Literal["codes", "bias"]
    reason: str
    sqnr_before_db: float | None
    sqnr_after_db: float | None


def recover_layer(
    walk: Walk, step: PlannedSum, clustered: LayerChoice, settings: Settings
) -> tuple[LayerChoice, Tensor, LayerRecovery]:
    """The layer's recovered choice, its sum over the walk's samples (terms not yet added), and the record."""
    target = walk.target(step)
    before = walk.weighted(step, decoded_weight(clustered.books), clustered.bias)
    signal = _power(walk, target)
    noise_before = _noise(walk, before, target)
    del before
    books, reason = clustered.books, "bias only was asked for"
    if settings.recover == "full":
        books, reason = _recovered_books(walk, step, target, clustered, settings)
    weight = decoded_weight(books)
    result = walk.weighted(step, weight, clustered.bias)
    bias = clustered.bias + _bias_correction(walk, step, result, target)
    result = walk.weighted(step, weight, bias)
    noise_after = _noise(walk, result, target)
    record = LayerRecovery(
        step.name, "bias" if reason else "codes", reason, _db(signal, noise_before), _db(signal, noise_after)
    )
    return LayerChoice(books, bias), result, record


def _recovered_books(
    walk: Walk, step: PlannedSum, target: Tensor, clustered: LayerChoice, settings: Settings
) -> tuple[WeightCodebooks, str]:
    """New codebooks and codes, or those there were and the reason."""
    import torch

    assert step.node is not None
    assert isinstance(step.node.op, ops.Linear | ops.Conv)
    op = step.node.op
    groups = 1 if isinstance(op, ops.Linear) else op.groups
    taps = op.weight[0].size
    if taps > MAX_TAPS:
        return clustered.books, f"{taps} inputs a neuron are over the limit of {MAX_TAPS}"
    moments, ridge = _moments(walk, step, target, op)
    if moments.power() <= 0:
        return clustered.books, "its inputs are constant on the calibration data"
    shape = (groups, -1, taps)
    weight = torch.from_numpy(op.weight.astype(np.float64)).reshape(shape)
    aim = _least_squares(moments, weight, ridge)
    start = weight_codebooks(
        aim.reshape(op.weight.shape).numpy().astype(np.float32), settings.weight_size(step.name), settings
    )
    damped = moments.xx + ridge * moments.power() * torch.eye(taps, dtype=torch.float64)
    together = channels_together(settings.granularity, len(op.weight))
    work = start.values.shape[1] * op.weight.size * taps
    found = search.reconstruct(aim, damped, start, together, refits=work <= _REFIT_MACS)
    errors = [
        moments.error(torch.from_numpy(decoded_weight(books)).double().reshape(shape))
        for books in (found, clustered.books)
    ]
    if errors[0] >= errors[1]:
        return clustered.books, "no better codes were found"
    return found, ""


def _least_squares(moments: Moments, weight: Tensor, ridge: float) -> Tensor:
    """The weights nearest to the float output on composed inputs, held to the float ones by a ridge: (G, o, K)."""
    import torch

    held = ridge * moments.power()
    system = moments.xx + held * torch.eye(weight.shape[2], dtype=weight.dtype)
    solved: Tensor = torch.linalg.solve(system, moments.xy + held * weight.transpose(1, 2))
    return solved.transpose(1, 2).contiguous()


def _moments(
    walk: Walk, step: PlannedSum, target: Tensor, op: ops.Linear | ops.Conv
) -> tuple[Moments, float]:
    """The moments over all samples, and the ridge that serves samples held back best."""
    import torch

    parts = _sums(walk, step, target, op)
    fit = [part for i, part in enumerate(parts) if i % _CHECK_SHARE != _CHECK_SHARE - 1]
    check = [part for i, part in enumerate(parts) if i % _CHECK_SHARE == _CHECK_SHARE - 1]
    moments = _total(parts).centred()
    if not check or moments.power() <= 0:
        return moments, _RIDGES[-1]
    fitted, checked = _total(fit).centred(), _total(check).centred()
    weight = torch.from_numpy(op.weight.astype(np.float64)).reshape(len(moments.xx), -1, op.weight[0].size)
    errors = [checked.error(_least_squares(fitted, weight, ridge)) for ridge in _RIDGES]
    return moments, _RIDGES[int(np.argmin(errors))]


def _total(parts: list[Sums]) -> Sums:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _sums(walk: Walk, step: PlannedSum, target: Tensor, op: ops.Linear | ops.Conv) -> list[Sums]:
    """Moments of every shard, over as many of its neurons as the layer's share of time allows."""
    import torch

    taps, outs = op.weight[0].size, op.weight.shape[0]
    neurons = target[0].numel() // outs
    groups = 1 if isinstance(op, ops.Linear) else op.groups
    rows = max(2 * taps, min(_MAX_ROWS, int(_MOMENT_MACS / (taps * (taps * groups + outs)))))
    source = step.source
    assert source is not None

    def work(part: slice) -> Sums:
        there = (part.stop - part.start) * neurons
        share = math.ceil(rows * (part.stop - part.start) / walk.count)
        chosen = None
        if share < there:
            rng = np.random.default_rng([part.start, there])
            chosen = torch.from_numpy(np.sort(rng.choice(there, share, replace=False)))
        x = patches(walk.value(source, part), op, chosen)
        return Sums.of(x, outputs(target[part], op, chosen))

    return walk.map(work)


def _bias_correction(walk: Walk, step: PlannedSum, result: Tensor, target: Tensor) -> Float64:
    """Mean error by channel, shrunk by how well the samples determine it: float64 ``(O,)``.

    The factor is that of the positive-part James-Stein estimator: ``1 - s**2 / (n m**2)`` for the mean m and the
    variance s**2 of the n samples' own means, not below 0.
    """
    channels_last = step.node is not None and isinstance(step.node.op, ops.Linear)

    def work(part: slice) -> Float64:
        gap = (target[part] - result[part]).double()
        gap = gap.reshape(len(gap), -1, gap.shape[-1]) if channels_last else gap.flatten(2).transpose(1, 2)
        return np.asarray(gap.mean(1).numpy())

    means = np.concatenate(walk.map(work))
    mean = means.mean(axis=0)
    doubt = means.var(axis=0, ddof=1) / len(means) if len(means) > 1 else np.full_like(mean, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(mean == 0, 0.0, np.maximum(0.0, 1.0 - doubt / mean**2))
    return np.asarray(mean * factor)


def _power(walk: Walk, target: Tensor) -> float:
    """Power of a value about its mean over all samples."""
    parts = walk.map(
        lambda part: (float(target[part].double().sum()), float((target[part].double() ** 2).sum()))
    )
    mean = sum(part[0] for part in parts) / target.numel()
    return sum(part[1] for part in parts) / target.numel() - mean**2


def _noise(walk: Walk, result: Tensor, target: Tensor) -> float:
    parts = walk.map(lambda part: float(((result[part] - target[part]).double() ** 2).sum()))
    return sum(parts) / target.numel()


def _db(signal: float, noise: float) -> float | None:
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None
