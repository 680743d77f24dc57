"""Losses after fine-tuning: float minus composed accuracy on the test split, bit-true, one row a network and seed.

``python benchmarks/finetuned_losses.py mnist-mlp --weights-file 'nets/mnist-mlp-{seed}.safetensors' --seeds 5`` prints
the common JSON object. Choices are made on the training split (a stratified tenth of it validates); the test split is
run once per row.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import rapidnn
from rapidnn.cli import sources
from rapidnn.cli.options import sizes
from rapidnn.composer.sample import float_outputs
from rapidnn.data import load_data
from rapidnn.execute.evaluate import evaluate
from rapidnn.frontends import import_model
from rapidnn.networks import resolve


def row(
    network: str, weights: Path, seed: int, w: str, u: str, granularity: str, epochs: int
) -> dict[str, Any]:
    """Compose, fine-tune and evaluate one network."""
    made = resolve(network, weights)
    data = load_data(made.data_set or "")
    prepare = data.preprocess.for_shape(made.input_shape or ())
    samples, validation = sources.calibration_and_validation(data, prepare, 1000, seed)
    start = time.perf_counter()
    composed = rapidnn.compose(
        made.module,
        samples,
        sizes(w, "-w"),
        sizes(u, "-u"),
        granularity=granularity,
        validation=validation,
        finetune=sources.training(data, prepare, network, None, seed),
        epochs=epochs,
        seed=seed,
        preprocess=prepare,
    )
    seconds = time.perf_counter() - start
    x, y = data.split("test")
    expected = float_outputs(import_model(made.module, samples), prepare.apply(x))
    found = evaluate(composed, x, y, float_outputs=expected)
    return {
        "network": network,
        "seed": seed,
        "weights": w,
        "inputs": u,
        "granularity": granularity,
        "epochs": epochs,
        "float_accuracy": found.float_accuracy,
        "accuracy": found.accuracy,
        "loss_points": 100 * (found.loss or 0.0),
        "agreement": found.agreement,
        "sqnr_db": found.sqnr_db,
        "test_samples": found.samples,
        "seconds": seconds,
    }


def main() -> None:
    """Print the rows and, for several seeds, their mean loss with its 95 % interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network")
    parser.add_argument("--weights-file", required=True, help="{seed} in it stands for the seed")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("-w", default="4")
    parser.add_argument("-u", default="4")
    parser.add_argument("--granularity", default="layer")
    parser.add_argument("--epochs", type=int, default=5)
    chosen = parser.parse_args()
    rows = [
        row(
            chosen.network,
            Path(chosen.weights_file.format(seed=seed)),
            seed,
            chosen.w,
            chosen.u,
            chosen.granularity,
            chosen.epochs,
        )
        for seed in range(chosen.seeds)
    ]
    losses = np.array([r["loss_points"] for r in rows])
    # Student's t for 95 %, by degrees of freedom.
    t = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776}.get(len(losses) - 1)
    result = {
        "rows": rows,
        "mean_loss_points": float(losses.mean()),
        "interval_95": None if t is None else float(t * losses.std(ddof=1) / np.sqrt(len(losses))),
    }
    document = {"schema": "rapidnn/finetuned-losses/1", "command": "finetuned_losses", "result": result}
    print(json.dumps(document | {"version": rapidnn.__version__}))


if __name__ == "__main__":
    main()
