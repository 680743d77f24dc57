"""Speed of the search: ``python benchmarks/explore.py``; a few minutes. ``--rows`` picks some.

Every search starts in an empty folder. ``cpu_s`` counts this process and its workers, so on a machine with other work
it tells more than ``wall_s``; ``trials_per_s`` leaves out what comes before the first trial (import, calibration).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from typing import Any

import numpy as np

import rapidnn
from rapidnn.networks import resolve
from rapidnn.networks.train import RECIPES, train

HARDWARE_TRIALS, DIGITS_TRIALS = 1000, 200
ROUNDS = 3


def timed(**options: Any) -> dict[str, Any]:
    """One search and what it took."""
    before, start = cpu(), time.perf_counter()
    began: list[float] = []

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "trials" and not began:
            began.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        found = rapidnn.explore(folder=folder, progress=progress, **options)
    end = time.perf_counter()
    wall = end - start
    return {
        "trials": len(found.trials),
        "workers": options.get("workers", 1),
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu() - before, 2),
        "trials_per_s": round(len(found.trials) / (end - began[0]), 2),
        "front": len(found.front),
        **{
            how: sum(t.known_by == how for t in found.trials) for how in ("verified", "measured", "predicted")
        },
    }


def cpu() -> float:
    """Processor seconds of this process and of children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def digits_cnn() -> dict[str, Any]:
    """The digits CNN with trained weights, and its data."""
    from rapidnn.cli import sources
    from rapidnn.data import load_data

    made, data = resolve("digits-cnn", None, seed=0), load_data("digits")
    prepare = data.preprocess.for_shape(made.input_shape or ())
    train(made.module, data, RECIPES["digits-cnn"], preprocess=prepare)
    samples, validation = sources.calibration_and_validation(data, prepare, 1000, 0)
    return {"model": made.module, "calibration": samples, "validation": validation}


def composed_resnet() -> dict[str, Any]:
    """ResNet-20 with random weights, composed, on random inputs: its machine alone is explored."""
    made = resolve("resnet20", None, seed=0)
    x = np.random.default_rng(0).standard_normal((64, *(made.input_shape or ()))).astype(np.float32)
    return {"model": rapidnn.compose(made.module, x, 16, 16, recover="none"), "calibration": x}


def workers_row(options: dict[str, Any]) -> dict[str, Any]:
    """One and two workers in turns; the median of the ratios of their rates."""
    rates = []
    for _ in range(ROUNDS):
        one, two = (timed(**options, trials=DIGITS_TRIALS, workers=n, predict=False) for n in (1, 2))
        rates.append(two["trials_per_s"] / one["trials_per_s"])
    return {"row": "two workers over one", "rounds": ROUNDS, "ratio": round(statistics.median(rates), 2)}


def main() -> None:
    """Print the rows as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", default=["digits", "hardware", "workers"])
    wanted = parser.parse_args().rows
    rows: list[dict[str, Any]] = []
    if "digits" in wanted:
        row = timed(**digits_cnn(), trials=DIGITS_TRIALS, workers=2)
        rows.append({"row": "digits CNN", **row})
    if "hardware" in wanted:
        for workers in (1, 2):
            row = timed(**composed_resnet(), trials=HARDWARE_TRIALS, workers=workers)
            rows.append({"row": "ResNet-20, hardware only", **row})
    if "workers" in wanted:
        rows.append(workers_row(digits_cnn()))
    result = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "rows": rows}
    print(json.dumps({"schema": "rapidnn/benchmarks-explore/1", "result": result}, indent=1))


if __name__ == "__main__":
    main()
