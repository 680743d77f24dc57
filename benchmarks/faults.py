"""Accuracy of an MNIST network on faulty silicon, with and without remedies, and over years of wear.

::

    python benchmarks/faults.py --weights mnist-mlp-0.safetensors                # every part below
    python benchmarks/faults.py --weights mnist-mlp-0.safetensors --only closing,curve

Curves run on held-out training data (the first 1,000 of them); ``closing`` runs the test split once: one cell in 10,000
stuck, 200 fault maps, without a remedy and with the one chosen. It fails (exit 3) where the bound is missed: a
mean loss of 0.2 points, 0.5 at the 95th percentile, for at most 10 % energy and area.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rapidnn
from rapidnn.cli import sources
from rapidnn.data import load_data
from rapidnn.networks import resolve
from rapidnn.reliability.wear import wear

CURVE = (1e-5, 1e-4, 3e-4, 1e-3, 1e-2)
CELL_REMEDIES = ("none", "permute", "spare-rows=4", "parity", "secded")
KINDS: dict[str, tuple[tuple[float, ...], tuple[str, ...]]] = {
    "write": ((1e-4, 1e-3, 1e-2), ("none", "write-verify=2", "secded")),
    "retention": ((1e-4, 1e-3, 1e-2), ("none", "refresh=9", "secded")),
    "counter": ((1e-4, 1e-3, 1e-2), ("none",)),
    "block": ((1e-3, 1e-2, 3e-2), ("none", "spare-blocks=0.05")),
    "tile": ((0.03, 0.3), ("none", "spare-blocks=1")),
    "search": ((0.003, 0.03, 0.3), ("none",)),
    "adder": ((1e-9, 1e-8, 1e-7, 1e-6), ("none",)),
}
LOSS_MEAN, LOSS_P95, PRICE = 0.002, 0.005, 0.1
Row = dict[str, Any]


def subject(weights: Path | None, **how: Any) -> tuple[Any, Any]:
    """The network composed with w = u = 16, and its data; ``how`` of :func:`rapidnn.compose`."""
    data = load_data("mnist")
    found = resolve("mnist-mlp", weights)
    prepare = data.preprocess.for_shape(found.input_shape)
    calibration, _ = sources.calibration_and_validation(data, prepare, 1000, 0)
    composed = rapidnn.compose(found.module, calibration, weights=16, inputs=16, seed=0, **how)
    composed.preprocess = prepare
    return composed, data


def tuned(weights: Path, stuck_cells: float) -> Iterator[Row]:
    """Three epochs on 10,000 training samples, with cells stuck meanwhile, and the network's losses after it."""
    data = load_data("mnist")
    prepare = data.preprocess.for_shape(resolve("mnist-mlp", weights).input_shape)
    x_fit, y_fit, x_held, y_held = data.validation_split()
    fit, held = (prepare.apply(x_fit[:10_000]), y_fit[:10_000]), (prepare.apply(x_held[:1000]), y_held[:1000])
    start = time.perf_counter()
    composed, _ = subject(
        weights, recover="full", finetune=fit, validation=held, epochs=3, stuck_cells=stuck_cells
    )
    seconds = time.perf_counter() - start
    found = rapidnn.faults(
        composed, *held, rates=[1e-4, 1e-3, 1e-2], maps=20, remedies=["none", "permute"], threads=1
    )
    for row in points("finetune", found):
        yield {"stuck_cells_in_training": stuck_cells, "compose_s": seconds, **row}


def points(part: str, study: Any) -> Iterator[Row]:
    """The rows of a study."""
    common = {"part": part, "samples": study.samples, "clean_accuracy": study.clean_accuracy}
    for point in (*study.points, *study.by_layer, *study.by_bit):
        yield {**common, **asdict(point)}
    for cost in study.costs:
        yield {"part": part, "kind": study.kind, **asdict(cost)}
    yield {"part": part, "kind": study.kind, "maps_per_minute": study.maps_per_minute}


def parts(composed: Any, data: Any, weights: Path) -> dict[str, Callable[[], Iterator[Row]]]:
    """Every part by name."""
    _, _, x, y = data.validation_split()
    held = composed.preprocess.apply(x[:1000]), y[:1000]

    def study(name: str, **how: Any) -> Iterator[Row]:
        return points(name, rapidnn.faults(composed, *held, threads=1, **how))

    def closing() -> Iterator[Row]:
        x, y = data.split("test", default="test")
        found = rapidnn.faults(
            composed, composed.preprocess.apply(x), y, rates=[1e-4], maps=200, remedies=["none", "permute"], threads=1
        )  # fmt: skip
        yield from points("closing", found)
        point, price = found.points[1], found.costs[1]
        met = point.loss_mean < LOSS_MEAN and point.loss_p95 < LOSS_P95
        met = met and max(price.energy_share, price.area_share) <= PRICE
        yield {"part": "closing", "bound_met": met}

    def years(name: str, **how: Any) -> Iterator[Row]:
        found = wear(composed, *held, inputs_per_s=1.0, maps=10, threads=1, **how)
        setting = {"scratch_groups": found.scratch_groups, "spare_blocks": found.spare_blocks}
        for point in found.points:
            yield {"part": name, "clean_accuracy": found.clean_accuracy, **setting, **asdict(point)}

    grid = (0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1, 2, 5, 10)
    return {
        "closing": closing,
        "curve": lambda: study("curve", rates=CURVE, maps=30, remedies=CELL_REMEDIES),
        "where": lambda: study("where", rates=[1e-3], maps=30, by=["layer", "bit"]),
        **{
            kind: (lambda kind=kind, rates=rates, remedies=remedies: study(
                kind, kind=kind, rates=rates, maps=5 if kind == "adder" else 20, remedies=remedies
            ))
            for kind, (rates, remedies) in KINDS.items()
        },
        "finetune": lambda: (row for rate in (0.0, 1e-3, 1e-2) for row in tuned(weights, rate)),
        "wear-plain": lambda: years("wear-plain", years=grid),
        "wear-groups": lambda: years("wear-groups", years=grid, scratch_groups=20),
        "wear-spares": lambda: years("wear-spares", years=grid, spare_blocks=0.05),
    }  # fmt: skip


def main() -> int:
    """Run the parts asked for; rows are printed as they are finished, and as one JSON object at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    composed, data = subject(given.weights)
    rows: list[Row] = []
    for name, run in parts(composed, data, given.weights).items():
        if given.only and name not in given.only.split(","):
            continue
        start = time.perf_counter()
        for row in run():
            rows.append(row)
            print(json.dumps(row), flush=True)
        print(f"# {name}: {time.perf_counter() - start:.0f} s", flush=True)
    if given.out is not None:
        given.out.write_text(json.dumps({"benchmark": "faults", "rows": rows}, indent=1) + "\n")
    return 0 if all(row.get("bound_met", True) for row in rows) else 3


if __name__ == "__main__":
    sys.exit(main())
