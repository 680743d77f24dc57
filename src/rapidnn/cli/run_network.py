"""``rapidnn run``: an artifact on inputs from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from rapidnn.cli import options
from rapidnn.cli.console import Terminal
from rapidnn.errors import DataError
from rapidnn.files import atomic_path, check_output


def run(
    artifact: options.ArtifactFile,
    inputs: Annotated[
        Path,
        typer.Option(
            "--input", metavar="X.npz", help="Raw samples under the key inputs.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="Y.npz", help="Results to write.", show_default=False)
    ],
    backend: options.Backend = "cpu",
    device: options.Device = None,
    level: options.Level = None,
    as_json: options.Json = False,
) -> None:
    """Run raw inputs through the tables; writes outputs (float32) and accumulators (int32).

    The artifact's preprocessing is applied: give data as the data set has them, not scaled or normalised.
    """
    import rapidnn
    from rapidnn.data.npz import read_arrays

    terminal = Terminal("run", as_json=as_json)
    check_output(output, artifact, inputs)
    if inputs.is_dir():
        raise DataError(f"{inputs}: a folder; --input takes an .npz with raw samples under the key inputs")
    if not inputs.exists():
        raise DataError(
            f"{inputs}: no such file; --input takes an .npz with raw samples under the key inputs"
        )
    composed = rapidnn.load(artifact)
    if level is not None:
        composed = composed.at_level(level)
    arrays = read_arrays(inputs)
    if "inputs" not in arrays:
        raise DataError(f"{inputs}: no array named inputs; it holds {', '.join(sorted(arrays)) or 'nothing'}")
    raw = arrays["inputs"]
    x = composed.preprocess.apply(raw)
    if composed.preprocess.divisor > 1 and raw.dtype.kind == "f" and raw.size and np.nanmax(np.abs(raw)) <= 1:
        terminal.notice(
            f"{inputs}: values up to {np.nanmax(np.abs(raw)):g} will be divided by {composed.preprocess.divisor:g}; "
            f"this command takes raw data, not preprocessed inputs"
        )
    with terminal.progress() as stages:
        accumulators = composed.run(
            x, backend=backend, device=device, progress=lambda done, total: stages("run", done, total)
        )
    try:
        with atomic_path(output) as temporary, temporary.open("wb") as file:
            np.savez(file, outputs=composed.real(accumulators), accumulators=accumulators)
    except OSError as error:
        raise DataError(f"{output}: cannot be written ({error.strerror or error})") from None
    result = {
        "artifact": str(artifact),
        "input": str(inputs),
        "output": str(output),
        "samples": len(x),
        "output_shape": list(composed.program.output_shape),
        "backend": backend,
        "device": device,
        "level": level,
    }
    shape = "x".join(map(str, composed.program.output_shape))
    terminal.result(result, f"ran {len(x)} samples; {output} holds outputs and accumulators of {shape} each")
