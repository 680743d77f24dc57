"""``rapidnn inspect``: what an artifact holds, or what would become of an ONNX file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from rapidnn.cli import options
from rapidnn.cli.console import Terminal
from rapidnn.composer.settings import DEFAULT_SIZE

_PRODUCT_BITS = 16


def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A composed network, or an .onnx file.", show_default=False)
    ],
    weight_codes: Annotated[
        int, typer.Option("-w", "--weight-codes", min=1, max=256, help="For .onnx.")
    ] = DEFAULT_SIZE,
    input_codes: Annotated[
        int, typer.Option("-u", "--input-codes", min=1, max=256, help="For .onnx.")
    ] = DEFAULT_SIZE,
    shape: options.Shape = None,
    as_json: options.Json = False,
) -> None:
    """Show the layers of an artifact, or for an ONNX file where each node would run, and why one is refused."""
    terminal = Terminal("inspect", as_json=as_json)
    if file.suffix == ".onnx":
        _inspect_onnx(terminal, file, weight_codes, input_codes, shape)
    else:
        _inspect_artifact(terminal, file)


def _inspect_artifact(terminal: Terminal, file: Path) -> None:
    import rapidnn
    from rapidnn.report import facts, text

    composed = rapidnn.load(file)
    result = {
        "artifact": str(file),
        "info": composed.info,
        "preprocess": composed.preprocess.to_json(),
        "input_shape": list(composed.program.input_shape),
        "output_shape": list(composed.program.output_shape),
        "layers": [asdict(layer) for layer in facts.layers(composed.program)],
        "groups": [asdict(group) for group in facts.groups(composed.program)],
    }
    shown: list[RenderableType] = [text.layer_table(composed.program), text.group_table(composed.program)]
    terminal.result(result, *shown)


def _inspect_onnx(terminal: Terminal, file: Path, weights: int, inputs: int, shape: str | None) -> None:
    from rapidnn.frontends import support_report

    extents = options.numbers(shape, "--shape")
    report = support_report(file, None if extents is None else tuple(int(n) for n in extents))
    memory = [node.memory_bytes(weights, inputs, _PRODUCT_BITS) for node in report.nodes]
    result = report.to_json()
    result |= {"weight_code_bits": (weights - 1).bit_length(), "input_code_bits": (inputs - 1).bit_length()}
    for entry, size in zip(result["nodes"], memory, strict=True):
        entry["memory_bytes"] = size
    table = Table(title=f"{file}: w = {weights}, u = {inputs}, {_PRODUCT_BITS}-bit products")
    for column in ("node", "operator", "runs on", "output", "MACs", "parameters", "B/neuron", "why"):
        table.add_column(column, overflow="fold")
    for node, size in zip(report.nodes, memory, strict=True):
        extent = "" if node.output_shape is None else "x".join(map(str, node.output_shape))
        counts = (f"{n:,}" if n else "" for n in (node.macs, node.parameters))
        held = "" if size is None else f"{size:,.0f}"
        table.add_row(node.name, node.operator, node.where, extent, *counts, held, node.reason)
    verdict = "supported" if report.supported else f"not supported: {len(report.refused)} nodes are refused"
    terminal.result(result, table, f"{report.macs:,} MACs, {report.parameters:,} parameters; {verdict}")
