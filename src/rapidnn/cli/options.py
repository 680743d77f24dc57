"""Arguments and options that several commands share, and the parsing of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapidnn.composer.settings import Sizes
from rapidnn.errors import ComposeError, DataError

Net = Annotated[
    str,
    typer.Argument(
        metavar="NET",
        help="An .onnx file, a built-in network's name, or package.module:factory.",
        show_default=False,
    ),
]
ArtifactFile = Annotated[
    Path, typer.Argument(metavar="F.rapidnn", help="A composed network.", show_default=False)
]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="D", help="A data set's name, an .npz, or a folder of images by class."),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Weights: .safetensors or .npz.", show_default=False),
]
FloatNet = Annotated[
    str | None,
    typer.Option("--network", metavar="NET", help="Compare with this float network too.", show_default=False),
]
WeightCodes = Annotated[
    str | None,
    typer.Option(
        "-w",
        "--weight-codes",
        help="Weight codebook size: 16 (the default), or fc1=64,*=16. With --max-loss, the largest allowed.",
        show_default=False,
    ),
]
InputCodes = Annotated[
    str | None,
    typer.Option(
        "-u",
        "--input-codes",
        help="Input codebook size: 16 (the default), or fc1=64,*=16. With --max-loss, the largest allowed.",
        show_default=False,
    ),
]
MaxLoss = Annotated[
    float | None,
    typer.Option(
        "--max-loss",
        metavar="SHARE",
        help="Choose sizes layer by layer for the least energy that loses at most this share of top-1 accuracy "
        "(0.005: half a point) on held-out training data.",
        show_default=False,
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="uniform",
        help="Beside it, layer by layer: uniform quantisation at equal sizes (needs --network).",
        show_default=False,
    ),
]
FixedPoint = Annotated[
    bool,
    typer.Option(
        "--fixed-point",
        help="Beside it: errors of operand and product rounding, and the loss on held-out training data against "
        "the bits of a product (needs --network).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random choice.")]
Split = Annotated[
    str | None, typer.Option("--split", help="train or test; default test.", show_default=False)
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Use only the first so many samples.", show_default=False)
]
Backend = Annotated[
    str, typer.Option("--backend", help="cpu, numpy, reference or torch; all give the same integers.")
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", help="With --backend torch: cpu, cuda, cuda:1; default cpu.", show_default=False
    ),
]
Level = Annotated[
    int | None,
    typer.Option(
        "--level", metavar="L", help="Turn tree codebooks down to codes of L bits.", show_default=False
    ),
]
Hardware = Annotated[str, typer.Option("--hardware", help="A built-in machine's name or a .yaml file.")]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="auto|ADDRESS",
        help="Run on a Ray cluster: the one this machine belongs to, or HOST:PORT (needs rapidnn[ray]).",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a constant, such as rna.cycle_ns=1. Repeatable."),
]
Samples = Annotated[
    int, typer.Option("--samples", min=1, help="Inputs whose codes are counted for the cost.")
]
Shape = Annotated[
    str | None,
    typer.Option(
        "--shape", help="The network's input shape without the batch, such as 3,32,32.", show_default=False
    ),
]
Mean = Annotated[
    str | None,
    typer.Option("--mean", help="Preprocessing: mean per channel after division.", show_default=False),
]
Std = Annotated[
    str | None,
    typer.Option("--std", help="Preprocessing: deviation per channel after division.", show_default=False),
]
Divisor = Annotated[
    float | None,
    typer.Option("--divisor", help="Preprocessing: raw values are divided by this.", show_default=False),
]


def sizes(text: str, option: str) -> Sizes:
    """Codebook sizes: ``16``, or ``conv1=64,*=16``."""
    try:
        if "=" not in text:
            return int(text)
        return {name.strip(): int(size) for name, size in (item.rsplit("=", 1) for item in text.split(","))}
    except ValueError:
        raise ComposeError(
            f"{option} {text!r}: expected a size such as 16, or sizes such as conv1=64,*=16"
        ) from None


def numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    """Comma-separated numbers."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise DataError(f"{option} {text!r}: expected numbers separated by commas") from None


def overrides(items: list[str] | None) -> dict[str, str]:
    """``--set`` options as a mapping; the hardware description checks keys and values."""
    from rapidnn.errors import HardwareError

    found: dict[str, str] = {}
    for item in items or []:
        key, separator, value = item.partition("=")
        if not separator or not key or not value:
            raise HardwareError(f"--set {item!r}: expected KEY=VALUE, such as rna.cycle_ns=1")
        found[key.strip()] = value.strip()
    return found
