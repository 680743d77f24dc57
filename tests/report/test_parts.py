"""The pipeline in time, the roof, lifetimes, counts and distributions draw what the machine and the network say."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from rapidnn.composer.compose import compose
from rapidnn.composer.sample import calibrate
from rapidnn.data.preprocess import Preprocess
from rapidnn.errors import DataError
from rapidnn.machine.description import load_hardware
from rapidnn.machine.network import collect_statistics, estimate
from rapidnn.report import render, render_comparison
from rapidnn.report.count_charts import count_charts, quantiles
from rapidnn.report.distribution_charts import input_charts, weight_charts
from rapidnn.report.distributions import code_use, distributions
from rapidnn.report.levels import stored_levels
from rapidnn.report.lifetime_charts import lifetime_charts
from rapidnn.report.part_charts import energy_map, layer_area
from rapidnn.report.pipeline_charts import INPUTS, roofline_chart, stage_spans, timeline_chart
from rapidnn.report.sizes import composed_points, level_points, size_charts, stored_points
from rapidnn.rivals.compare import compare
from tests.report.networks import Net, attention, cnn, cost_of, evaluation_of, mlp
from tests.report.pages import Page


def inputs_for(composed, samples=6):
    return np.random.default_rng(3).normal(size=(samples, *composed.program.input_shape)).astype(np.float32)


@pytest.mark.parametrize("network", [cnn, attention])
def test_the_timeline_is_a_pipeline(network):
    cost = cost_of(network())
    spans = stage_spans(cost)
    stages = len(cost.by_layer)
    assert len(spans) == INPUTS * stages
    assert spans[stages - 1][3] == pytest.approx(cost.latency_ns)
    at = {(number, stage): (start, end) for number, stage, start, end in spans}
    hosted = [i for i, layer in enumerate(cost.by_layer) if layer.runs_on == "host"]
    for (number, stage), (start, _) in at.items():
        assert stage == 0 or start >= at[number, stage - 1][1]
        assert number == 0 or start >= at[number - 1, stage][1]
    busy = sorted(at[number, stage] for number in range(INPUTS) for stage in hosted)
    assert all(later[0] >= earlier[1] - 1e-6 for earlier, later in itertools.pairwise(busy))
    if not hosted:
        assert spans[-1][3] - spans[-1 - stages][3] == pytest.approx(cost.bottleneck_ns)


def test_no_timeline_where_layers_take_turns():
    assert timeline_chart(replace(cost_of(mlp()), turns=2)) is None


def test_the_roof_and_what_is_below_it():
    cost = cost_of(cnn())
    rows = roofline_chart(cost).table.rows
    layers = {layer.name: layer for layer in cost.by_layer}
    for name, k, busy, paced in rows:
        if name in layers:
            layer = layers[name]
            assert k * layer.neurons == pytest.approx(layer.macs)
            assert busy * layer.stage_ns * layer.blocks == pytest.approx(2 * layer.macs)
            assert paced <= busy * (1 + 1e-9)
        else:
            assert paced is None
    total = sum(row[3] * layers[row[0]].blocks for row in rows if row[0] in layers)
    assert total == pytest.approx(2 * cost.macs / cost.bottleneck_ns)


def test_the_map_and_the_areas_add_up():
    cost = cost_of(cnn())
    table = energy_map(cost).table
    assert sum(table.column("share")) == pytest.approx(1)
    values = energy_map(cost).figure["data"][0]["values"]
    assert [v for v in values if v] == table.column("energy")
    assert sum(layer_area(cost).table.column("value")) == pytest.approx(
        sum(layer.area_um2 for layer in cost.by_layer) / 1e6
    )


def test_lifetimes_at_rates():
    cost = cost_of(cnn())
    life, writes = lifetime_charts(cost)
    assert life.table.rows[0][1:] == (cost.lifetime_s, cost.lifetime_rotated_s, cost.lifetime_levelled_s)
    for rate, *lives in life.table.rows:
        assert lives == pytest.approx(list(cost.lifetime_at(rate).values()))
    assert max(writes.table.column("hottest")) == max(layer.writes_hottest for layer in cost.by_layer)


def test_what_was_counted():
    composed = cnn()
    statistics = collect_statistics(composed, inputs_for(composed), exact=True)
    addends, occupancy = count_charts(composed.program, statistics)
    for row in addends.table.rows:
        step = statistics.steps[row[0]]
        expanded = np.repeat(*np.array(step.addends).T)
        assert row[1] == pytest.approx(expanded.mean())
        assert row[1] == pytest.approx(sum(row[5:8]))
        assert quantiles(step, (0.5, 1.0)) == [
            int(np.quantile(expanded, 0.5, method="inverted_cdf")),
            int(expanded.max()),
        ]
    assert all(0 < share <= 100 for share in occupancy.table.column("share"))
    assert dict(zip(occupancy.table.column("name"), occupancy.table.column("counters"), strict=True))[
        "conv1"
    ] == (8 * 8)


@pytest.mark.parametrize("network", [cnn, attention])
def test_uses_of_codes_are_those_of_a_run(network):
    composed = network()
    x = inputs_for(composed)
    seen = {}
    composed.run(x, observe=lambda edge, values: seen.setdefault(edge, []).append(values.copy()))
    for name, uses in code_use(composed, x).items():
        edges = [edge for edge, group in composed.program.group_of.items() if group.name == name]
        assert uses.sum() > 0
        most = sum(np.bincount(np.concatenate(seen[e]).ravel(), minlength=len(uses)) for e in edges)
        assert (uses <= most).all()


def test_distributions_of_a_float_network():
    from rapidnn.graph import Graph, ops

    net = Net((6,)).linear("fc1", 6, 5).act("relu", "relu").linear("out", 5, 3)
    composed = net.compose()
    graph = Graph(tuple(net.nodes), "out")
    x = inputs_for(composed, 20)
    found = distributions(composed, x, graph)
    weight = next(n.op.weight for n in graph if isinstance(n.op, ops.Linear))
    assert found.weights["fc1"].total == weight.size
    assert found.weights["fc1"].counts.sum() == weight.size
    hidden = calibrate(graph, x, {"relu"})["relu"]
    (spread,) = [s for name, s in found.inputs.items() if name != "input"]
    assert (spread.total, spread.zeros) == (hidden.total, round(hidden.zero_share() * hidden.total))
    for chart in [*weight_charts(composed.program, found), *input_charts(composed.program, found)]:
        upper, rug, lower = chart.figure["data"]
        table = chart.table
        kinds = table.column("series")
        for name, trace in (("float", upper), ("codebook", lower)):
            rows = [row for kind, row in zip(kinds, table.rows, strict=True) if kind == name]
            assert trace["x"] == [row[1] for row in rows]
            assert trace["y"] == [row[2] for row in rows]
        assert rug["x"] == lower["x"]
    with pytest.raises(DataError):
        distributions(composed, x, Graph(tuple(net.nodes[:2]), "fc1"))


def test_accuracy_and_energy_by_level():
    composed = Net((6,)).linear("fc1", 6, 5).act("relu", "relu").linear("out", 5, 3).compose(tree=8)
    assert stored_levels(composed) == {}
    assert size_charts(()) == []
    finest = evaluation_of(composed)
    composed.info["validation"] = finest.to_json()
    composed.info["levels"] = {"1": replace(finest, accuracy=0.5).to_json()}
    assert list(stored_levels(composed)) == [1, 3]
    (chart,) = size_charts(stored_points(composed))
    assert chart.table.column("size") == [2, 8]
    assert chart.table.column("accuracy") == [50.0, 100 * finest.accuracy]
    assert "sizes" in Page(render(composed, evaluation=None, cost=None, title="x")).chart_ids()

    x, hardware = inputs_for(composed), load_hardware("rapidnn-hpca20")
    points = level_points(composed, x, hardware)
    assert [(p.values, p.evaluation is None) for p in points] == [(2, False), (4, True), (8, False)]
    costs = [estimate(composed.at_level(level), x).energy_pj for level in (1, 2, 3)]
    assert [p.cost.energy_pj for p in points if p.cost] == costs
    chart, energy = size_charts(points)
    assert chart.table.column("size") == [2, 8]
    assert energy.table.column("size") == [2, 4, 8]
    assert "not known" in energy.reading
    both = [p for p in points if p.evaluation]
    trade = size_charts(both)[1]
    assert trade.figure["data"][0]["y"] == chart.table.column("accuracy")
    shares = trade.table.column("energy")
    assert shares[0] / shares[1] == pytest.approx(costs[0] / costs[2])
    assert level_points(mlp(), inputs_for(mlp()), hardware) == ()


def test_sizes_composed_anew():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 6)).astype(np.float32), rng.integers(0, 3, 60)
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    found = composed_points(
        module, x, (x, y), Preprocess.identity((6,)), x[:8], load_hardware("rapidnn-hpca20"), [8, 2], seed=1
    )
    assert [point.values for point in found] == [2, 8]
    made = compose(module, x, 8, 8, validation=(x, y), seed=1)
    assert found[1].evaluation.accuracy == made.info["validation"]["accuracy"]
    charts = size_charts(found)
    assert [chart.id for chart in charts] == ["sizes", "sizes-energy"]
    assert "Composed anew" in charts[0].reading


def test_a_comparison_is_a_page_and_a_section():
    composed = mlp()
    x = inputs_for(composed)
    result = compare(composed, x, ["isaac", "gtx1080"])
    page = Page(render_comparison(result, title="machines"))
    assert [a["id"] for a in page.all("section")] == ["summary", "compared"]
    assert page.chart_ids() == ["gains", "machine-energy"]
    gains = page.csv("gains")
    assert [row[0] for row in gains[1:]] == ["isaac", "gtx1080", "isaac at 8 bits"]
    assert float(gains[1][3]) == result.machines[1].energy_gain
    whole = Page(
        render(
            composed,
            evaluation=None,
            cost=result.ours,
            title="x",
            statistics=collect_statistics(composed, x),
            counted=distributions(composed, x),
            comparison=result,
        )
    )
    assert {"gains", "timeline", "roofline", "addends", "occupancy", "lifetime", "inputs-0"} <= set(
        whole.chart_ids()
    )
