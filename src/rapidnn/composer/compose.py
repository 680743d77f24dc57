"""compose(): from a float network and calibration data to a composed network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rapidnn import __version__
from rapidnn.composer.activation_errors import activation_errors
from rapidnn.composer.budget import SIZES, Budget, meet_budget, remeasured
from rapidnn.composer.choices import choose
from rapidnn.composer.finetune import Finetuning, TrainingData
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.levels import choose_levels
from rapidnn.composer.plan import Plan, plan_graph
from rapidnn.composer.recover import recover as run_recovery
from rapidnn.composer.sample import calibrate, float_outputs
from rapidnn.composer.settings import DEFAULT_SIZE, TREE_SIZES, Settings, Sizes, check_bound
from rapidnn.composer.tabulate import sampled_edges, tabulate
from rapidnn.data.preprocess import Preprocess
from rapidnn.errors import ComposeError, DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation, compare_outputs
from rapidnn.execute.inputs import as_array
from rapidnn.graph import Graph
from rapidnn.tables.placement import Placement
from rapidnn.tables.program import Program

if TYPE_CHECKING:
    from torch import nn

Progress = Callable[[str, int, int], None]
"""Called with the stage's name, what is done, and what there is to do."""


def compose(
    model: nn.Module | str | Path,
    calibration: Any,
    weights: Sizes | None = None,
    inputs: Sizes | None = None,
    *,
    granularity: str = "layer",
    activation_rows: int = 64,
    activation_placement: Placement = "nonuniform",
    operand_bits: int = 8,
    product_bits: int = 16,
    concat: Literal["unify", "reencode"] = "unify",
    recover: Literal["none", "bias", "full"] | None = None,
    validation: tuple[Any, Any] | None = None,
    max_loss: float | None = None,
    tree: bool | int = False,
    finetune: TrainingData | tuple[Any, Any] | None = None,
    epochs: int = 5,
    stuck_cells: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
    checkpoint: str | Path | None = None,
    preprocess: Preprocess | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> ComposedNetwork:
    """Turn a trained network into lookup tables.

    Parameters
    ----------
    model
        A PyTorch module, or the path of an ONNX file.
    calibration
        Array or tensor ``(N, *input_shape)`` of real, preprocessed inputs, float32; a few hundred suffice.
    weights, inputs
        Codebook sizes w and u, 1 to 256: one for all layers, or a mapping from layer name, with ``"*"`` for the rest;
        16 by default. With ``max_loss`` they are the largest allowed, 64 by default.
    granularity
        ``"layer"``: one weight codebook per layer; ``"channel"``: one per output channel; ``"group:N"``: one per N
        output channels.
    tree
        Tree codebooks (SPEC section 1): one artifact that can be turned down to fewer code bits at run time
        (``composed.at_level(4)``). True makes them optimal at full size, a number at codebooks of that size. Sizes are
        then powers of two.
    activation_rows
        Rows q of the activation tables of sigmoid, tanh and the like.
    activation_placement
        Where these rows lie: ``"nonuniform"``, dense where the slope is large (the paper); ``"even"``; or
        ``"optimal"``, of the least mean squared error under the calibration data's distribution.
        ``info["activations"]`` has each table's error.
    operand_bits
        Grid of codebook values, 8 or 16; a codebook that loses over 5 % at 8 bits takes 16 by itself.
    product_bits
        Width of stored products, 2 to 31.
    concat
        ``"unify"``: the inputs of a concatenation share one codebook, sampled jointly; ``"reencode"``: each keeps its
        own, and a code-to-code table translates.
    recover
        What is done about quantisation error, from the calibration data and without labels. ``"full"``: layer by layer,
        weights, codes and biases are chosen anew so that the layer gives what the float network has there, from the
        inputs that the composed layers before it produce. ``"bias"``: biases only. ``"none"``: nothing. Default
        ``"full"``; but ``"none"`` with ``max_loss`` (each trial would be recovered, seconds to a minute), ``finetune``
        and ``tree`` (not offered there). ``info["recovery"]`` tells what it did to each layer.
    validation
        Labelled samples ``(x, labels)``, preprocessed like the calibration data and never the test split: float and
        composed accuracy on them are stored in ``info["validation"]`` (see `rapidnn.execute.evaluate.Evaluation`).
    max_loss
        The largest loss allowed, float minus composed top-1 accuracy on ``validation`` (a share: 0.005 is half a
        point). Sizes are then chosen layer by layer to keep it at the least machine energy; ``info["max_loss"]``
        says what came of it (see `rapidnn.composer.budget.BudgetReport`). Where it cannot be kept, the network of
        least loss is returned, and ``info["max_loss"]["met"]`` is False.
    finetune
        Labelled training samples ``(x, labels)``, preprocessed like the calibration data (or a
        `rapidnn.composer.finetune.TrainingData`, which takes raw samples and changes images at random): codebooks,
        weights and biases are trained further as the composed network computes, the float network teaching. Without
        ``validation`` a stratified tenth of them is held out for it. With ``max_loss`` this happens only if no sizes
        keep the bound without. ``info["finetune"]`` holds loss and validation accuracy of every epoch.
    epochs, stuck_cells, seed, device, checkpoint
        Of fine-tuning: passes over the data, the share of the blocks' cells that are stuck meanwhile (others in every
        batch: the network learns to bear them), the seed of both, where torch trains, and a file that keeps the
        state after every epoch, from which an interrupted training goes on.
    preprocess
        How raw data become inputs; stored in the artifact. Default: they are inputs as they are.
    threads
        Calibration threads, default all cores; the result does not depend on it.
    progress
        Called with the name of each stage, what is done, and what there is to do.

    Raises
    ------
    ModelError
        If the network cannot be imported, or its import does not equal the original.
    DataError
        If the calibration data do not fit the network or hold NaN.
    ComposeError
        If a setting is not possible, or the network produces NaN.
    """
    check_bound(max_loss)
    if recover is None:
        recover = "full" if not tree and max_loss is None and finetune is None else "none"
    default = DEFAULT_SIZE if max_loss is None else max(SIZES)
    settings = Settings(
        default if weights is None else weights,
        default if inputs is None else inputs,
        granularity,
        activation_rows,
        operand_bits,
        product_bits,
        concat,
        max(TREE_SIZES) if tree is True else int(tree),
        recover,
        activation_placement,
    )
    if threads is not None and (type(threads) is not int or threads < 1):
        raise ComposeError(f"threads={threads!r}: expected a positive integer")
    samples = unlabelled_samples(calibration)
    if settings.tree and max_loss is not None:
        raise ComposeError("max_loss chooses flat codebooks; leave tree or max_loss out")
    if settings.tree and finetune is not None:
        raise ComposeError("tree codebooks are not fine-tuned; leave tree or finetune out")
    if stuck_cells and finetune is None:
        raise ComposeError("stuck_cells belongs to fine-tuning; give finetune=")
    if max_loss is not None and finetune is None:
        _budget(max_loss, validation)
    report = progress or _quiet
    from rapidnn.frontends import import_model

    report("import", 0, 1)
    graph = import_model(model, samples)
    report("import", 1, 1)
    training = None
    if finetune is not None:
        training = Finetuning.of(
            finetune,
            validation,
            graph.input_shape,
            epochs=epochs,
            seed=seed,
            device=device,
            checkpoint=checkpoint,
            stuck_cells=stuck_cells,
        )
        validation = validation or training.validation.labelled()
    budget = None if max_loss is None else _budget(max_loss, validation)
    name = str(model) if isinstance(model, str | Path) else type(model).__name__
    info = {
        "network": name,
        "rapidnn": __version__,
        "settings": settings.to_json(),
        "calibration_samples": len(samples),
    }
    composed = compose_graph(
        graph,
        samples,
        settings,
        preprocess,
        info,
        budget=budget,
        training=training,
        threads=threads,
        progress=report,
    )
    if validation is not None and budget is None:
        evaluations = _validate(graph, composed, validation, threads, report)
        composed.info["validation"] = evaluations.pop(None).to_json()
        if evaluations:
            composed.info["levels"] = {str(level): found.to_json() for level, found in evaluations.items()}
    return composed


def _quiet(stage: str, done: int, total: int) -> None:
    """Progress that is not shown."""


@dataclass(frozen=True, eq=False)
class _Attempts:
    """Compositions of one calibrated graph; ``told`` holds what recovery and training of each have to report."""

    graph: Graph
    plan: Plan
    histograms: Mapping[str, Histogram]
    samples: Any
    threads: int | None
    told: dict[Program, dict[str, Any]] = field(default_factory=dict)

    def __call__(
        self, chosen: Settings, shown: Progress = _quiet, training: Finetuning | None = None
    ) -> Program:
        """The program of these settings: choose codebooks, recover, train, tabulate."""
        graph, plan, histograms = self.graph, self.plan, self.histograms
        told: dict[str, Any] = {}
        choices = choose(plan, histograms, chosen, lambda done, total: shown("cluster", done, total))
        if chosen.recover != "none":
            recovery = run_recovery(
                graph,
                plan,
                choices,
                chosen,
                self.samples,
                threads=self.threads,
                progress=lambda done, total: shown("recover", done, total),
            )
            choices, told["recovery"] = recovery.choices, recovery.report.to_json()
        if training is not None:
            tuned = training.run(graph, plan, histograms, choices, chosen, shown)
            choices, told["finetune"] = tuned.choices, tuned.report.to_json()
        made = tabulate(
            graph, plan, histograms, choices, chosen, lambda done, total: shown("tabulate", done, total)
        )
        self.told[made] = told
        return made


def compose_graph(
    graph: Graph,
    samples: Any,
    settings: Settings,
    preprocess: Preprocess | None,
    info: dict[str, Any],
    *,
    budget: Budget | None = None,
    training: Finetuning | None = None,
    threads: int | None,
    progress: Progress,
) -> ComposedNetwork:
    """The composition proper, of a graph whose passes have run; with a budget, sizes are chosen to keep it."""
    plan = plan_graph(graph, settings.concat)
    settings.check_layers([step.name for step in plan.layers()])
    histograms = calibrate(
        graph,
        samples,
        sampled_edges(plan),
        threads=threads,
        progress=lambda done, total: progress("calibrate", done, total),
    )

    if settings.tree:
        return _compose_levels(graph, plan, histograms, settings, preprocess, info, progress)

    compose_with = _Attempts(graph, plan, histograms, samples, threads)
    if budget is None:
        program = compose_with(settings, progress, training)
    else:
        found, settings, outcome = meet_budget(
            budget,
            graph,
            plan,
            histograms,
            samples,
            settings,
            compose_with,
            threads=threads,
            progress=progress,
        )
        if training is not None and not outcome.met:
            program = compose_with(settings, progress, training)
            found, outcome = remeasured(budget, graph, samples, found, program, outcome, threads)
        program = found.program
        info = info | {
            "settings": settings.to_json(),
            "validation": found.evaluation.to_json(),
            "max_loss": outcome.to_json(),
        }
    info = info | compose_with.told[program]
    tables = activation_errors(program, plan, histograms)
    if tables:
        info = info | {"activations": [asdict(table) for table in tables]}
    return ComposedNetwork(program, preprocess or Preprocess.identity(graph.input_shape), info)


def _compose_levels(
    graph: Graph,
    plan: Plan,
    histograms: Mapping[str, Histogram],
    settings: Settings,
    preprocess: Preprocess | None,
    info: dict[str, Any],
    progress: Progress,
) -> ComposedNetwork:
    """A program for every level of the trees; the finest is the network's own."""
    choices = choose_levels(plan, histograms, settings, lambda done, total: progress("cluster", done, total))
    finest = max(choices)
    levels = {}
    for done, (level, chosen) in enumerate(choices.items(), start=1):
        levels[level] = tabulate(graph, plan, histograms, chosen, settings, finest=choices[finest].groups)
        progress("tabulate", done, len(choices))
    program = levels.pop(finest)
    return ComposedNetwork(program, preprocess or Preprocess.identity(graph.input_shape), info, levels)


def _budget(bound: float, validation: tuple[Any, Any] | None) -> Budget:
    if validation is None:
        raise ComposeError(
            "max_loss needs validation=(samples, labels), held-out training data that the loss is measured on"
        )
    return Budget(bound, *labelled_samples(validation))


def _validate(
    graph: Graph,
    composed: ComposedNetwork,
    validation: tuple[Any, Any],
    threads: int | None,
    progress: Progress,
) -> dict[int | None, Evaluation]:
    """The evaluation of the network (None) and of each coarser level of its trees."""
    samples, labels = labelled_samples(validation)
    expected = float_outputs(
        graph, samples, threads=threads, progress=lambda done, total: progress("validate float", done, total)
    )
    evaluations = {}
    for level in (None, *sorted(composed.levels, reverse=True)):
        network = composed if level is None else composed.at_level(level)
        name = "validate composed" if level is None else f"validate level {level}"
        found = network.run(samples, progress=lambda done, total, name=name: progress(name, done, total))  # type: ignore[misc]
        evaluations[level] = compare_outputs(network.real(found), labels, expected)
    return evaluations


def labelled_samples(validation: tuple[Any, Any]) -> tuple[Any, Any]:
    """Validation data as float32 samples and labels; raises DataError as :func:`unlabelled_samples` does."""
    return unlabelled_samples(validation[0], "validation"), as_array(validation[1])


def unlabelled_samples(data: Any, what: str = "calibration") -> Any:
    """Samples as float32 ``(N, ...)``; DataError if there are none, or one holds NaN or infinity."""
    samples = as_array(data)
    if samples.ndim < 2 or len(samples) == 0:
        raise DataError(
            f"{what} data has shape {samples.shape}, expected (samples, ...) with at least one sample"
        )
    if samples.dtype.kind not in "fiub":
        raise DataError(f"{what} data has type {samples.dtype}, expected numbers")
    samples = np.ascontiguousarray(samples, np.float32)
    bad = ~np.isfinite(samples.reshape(len(samples), -1)).all(axis=1)
    if bad.any():
        raise DataError(f"{what} sample {int(bad.argmax())} holds NaN or infinity; replace or drop it")
    return samples
