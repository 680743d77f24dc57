"""Error of an activation table against its rows and their placement: ``python benchmarks/activation_rows.py``.

The input is normal with deviation 1 and 3 (two million draws, seed 0); ``rms_error`` is the root mean square of table
minus function over it, in units of the function's value. Rows are printed as the common JSON object.
"""

from __future__ import annotations

import json

import numpy as np

import rapidnn
from rapidnn.composer.histogram import Histogram
from rapidnn.tables.placement import PLACEMENTS, place_rows, placement_error


def main() -> None:
    """Print all rows."""
    rows = []
    for spread in (1.0, 3.0):
        histogram = Histogram()
        histogram.add(spread * np.random.default_rng(0).standard_normal(2_000_000, np.float32))
        points, weights = histogram.points()
        for kind in ("sigmoid", "tanh", "gelu", "silu"):
            for count in (16, 32, 64, 128):
                errors = {
                    placement: placement_error(
                        kind, (), place_rows(placement, kind, (), points, weights, count), points, weights
                    )
                    for placement in PLACEMENTS
                }
                rows += [
                    {
                        "function": kind,
                        "deviation": spread,
                        "rows": count,
                        "placement": placement,
                        "rms_error": error,
                        "ratio_to_nonuniform": error / errors["nonuniform"],
                    }
                    for placement, error in errors.items()
                ]
    document = {
        "schema": "rapidnn/activation-rows/1",
        "command": "activation_rows",
        "version": rapidnn.__version__,
    }
    print(json.dumps(document | {"result": {"rows": rows}}, indent=1))


if __name__ == "__main__":
    main()
