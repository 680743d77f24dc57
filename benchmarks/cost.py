"""Time of costing a network: ``python benchmarks/cost.py F.rapidnn [...] [--rounds 9] [--batch 1] [--threads 2]``.

For every artifact: loading and packing once, then in every round the plain native run, the run whose codes are sampled
and counted, and a cost from the counted statistics, one after the other; medians are printed as JSON rows. Inputs are
normal random.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import rapidnn
from rapidnn.machine import estimate_program, load_hardware
from rapidnn.machine.network import collect_statistics


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """The time of a call, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def row(path: Path, batch: int, threads: int, rounds: int, *, exact: bool) -> dict[str, Any]:
    """One artifact at one batch size."""
    load_s, composed = seconds(lambda: rapidnn.load(path))
    pack_s, _ = seconds(composed.native)
    x = np.random.default_rng(4).standard_normal((batch, *composed.program.input_shape), np.float32)
    hardware = load_hardware("rapidnn-hpca20", {"am.rows": 256, "counters.resident": 65536})
    first_s, counted = seconds(lambda: collect_statistics(composed, x, threads=threads))
    first_estimate_s, _ = seconds(lambda: estimate_program(composed.program, counted, hardware))
    plain, sampled, estimated = [], [], []
    for _ in range(rounds):
        plain.append(seconds(lambda: composed.run(x, threads=threads))[0])
        sampled.append(seconds(lambda: collect_statistics(composed, x, threads=threads))[0])
        estimated.append(seconds(lambda: estimate_program(composed.program, counted, hardware))[0])
    found: dict[str, Any] = {
        "artifact": path.name,
        "batch": batch,
        "threads": threads,
        "rounds": rounds,
        "whole_s": load_s + pack_s + first_s + first_estimate_s,
        "load_s": load_s,
        "pack_s": pack_s,
        "run_ms": 1000 * statistics.median(plain),
        "sampled_run_ms": 1000 * statistics.median(sampled),
        "sampling_ratio": statistics.median(b / a for a, b in zip(plain, sampled, strict=True)),
        "first_estimate_ms": 1000 * first_estimate_s,
        "estimate_ms": 1000 * statistics.median(estimated),
        "fastest_estimate_ms": 1000 * min(estimated),
    }
    cost = estimate_program(composed.program, counted, hardware)
    found |= {"energy_interval_95": cost.energy_interval_95, "time_interval_95": cost.time_interval_95}
    if exact:
        found["exact_s"], everything = seconds(
            lambda: collect_statistics(composed, x, threads=threads, exact=True)
        )
        true = estimate_program(composed.program, everything, hardware)
        found["energy_error"] = cost.energy_pj / true.energy_pj - 1
    return found


def main() -> None:
    """Print the rows as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifacts", nargs="+", type=Path)
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--exact", action="store_true", help="count all neurons too, and compare")
    given = parser.parse_args()
    rows = [
        row(path, batch, given.threads, given.rounds, exact=given.exact)
        for path in given.artifacts
        for batch in given.batch or [1]
    ]
    document = {
        "schema": "rapidnn/bench-cost/1",
        "command": "benchmarks/cost.py",
        "version": rapidnn.__version__,
        "result": {"rows": rows},
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
