"""What the parts of a search cost, by network: ``python benchmarks/explore_scale.py``; a few minutes.

Processor seconds of one thread, random weights, random inputs. ``fits`` has the slopes of straight lines through the
logarithms: seconds grow as (size)**slope.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rapidnn.composer.choices import choose
from rapidnn.composer.sensitivity import network_macs
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import tabulate
from rapidnn.data.preprocess import Preprocess
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.frontends import import_model
from rapidnn.graph.ops import parameters_of
from rapidnn.machine.description import load_hardware
from rapidnn.machine.estimate import estimate_program
from rapidnn.machine.network import collect_statistics
from rapidnn.networks import resolve
from rapidnn.search.subject import COUNTED, float_subject

NETWORKS = ("digits-cnn", "mnist-mlp", "resnet20", "resnet56")
SAMPLES = 128
SIZE = 16


def seconds(action: Callable[[], Any]) -> tuple[Any, float]:
    """A result and the processor seconds it took."""
    start = time.process_time()
    return action(), time.process_time() - start


def row(name: str) -> dict[str, Any]:
    """The parts for one network."""
    made = resolve(name, None, seed=0)
    shape = made.input_shape or ()
    x = np.random.default_rng(0).standard_normal((SAMPLES, *shape)).astype(np.float32)
    labels, settings = np.zeros(SAMPLES, np.int64), Settings(SIZE, SIZE)
    graph, importing = seconds(lambda: import_model(made.module, x[:16]))
    subject, preparing = seconds(lambda: float_subject(graph, x, (x, labels), settings))
    choices, clustering = seconds(lambda: choose(subject.plan, subject.histograms, settings))
    program, tabulating = seconds(
        lambda: tabulate(graph, subject.plan, subject.histograms, choices, settings)
    )
    network = ComposedNetwork(program, Preprocess.identity(graph.input_shape), {})
    _, packing = seconds(network.native)
    statistics, counting = seconds(lambda: collect_statistics(network, x[:COUNTED], threads=1))
    network(x, threads=1)
    _, running = seconds(lambda: network(x, threads=1))
    hardware = load_hardware("rapidnn-hpca20")
    _, costing = seconds(lambda: estimate_program(program, statistics, hardware))
    parameters = sum(array.size for node in graph for array in parameters_of(node.op).values())
    return {
        "network": name,
        "layers": len(subject.layers),
        "parameters": parameters,
        "mmacs": round(network_macs(graph) / 1e6, 3),
        "import_s": round(importing, 3),
        "prepare_ms_per_sample": round(1000 * preparing / SAMPLES, 3),
        "cluster_ms": round(1000 * clustering, 1),
        "tabulate_ms": round(1000 * tabulating, 2),
        "pack_ms": round(1000 * packing, 1),
        "count_ms": round(1000 * counting, 1),
        "evaluate_ms_per_sample": round(1000 * running / SAMPLES, 4),
        "cost_ms": round(1000 * costing, 1),
    }


def exponent(rows: list[dict[str, Any]], of: str, by: str) -> float:
    """The slope of log(of) against log(by)."""
    pairs = [(math.log(r[by]), math.log(max(r[of], 1e-6))) for r in rows]
    return round(float(np.polyfit(*zip(*pairs, strict=True), 1)[0]), 2)


def main() -> None:
    """Print the rows as one JSON object."""
    import torch

    torch.set_num_threads(1)
    import_model(resolve("digits-cnn", None, seed=0).module, np.zeros((2, 1, 8, 8), np.float32))
    rows = [row(name) for name in NETWORKS]
    wanted = (
        ("cluster_ms", "parameters"),
        ("pack_ms", "layers"),
        ("cost_ms", "layers"),
        ("evaluate_ms_per_sample", "mmacs"),
        ("prepare_ms_per_sample", "mmacs"),
    )
    fits = {f"{of} by {by}": exponent(rows, of, by) for of, by in wanted}
    result = {"samples": SAMPLES, "codes": SIZE, "rows": rows, "fits": fits}
    print(json.dumps({"schema": "rapidnn/benchmarks-explore-scale/1", "result": result}, indent=1))


if __name__ == "__main__":
    main()
