"""Losses of composed networks: float minus composed accuracy on the test split, bit-true, over seeds.

::

    python benchmarks/losses.py --weights-folder nets                  # every row of the table below
    python benchmarks/losses.py --weights-folder nets --only resnet    # rows whose name holds "resnet"

A seed draws the calibration sample (of the training split) and, where it is trained here, the training: weights
are read from ``FOLDER/{network}-{seed}.safetensors``, and made by ``rapidnn train`` where they are missing. Choices are
made on training data; the test split is run once per row and seed. Rows are printed as they are finished, in the common
JSON form at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

import rapidnn
from rapidnn.cli import sources
from rapidnn.composer.sample import float_outputs
from rapidnn.data import load_data
from rapidnn.execute.evaluate import Evaluation, evaluate
from rapidnn.frontends import import_model
from rapidnn.networks import resolve

CALIBRATION = 1000


@dataclass(frozen=True)
class Row:
    """One row of the table: a network with given or trained weights, composed one way.

    ``weights_file`` names given weights in the folder; without it they are trained, one training a seed. ``method`` is
    ``none``, ``bias`` or ``full`` (recovery without labels), ``finetune`` (``epochs`` of it), ``tree`` (a tree of 64
    codes read at ``size``). ``bound_points`` is the loss that must not be exceeded.
    """

    name: str
    network: str
    size: int
    method: str
    bound_points: float | None = None
    granularity: str = "layer"
    weights_file: str | None = None
    epochs: int = 0
    seeds: int = 5


_RESNETS = {"resnet20": "resnet20-12fca82f.npz", "resnet56": "resnet56-4bfd9763.npz"}
TABLE = (
    *(
        Row(f"{network}-16-{method}", network, 16, method, bound if method == "full" else None)
        for network, bound in (("mnist-mlp", 0.1), ("isolet-mlp", 0.3), ("har-inertial-mlp", 0.3))
        for method in ("none", "full")
    ),
    *(
        Row(f"{network}-{size}-{method}", network, size, method, bound, weights_file=_RESNETS[network])
        for network in _RESNETS
        for size, full_bound in ((16, 1.0), (32, 0.5))
        for method, bound in (("none", None), ("full", full_bound))
    ),
    *(
        Row(f"{network}-16-full-channel", network, 16, "full", 1.0, "channel", _RESNETS[network])
        for network in _RESNETS
    ),
    *(
        Row(f"{network}-16-tree", network, 16, "tree")
        for network in ("mnist-mlp", "isolet-mlp", "har-inertial-mlp")
    ),
    *(
        Row(f"{network}-4-finetune", network, 4, "finetune", 0.3, epochs=5)
        for network in ("mnist-mlp", "isolet-mlp", "har-inertial-mlp")
    ),
    *(
        Row(f"cifar10-cnn-{size}-finetune", "cifar10-cnn", size, "finetune", bound, epochs=5, seeds=1)
        for size, bound in ((4, 1.0), (8, 0.5))
    ),
    *(
        Row(
            f"resnet20-{size}-finetune",
            "resnet20",
            size,
            "finetune",
            bound,
            weights_file=_RESNETS["resnet20"],
            epochs=5,
            seeds=1,
        )
        for size, bound in ((4, None), (8, 1.0), (16, 0.3))
    ),
)
_TREE = 64


def weights_of(row: Row, folder: Path, seed: int) -> Path:
    """The row's weights, trained now if they are not in the folder."""
    if row.weights_file is not None:
        return folder / row.weights_file
    path = folder / f"{row.network}-{seed}.safetensors"
    if not path.exists():
        command = [
            sys.executable,
            "-m",
            "rapidnn",
            "train",
            row.network,
            "--seed",
            str(seed),
            "-o",
            str(path),
        ]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return path


def measure(row: Row, folder: Path, seed: int) -> tuple[Evaluation, float]:
    """One seed of a row: its evaluation on the test split and the seconds that composing took."""
    made = resolve(row.network, weights_of(row, folder, seed))
    data = load_data(made.data_set or "")
    prepare = data.preprocess.for_shape(made.input_shape or ())
    samples, validation = sources.calibration_and_validation(data, prepare, CALIBRATION, seed)
    tuned, tree = row.method == "finetune", row.method == "tree"
    size = _TREE if tree else row.size
    start = time.perf_counter()
    composed = rapidnn.compose(
        made.module,
        samples,
        size,
        size,
        granularity=row.granularity,
        tree=tree,
        recover=None if tuned or tree else row.method,  # type: ignore[arg-type]
        validation=validation if tuned else None,
        finetune=sources.training(data, prepare, row.network, None, seed) if tuned else None,
        epochs=max(1, row.epochs),
        seed=seed,
        preprocess=prepare,
    )
    seconds = time.perf_counter() - start
    if tree:
        composed = composed.at_level((row.size - 1).bit_length())
    x, y = data.split("test")
    expected = float_outputs(import_model(made.module, samples), prepare.apply(x))
    return evaluate(composed, x, y, float_outputs=expected), seconds


def summary(row: Row, found: list[tuple[Evaluation, float]]) -> dict[str, Any]:
    """Means over the seeds, the loss with its 95 % interval (Student's t)."""
    losses = 100 * np.array([evaluation.loss for evaluation, _ in found], float)
    count = len(losses)
    interval = student.ppf(0.975, count - 1) * losses.std(ddof=1) / np.sqrt(count) if count > 1 else None
    return asdict(row) | {
        "seeds": count,
        "test_samples": found[0][0].samples,
        "float_accuracy": float(np.mean([e.float_accuracy for e, _ in found])),
        "loss_points": float(losses.mean()),
        "interval_95_points": interval,
        "losses_points": losses.tolist(),
        "agreement": float(np.mean([e.agreement for e, _ in found])),
        "sqnr_db": float(np.mean([e.sqnr_db for e, _ in found])),
        "compose_seconds": float(np.median([seconds for _, seconds in found])),
    }


def main() -> None:
    """Print the rows asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights-folder", type=Path, required=True)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--seeds", type=int, help="fewer seeds than the rows say")
    chosen = parser.parse_args()
    rows = []
    for row in (row for row in TABLE if chosen.only in row.name):
        seeds = row.seeds if chosen.seeds is None else min(row.seeds, chosen.seeds)
        rows.append(summary(row, [measure(row, chosen.weights_folder, seed) for seed in range(seeds)]))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    document = {"schema": "rapidnn/losses/1", "command": "losses", "version": rapidnn.__version__}
    print(json.dumps(document | {"result": {"rows": rows}}))


if __name__ == "__main__":
    main()
