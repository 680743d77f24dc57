"""``rapidnn evaluate``: the accuracy of an artifact, bit-true."""

from __future__ import annotations

from functools import partial

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.errors import DataError


def evaluate(
    artifact: options.ArtifactFile,
    data: options.Data = None,
    split: options.Split = None,
    limit: options.Limit = None,
    network: options.FloatNet = None,
    weights: options.Weights = None,
    backend: options.Backend = "cpu",
    device: options.Device = None,
    cluster: options.Cluster = None,
    level: options.Level = None,
    baseline: options.Baseline = None,
    fixed_point: options.FixedPoint = False,
    as_json: options.Json = False,
) -> None:
    """Run labelled data through the tables, bit-true, and print the accuracy (on the test data by default)."""
    import rapidnn
    from rapidnn.composer.baseline import against_uniform
    from rapidnn.composer.fixed_point import fixed_point as fixed_point_report
    from rapidnn.execute.evaluate import evaluate as measure
    from rapidnn.report import text
    from rapidnn.search.sharded import evaluate_on_cluster

    terminal = Terminal("evaluate", as_json=as_json)
    if weights is not None and network is None:
        raise DataError("--weights belongs to --network NET; give both")
    if baseline not in (None, "uniform"):
        raise DataError(f"--baseline {baseline!r}: expected uniform")
    for option, wanted in (("--baseline uniform", baseline is not None), ("--fixed-point", fixed_point)):
        if wanted and network is None:
            raise DataError(f"{option} needs --network NET (and its --weights): the network composed")
    if cluster is not None and device is not None:
        raise DataError(f"--device {device}: nodes of a cluster run on their processors; leave it out")
    composed = rapidnn.load(artifact)
    if level is not None:
        composed = composed.at_level(level)
    with terminal.progress() as stages:
        found = sources.data_set(data or composed.info.get("data"), None, stages)
        x, y = sources.labelled(found, split, limit)
        expected = graph = compared = rounding = None
        if network is not None:
            graph, expected = sources.float_results(network, weights, composed.preprocess, x, stages)
        progress = partial(stages, "evaluate")
        if cluster is None:
            evaluation = measure(
                composed, x, y, float_outputs=expected, backend=backend, device=device, progress=progress
            )
        else:
            evaluation = evaluate_on_cluster(
                composed, x, y, cluster, float_outputs=expected, backend=backend, progress=progress
            )
        if baseline is not None and graph is not None and expected is not None:
            compared = against_uniform(
                composed,
                graph,
                sources.calibration_again(composed, found, stages)[0],
                composed.preprocess.apply(x),
                y,
                evaluation,
                expected,
                progress=stages,
            )
        if fixed_point and graph is not None:
            rounding = fixed_point_report(
                composed, graph, *sources.calibration_again(composed, found, stages), progress=stages
            )
    if found.single and found.name == composed.info.get("data"):
        terminal.notice(f"{found.name} has one set of samples, and the artifact was calibrated on part of it")
    result = {
        "artifact": str(artifact),
        "data": found.name,
        "split": sources.split_name(found, split),
        "backend": backend,
        "device": device,
        "level": level,
        **evaluation.to_json(),
        "baseline": None if compared is None else compared.to_json(),
        "fixed_point": None if rounding is None else rounding.to_json(),
    }
    shown = [text.evaluation_table(evaluation)] if compared is None else text.baseline_tables(compared)
    terminal.result(result, *shown, *([] if rounding is None else text.fixed_point_tables(rounding)))
