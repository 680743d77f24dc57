"""Time of one neuron executed gate by gate: ``python benchmarks/micro_neuron.py [--rounds 15]``.

A dense neuron of K inputs with random weight codes, products and input codes, on the default machine with enough
counters. Each round takes every row once; the medians are printed as JSON rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np

from rapidnn.machine import load_hardware
from rapidnn.machine.micro.run import NeuronRun, run_neuron
from rapidnn.machine.pipeline import plan_layers
from rapidnn.tables.program import ActivationTable, CodeGroup, Encode, EncodeInput, Program, WeightedSum

SIZES = ((784, 4), (784, 16), (784, 64), (512, 16), (4608, 16))
"""Inputs of the neuron, and w = u."""


def program_of(inputs: int, size: int, rng: np.random.Generator) -> Program:
    """An input, one dense neuron of ``inputs`` taps with random tables, ReLU and an encoding of ``size`` rows."""
    products = rng.integers(-30000, 30000, (1, size, size)).astype(np.int16)
    step = WeightedSum(
        name="fc",
        source="x",
        window=None,
        groups=1,
        weight_codes=rng.integers(0, size, (1, inputs)).astype(np.uint8),
        values=np.arange(size, dtype=np.int32)[np.newaxis],
        scales=np.ones(1),
        bits=8,
        products=products,
        product_bits=16,
        shift=0,
        bias=np.ones(1, np.int32),
        acc_scales=np.ones(1),
        bound=30000 * inputs + 1,
        residuals=(),
    )
    rows = np.arange(size, dtype=np.int32)[np.newaxis]
    encode = Encode("code", "fc", "g", ActivationTable("relu"), rows, rows[:, 1:], rows.astype(np.uint8))
    group = CodeGroup("g", np.arange(size, dtype=np.int32), 1.0, 8, 0)
    thresholds = np.linspace(-1, 1, size - 1, dtype=np.float32)
    return Program((group,), (EncodeInput("x", "g", thresholds, (inputs,)), step, encode), "code")


def timed(inputs: int, size: int) -> Any:
    """A function that executes the neuron once and gives its time in milliseconds and what it did."""
    rng = np.random.default_rng(0)
    program = program_of(inputs, size, rng)
    hardware = load_hardware("rapidnn-hpca20", {"counters.resident": size * size, "rna.rows": 4096})
    layer = plan_layers(program)[1]
    codes = {"x": rng.integers(0, size, (1, inputs)).astype(np.uint8)}

    def once() -> tuple[float, NeuronRun]:
        start = time.perf_counter()
        run = run_neuron(program, "fc", (0,), codes, hardware, layer=layer)
        return (time.perf_counter() - start) * 1000, run

    return once


def main() -> None:
    """Print the rows as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    neurons = {key: timed(*key) for key in SIZES}
    times: dict[tuple[int, int], list[float]] = {key: [] for key in SIZES}
    runs: dict[tuple[int, int], NeuronRun] = {}
    for _ in range(rounds):
        for key, once in neurons.items():
            spent, runs[key] = once()
            times[key].append(spent)
    rows = [
        {
            "inputs": inputs,
            "codes": size,
            "median_ms": round(statistics.median(times[inputs, size]), 2),
            "rounds": rounds,
            "addends": len(run.addends),
            "cycles": run.cycles,
            "crossbar_cycles": run.counts.cycles,
            "nor_outputs": run.counts.nor_outputs,
        }
        for (inputs, size), run in runs.items()
    ]
    print(json.dumps({"schema": "rapidnn/benchmarks-micro-neuron/1", "result": {"rows": rows}}, indent=1))


if __name__ == "__main__":
    main()
