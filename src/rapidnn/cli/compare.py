"""``rapidnn compare``: the machine of an artifact beside ISAAC, PipeLayer, DaDianNao, Eyeriss and GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.errors import HardwareError, ModelError
from rapidnn.files import check_output

if TYPE_CHECKING:
    from torch import nn


def compare(
    artifact: options.ArtifactFile,
    data: options.Data = None,
    split: options.Split = None,
    against: Annotated[
        str, typer.Option(help="Rivals: isaac, pipelayer, dadiannao, eyeriss, gtx1080, h200.")
    ] = "isaac,pipelayer,dadiannao,gtx1080",
    basis: Annotated[
        str, typer.Option(help="Compare speeds per area, per power, by chip, or by capacity.")
    ] = "area",
    node: Annotated[
        float | None, typer.Option("--node", help="Bring all to one technology node, nm.", show_default=False)
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="RIVAL", help="Print the sum a rival's figures come from."),
    ] = None,
    dense: Annotated[
        bool, typer.Option("--dense", help="Zero skipping off: charge our machine for zero products too.")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Also run the float network in real time on the GPU if torch sees one, else on the CPU.",
        ),
    ] = False,
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            metavar="NET",
            help="The float network that --measure runs; default the one the artifact names.",
            show_default=False,
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write the comparison as one HTML file.", show_default=False
        ),
    ] = None,
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    samples: options.Samples = 32,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Time, energy and area of the artifact's machine and of its rivals on the same network."""
    import rapidnn
    from rapidnn.report import rivals as tables
    from rapidnn.report import write_comparison

    terminal = Terminal("compare", as_json=as_json)
    names = [name.strip() for name in against.split(",") if name.strip()]
    if explain is not None and explain.removesuffix("@8") not in names:
        raise HardwareError(f"--explain {explain}: it is not among the rivals compared ({', '.join(names)})")
    overrides = options.overrides(changes)
    if page is not None:
        check_output(page, artifact)
    composed = rapidnn.load(artifact)
    float_model = _float_model(network, composed.info.get("network")) if measure else None
    with terminal.progress() as stages:
        found = sources.data_set(data or composed.info.get("data"), None, stages)
        x, _ = sources.labelled(found, split, samples)
        result = rapidnn.compare(
            composed,
            composed.preprocess.apply(x),
            names,
            basis=basis,  # type: ignore[arg-type]
            hardware=hardware,
            overrides=overrides,
            node_nm=node,
            dense=dense,
            measured=float_model,
            seed=seed,
        )
    shown = list(tables.comparison_tables(result))
    document = {"artifact": str(artifact), "data": found.name, "samples": len(x), **result.to_json()}
    document["explained"] = None
    if explain is not None:
        explained = tables.explanation(result.costs[explain])
        shown += tables.explanation_tables(explained)
        document["explained"] = explained.to_json()
    if page is not None:
        write_comparison(page, result, title=f"{artifact.stem} beside other machines")
        shown.append(f"comparison: {page}")
    terminal.result(document, *shown)


def _float_model(asked: str | None, recorded: object) -> nn.Module | Path:
    """The network to run: only its structure matters for its time, so weights are not asked for."""
    from rapidnn.networks import names

    spec = asked or (recorded if isinstance(recorded, str) else None)
    known = spec is not None and (spec in names() or ":" in spec or Path(spec).is_file())
    if spec is None or (asked is None and not known):
        raise ModelError(
            f"--measure: the artifact's network {spec!r} is neither built in nor a file here; name it with --network"
        )
    return sources.float_network(spec, None, 0).model
