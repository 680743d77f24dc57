"""``rapidnn report``: all about an artifact, a comparison, a search or a reproduction as one HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Stages, Terminal
from rapidnn.errors import DataError
from rapidnn.files import check_output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rapidnn.data import DataSet
    from rapidnn.execute.composed import ComposedNetwork
    from rapidnn.machine.records import Hardware
    from rapidnn.report.sizes import SizePoint


def report(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="WHAT",
            help="F.rapidnn; a folder of rapidnn explore or reproduce; what compare or reproduce printed with --json.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file to write.")] = Path(
        "report.html"
    ),
    data: options.Data = None,
    split: options.Split = None,
    limit: options.Limit = None,
    network: options.FloatNet = None,
    weights: options.Weights = None,
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    samples: options.Samples = 32,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="RIVALS",
            help="Add a comparison with other machines: isaac,pipelayer,dadiannao,eyeriss,gtx1080,h200.",
            show_default=False,
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            "--sizes",
            metavar="N,N",
            help="With --network: compose it anew with so many values too, for accuracy against codebook size.",
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Write one self-contained HTML report of an artifact, a comparison, a search, or a reproduction.

    An artifact is evaluated and its machine estimated; with --network it is compared with the float network, whose
    weights and activations are drawn beside the codebooks. All options but -o and --json belong to artifacts.
    """
    terminal = Terminal("report", as_json=as_json)
    kind = _kind(what)
    check_output(output, *([what] if what.is_file() else []), weights)
    if kind == "network":
        ask = _Asked(
            what, data, split, limit, network, weights, hardware, options.overrides(changes), samples, seed
        )
        _network(terminal, ask, output, _names(against), _numbers(sizes))
    else:
        given = {
            "--data": data,
            "--split": split,
            "--limit": limit,
            "--network": network,
            "--weights": weights,
        }
        for name, value in (given | {"--set": changes, "--against": against, "--sizes": sizes}).items():
            if value:
                raise DataError(f"{name} belongs to the report of an artifact; leave it out for {what}")
        _recorded(kind, what, output)
    result = {
        "source": str(what),
        "kind": kind,
        "report": str(output),
        "size_kib": output.stat().st_size / 1024,
    }
    terminal.result(result, f"report: {output}")


@dataclass(frozen=True)
class _Asked:
    """What the command was asked about an artifact."""

    artifact: Path
    data: str | None
    split: str | None
    limit: int | None
    network: str | None
    weights: Path | None
    hardware: str
    overrides: dict[str, str]
    samples: int
    seed: int


def _kind(what: Path) -> str:
    from rapidnn.reproduction.result import RESULT
    from rapidnn.search.archive import JOURNAL

    if what.is_dir():
        for name, kind in ((JOURNAL, "search"), (RESULT, "reproduction")):
            if (what / name).is_file():
                return kind
        raise DataError(
            f"{what}: a folder without {JOURNAL} (of rapidnn explore) and {RESULT} (of rapidnn reproduce); give one of "
            "these folders, or an artifact"
        )
    if what.suffix != ".json":
        return "network"
    from rapidnn.report.recorded import read_document

    return "comparison" if read_document(what).get("command") == "compare" else "reproduction"


def _recorded(kind: str, what: Path, output: Path) -> None:
    """The page of a study's folder, of a comparison, or of a reproduction."""
    if kind == "comparison":
        from rapidnn.report import write_comparison
        from rapidnn.report.recorded import read_comparison

        compared = read_comparison(what)
        write_comparison(output, compared, title=f"{Path(compared.artifact).stem} beside other machines")
        return
    if kind == "reproduction":
        from rapidnn.report.reproduction import write_reproduction
        from rapidnn.reproduction.result import read_reproduction

        write_reproduction(output, read_reproduction(what))
        return
    from rapidnn.report.study import write_study
    from rapidnn.search.archive import read_study

    recorded = read_study(str(what))
    network = str((recorded.origin or {}).get("network", "network"))
    artifact = network if network.endswith(".rapidnn") else None
    write_study(output, recorded.exploration, network, str(what), artifact)


def _names(given: str | None) -> list[str]:
    return [name.strip() for name in (given or "").split(",") if name.strip()]


def _numbers(given: str | None) -> list[int]:
    found = [int(word) if word.isdigit() else 0 for word in _names(given)]
    if any(not 2 <= size <= 256 for size in found):
        raise DataError(f"--sizes {given}: expected whole numbers from 2 to 256, such as 4,8,16,32")
    return found


def _network(terminal: Terminal, ask: _Asked, output: Path, against: list[str], sizes: list[int]) -> None:
    import rapidnn
    from rapidnn.execute.evaluate import evaluate
    from rapidnn.machine.description import load_hardware
    from rapidnn.machine.estimate import estimate_program
    from rapidnn.machine.network import collect_statistics
    from rapidnn.report import write_report
    from rapidnn.report.distributions import distributions

    if sizes and ask.network is None:
        raise DataError("--sizes composes the float network anew: name it with --network (and --weights)")
    composed = rapidnn.load(ask.artifact)
    described = load_hardware(ask.hardware, ask.overrides)
    with terminal.progress() as stages:
        found = sources.data_set(ask.data or composed.info.get("data"), None, stages)
        x, y = sources.labelled(found, ask.split, ask.limit)
        graph = expected = None
        if ask.network is not None:
            graph, expected = sources.float_results(ask.network, ask.weights, composed.preprocess, x, stages)
        evaluation = evaluate(
            composed,
            x,
            y,
            float_outputs=expected,
            progress=lambda done, total: stages("evaluate", done, total),
        )
        inputs = composed.preprocess.apply(x[: ask.samples])
        statistics = collect_statistics(composed, inputs, seed=ask.seed)
        compared = None
        if against:
            compared = rapidnn.compare(
                composed, inputs, against, hardware=ask.hardware, overrides=ask.overrides, seed=ask.seed
            )
        write_report(
            output,
            composed,
            evaluation=evaluation,
            cost=estimate_program(composed.program, statistics, described),
            title=f"{ask.artifact.stem} on {found.name}",
            statistics=statistics,
            counted=distributions(composed, inputs, graph),
            comparison=compared,
            sizes=_points(ask, composed, found, inputs, described, sizes, stages),
        )


def _points(
    ask: _Asked,
    composed: ComposedNetwork,
    data: DataSet,
    inputs: NDArray[np.float32],
    hardware: Hardware,
    sizes: list[int],
    stages: Stages,
) -> tuple[SizePoint, ...] | None:
    """The sizes asked for, composed anew, or a tree's levels."""
    from rapidnn.report.sizes import composed_points, level_points

    if not sizes:
        return level_points(composed, inputs, hardware, seed=ask.seed) or None
    assert ask.network is not None
    model = sources.float_network(ask.network, ask.weights, 0).model
    calibration, validation = sources.calibration_again(composed, data, stages)
    return composed_points(
        model,
        calibration,
        validation,
        composed.preprocess,
        inputs,
        hardware,
        sizes,
        seed=ask.seed,
        progress=stages,
    )
