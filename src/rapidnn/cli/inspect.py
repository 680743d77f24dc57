"""``rapidnn inspect``: what an artifact holds."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import RenderableType

from rapidnn.cli import options
from rapidnn.cli.console import Terminal


def inspect(artifact: options.ArtifactFile, as_json: options.Json = False) -> None:
    """Show the layers of an artifact: sizes, widths, tables, and which accumulators take residual inputs."""
    import rapidnn
    from rapidnn.report import facts, text

    composed = rapidnn.load(artifact)
    result = {
        "artifact": str(artifact),
        "info": composed.info,
        "preprocess": composed.preprocess.to_json(),
        "input_shape": list(composed.program.input_shape),
        "output_shape": list(composed.program.output_shape),
        "layers": [asdict(layer) for layer in facts.layers(composed.program)],
        "groups": [asdict(group) for group in facts.groups(composed.program)],
    }
    shown: list[RenderableType] = [text.layer_table(composed.program), text.group_table(composed.program)]
    Terminal("inspect", as_json=as_json).result(result, *shown)
