"""``rapidnn faults``: accuracy on faulty silicon, what remedies restore and what they cost, and wear over years."""

from __future__ import annotations

from typing import Annotated

import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.errors import DataError

_Numbers = Annotated[
    str | None,
    typer.Option("--years", metavar="Y,...", help="Accuracy after years of use instead.", show_default=False),
]


def faults(
    artifact: options.ArtifactFile,
    data: options.Data = None,
    split: options.Split = None,
    limit: options.Limit = None,
    kind: Annotated[
        str,
        typer.Option("--kind", help="stuck, write, retention (cells); counter, block, tile, search, adder."),
    ] = "stuck",
    rates: Annotated[
        str, typer.Option("--rates", metavar="R,...", help="Fault rates; the table says what they count.")
    ] = "1e-5,1e-4,1e-3",
    maps: Annotated[int, typer.Option("--maps", min=1, help="Fault maps drawn a point.")] = 20,
    remedies: Annotated[
        str,
        typer.Option(
            "--remedies",
            metavar="A,B=N,...",
            help="none, permute, spare-rows, parity, secded, write-verify, refresh, spare-blocks.",
        ),
    ] = "none",
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="layer,bit",
            help="Damage one layer, or one bit, at a time too.",
            show_default=False,
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", metavar="L,...", help="Damage these layers only.", show_default=False),
    ] = None,
    structures: Annotated[
        str | None,
        typer.Option(
            "--structures", metavar="S,...", help="Of products, weight_codes, bias.", show_default=False
        ),
    ] = None,
    years: _Numbers = None,
    rate: Annotated[
        float, typer.Option("--inputs-per-s", metavar="R", help="With --years: the workload.")
    ] = 1.0,
    sigma: Annotated[
        float, typer.Option("--endurance-sigma", help="With --years: spread of the logarithm of endurance.")
    ] = 0.5,
    groups: Annotated[
        int, typer.Option("--scratch-groups", min=1, help="With --years: sets of scratch rows used in turn.")
    ] = 1,
    spares: Annotated[
        float, typer.Option("--spare-blocks", min=0, help="With --years: as a share of those in use.")
    ] = 0.0,
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Draw fault maps, run the damaged network on labelled data, and print accuracy, remedies and their price."""
    import rapidnn
    from rapidnn.reliability.show import study_tables, wear_table
    from rapidnn.reliability.study import faults as run
    from rapidnn.reliability.wear import wear

    terminal = Terminal("faults", as_json=as_json)
    overrides: dict[str, str | float] = dict(options.overrides(changes))
    composed = rapidnn.load(artifact)
    study = worn = None
    with terminal.progress() as stages:
        found = sources.data_set(data or composed.info.get("data"), None, stages)
        x, y = sources.labelled(found, split, limit)
        inputs = composed.preprocess.apply(x)
        if years is not None:
            worn = wear(
                composed, inputs, y, years=_numbers(years, "--years"), inputs_per_s=rate, endurance_sigma=sigma,
                scratch_groups=groups, spare_blocks=spares, maps=maps, hardware=hardware, overrides=overrides,
                seed=seed, progress=stages,
            )  # fmt: skip
        else:
            study = run(
                composed, inputs, y, kind=kind, rates=_numbers(rates, "--rates"), maps=maps,
                remedies=_words(remedies) or ["none"], by=_words(by), layers=_words(layers) or None,
                structures=_words(structures) or None, hardware=hardware, overrides=overrides, seed=seed,
                progress=stages,
            )  # fmt: skip
    result = {
        "artifact": str(artifact),
        "data": found.name,
        "split": sources.split_name(found, split),
        "study": None if study is None else study.to_json(),
        "wear": None if worn is None else worn.to_json(),
    }
    shown = [*(study_tables(study) if study else []), *([wear_table(worn)] if worn else [])]
    terminal.result(result, *shown)


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(word) for word in _words(text)]
    except ValueError:
        raise DataError(f"{option} {text!r}: expected numbers, separated by commas") from None
