"""``rapidnn compose``: from a trained network to an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from rapidnn.cli import options, rebuild, sources
from rapidnn.cli.console import Terminal
from rapidnn.composer.settings import DEFAULT_SIZE, Settings, check_bound
from rapidnn.errors import ComposeError
from rapidnn.files import check_output

NOT_MET = 3
"""Exit code where a bound was not met (SPEC section 4)."""
_SUSPICIOUS = 0.995
"""Float accuracy on validation data from which the network may have been trained on them."""


def compose(
    network: Annotated[
        str | None,
        typer.Argument(
            metavar="NET",
            help="An .onnx file, a built-in network's name, or package.module:factory; the study's with --from-study.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The artifact to write.", show_default=False)
    ],
    from_study: Annotated[
        str | None,
        typer.Option(
            "--from-study",
            metavar="STUDY",
            help="Compose a design that explore found: the study's folder (or storage URL), with --trial.",
            show_default=False,
        ),
    ] = None,
    trial: Annotated[
        int | None,
        typer.Option("--trial", metavar="K", help="The design's trial number.", show_default=False),
    ] = None,
    data: options.Data = None,
    weight_codes: options.WeightCodes = None,
    input_codes: options.InputCodes = None,
    max_loss: options.MaxLoss = None,
    weights: options.Weights = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Compose a built-in network untrained (cost only).")
    ] = False,
    granularity: Annotated[
        str, typer.Option(help="Weight codebooks per layer, channel (output channel) or group:N of channels.")
    ] = "layer",
    tree: Annotated[
        int,
        typer.Option(
            metavar="SIZE", help="Tree codebooks, optimal at that size; evaluate --level turns them down."
        ),
    ] = 0,
    activation_rows: Annotated[int, typer.Option(help="Rows of sigmoid and tanh tables.")] = 64,
    activation_placement: Annotated[
        str, typer.Option(help="Where they lie: nonuniform (by slope), even, or optimal for the data.")
    ] = "nonuniform",
    operand_bits: Annotated[int, typer.Option(help="Grid of codebook values, 8 or 16 bits.")] = 8,
    product_bits: Annotated[int, typer.Option(help="Width of stored products.")] = 16,
    concat: Annotated[
        str, typer.Option(help="Inputs of a concatenation share a codebook (unify) or not (reencode).")
    ] = ("unify"),
    recover: Annotated[
        str | None,
        typer.Option(
            help="Make up for quantisation error, without labels: none, bias or full; default full, none with "
            "--max-loss, --finetune or --tree.",
            show_default=False,
        ),
    ] = None,
    finetune: Annotated[
        bool,
        typer.Option(
            "--finetune", help="Train the composed network on the training data, the float one teaching."
        ),
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of --finetune.")] = 5,
    stuck_cells: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of cells stuck in --finetune, others in every batch."),
    ] = 0.0,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Random changes of images in --finetune: none, shift or shift-flip; default the built-in network's.",
            show_default=False,
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keeps --finetune's state; an interrupted run goes on.", show_default=False
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Where --finetune trains: cpu or cuda.")] = "cpu",
    calibration: Annotated[int, typer.Option(min=1, help="Training samples to calibrate on.")] = 1000,
    shape: options.Shape = None,
    mean: options.Mean = None,
    std: options.Std = None,
    divisor: options.Divisor = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Turn a trained network into lookup tables.

    Codebooks are sampled on part of the training data; the loss is measured, bit-true, on a tenth of it that is
    held out. The test data are not touched. With --max-loss the exit code is 3 if the bound cannot be met; the best
    artifact is written all the same.
    """
    import rapidnn
    from rapidnn.report import text

    terminal = Terminal("compose", as_json=as_json)
    chosen_w = None if weight_codes is None else options.sizes(weight_codes, "-w")
    chosen_u = None if input_codes is None else options.sizes(input_codes, "-u")
    check_bound(max_loss)
    rebuilt = None
    if from_study is not None:
        given = {"NET": network, "--weights": weights, "--data": data, "-w": chosen_w, "-u": chosen_u}
        rebuilt = rebuild.design(from_study, trial, output, given | {"--max-loss": max_loss, "--tree": tree})
        network, weights, data = rebuilt.network, rebuilt.weights, rebuilt.data
        calibration, seed, kept = rebuilt.calibration, rebuilt.seed, rebuilt.settings
        chosen_w, chosen_u, granularity = kept.weights, kept.inputs, kept.granularity
        activation_rows, operand_bits, product_bits = (
            kept.activation_rows,
            kept.operand_bits,
            kept.product_bits,
        )
        concat, recover = kept.concat, recover or kept.recover
    if network is None:
        raise ComposeError(
            "which network? give NET (rapidnn compose --help), or --from-study STUDY --trial K"
        )
    w, u = (DEFAULT_SIZE if size is None else size for size in (chosen_w, chosen_u))
    Settings(
        w,
        u,
        granularity,
        activation_rows,
        operand_bits,
        product_bits,
        concat,  # type: ignore[arg-type]
        tree,
        recover or "none",  # type: ignore[arg-type]
        activation_placement,  # type: ignore[arg-type]
    )
    if checkpoint is not None:
        check_output(checkpoint, weights, Path(network), output)
    check_output(output, weights, Path(network), None if data is None else Path(data))
    made = sources.float_network(network, weights, seed)
    if made.random and not random_weights:
        raise ComposeError(
            f"{network} is untrained: give --weights FILE (see rapidnn train), or --random-weights for its cost alone"
        )
    with terminal.progress() as stages:
        found = sources.data_set(data, made, stages)
        prepare = sources.preprocessing(
            found, made.input_shape, shape=shape, mean=mean, std=std, divisor=divisor
        )
        samples, validation = sources.calibration_and_validation(found, prepare, calibration, seed)
        training = sources.training(found, prepare, network, augment, seed) if finetune else None
        composed = rapidnn.compose(
            made.model,
            samples,
            chosen_w,
            chosen_u,
            granularity=granularity,
            tree=tree,
            activation_rows=activation_rows,
            activation_placement=activation_placement,  # type: ignore[arg-type]
            operand_bits=operand_bits,
            product_bits=product_bits,
            concat=concat,  # type: ignore[arg-type]
            recover=recover,  # type: ignore[arg-type]
            validation=validation,
            max_loss=max_loss,
            finetune=training,
            epochs=epochs,
            stuck_cells=stuck_cells,
            seed=seed,
            device=device,
            checkpoint=checkpoint,
            preprocess=prepare,
            progress=stages,
        )
    composed.info |= {"network": made.name, "data": found.name, "seed": seed, "random_weights": made.random}
    composed.save(output)
    result: dict[str, Any] = {
        "artifact": str(output),
        "size_kib": output.stat().st_size / 1024,
        "max_loss": None,
        "levels": None,
        "finetune": None,
        "recovery": None,
        "study": None if rebuilt is None else rebuilt.record,
        **composed.info,
    }
    outcome, finetuned = result["max_loss"], result["finetune"]
    terminal.result(
        result,
        text.layer_table(composed.program),
        text.validation_line(composed.info["validation"]),
        *(
            Text.assemble(f"level {level}: ", text.validation_line(found))
            for level, found in (composed.info.get("levels") or {}).items()
        ),
        *([] if result["recovery"] is None else [text.recovery_line(result["recovery"])]),
        *([] if outcome is None else [text.budget_line(outcome)]),
        *([] if finetuned is None else [text.finetune_line(finetuned)]),
        f"artifact: {output} ({result['size_kib']:.0f} KiB)",
        *([] if rebuilt is None else [f"its machine: {rebuilt.cost_command}"]),
    )
    if outcome is not None and (result["validation"]["float_accuracy"] or 0) >= _SUSPICIOUS:
        terminal.notice(
            "the float network answers nearly all validation samples rightly: if it was trained on them, expect a "
            "larger loss on new data"
        )
    if outcome is not None and not outcome["met"]:
        terminal.notice(
            f"rapidnn: a loss of at most {100 * outcome['bound']:g} points was not reached; the best found, with "
            f"{100 * outcome['loss']:.2f} points, is in {output}"
        )
        raise typer.Exit(NOT_MET)
