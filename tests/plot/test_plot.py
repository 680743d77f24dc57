"""Figures for papers draw the network's and the machine's numbers, and equal inputs give equal files."""

from dataclasses import replace

import numpy as np
import pytest

from rapidnn.errors import DataError
from rapidnn.machine.network import estimate
from rapidnn.plot import FIGURES, draw, save
from rapidnn.report.curves import activation_facts
from tests.cli.conftest import run_cli, run_json
from tests.report.networks import Net, cnn, evaluation_of, mlp, tanh_net

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'plot')")


def inputs_for(composed):
    return np.random.default_rng(3).normal(size=(4, *composed.program.input_shape)).astype(np.float32)


def tree():
    made = Net((6,)).linear("fc1", 6, 5).act("tanh", "tanh").linear("out", 5, 3).compose(tree=8)
    found = evaluation_of(made)
    made.info["validation"] = found.to_json()
    made.info["levels"] = {str(k): replace(found, accuracy=0.2 * k).to_json() for k in (1, 2)}
    return made


@pytest.mark.parametrize(
    ("name", "suffix"), [*((name, ".svg") for name in FIGURES), ("weights", ".pdf"), ("weights", ".png")]
)
def test_equal_inputs_give_equal_files(tmp_path, name, suffix):
    made, texts = tree(), []
    for attempt in "ab":
        path = tmp_path / f"{attempt}{suffix}"
        save(draw(name, made, inputs_for(made)), path)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    assert len(texts[0]) > 2000


def test_accuracy_and_cost_by_size():
    made = tree()
    line = draw("accuracy-sizes", made).axes[0].get_lines()[0]
    assert line.get_xdata().tolist() == [2, 4, 8]
    accuracy = made.info["validation"]["accuracy"]
    assert line.get_ydata() == pytest.approx([20.0, 40.0, 100 * accuracy])
    x = inputs_for(made)
    energy, latency = (axes.get_lines()[0].get_ydata() for axes in draw("cost-sizes", made, x).axes)
    costs = [estimate(made.at_level(level), x) for level in (1, 2, 3)]
    assert energy / energy[0] == pytest.approx([c.energy_pj / costs[0].energy_pj for c in costs])
    assert latency / latency[0] == pytest.approx([c.latency_ns / costs[0].latency_ns for c in costs])


def test_energy_adds_up():
    made = cnn()
    x = inputs_for(made)
    cost = estimate(made, x)
    widths = np.array(
        [[bar.get_width() for bar in part] for part in draw("energy-breakdown", made, x).axes[0].containers]
    )
    by_layer = np.array([layer.energy_pj for layer in cost.by_layer])
    assert widths.sum(0) / widths.sum() == pytest.approx(by_layer / by_layer.sum())


def test_an_activation_table_and_its_error():
    made = tanh_net(activation_rows=16)
    exact, table, error = (
        line.get_ydata() for axes in draw("activation-table", made).axes for line in axes.get_lines()
    )
    assert error == pytest.approx(table - exact)
    (facts,) = activation_facts(made.program, 2001)
    assert np.abs(error).max() == pytest.approx(facts.largest_error, rel=0.05)


@pytest.mark.parametrize(
    ("name", "network", "more", "message"),
    [
        ("nope", mlp, {}, "unknown; available: accuracy-sizes"),
        ("accuracy-sizes", mlp, {}, "--tree 16"),
        ("cost-sizes", mlp, {"x": True}, "--tree 16"),
        ("energy-breakdown", mlp, {}, "needs inputs"),
        ("activation-table", mlp, {}, "no activation tables"),
        ("activation-table", tanh_net, {"layer": "x"}, "'x' has no activation table; tables: tanh"),
        ("weights", mlp, {"layer": "x"}, "layers with weights: fc1, out"),
        ("comparison", mlp, {"x": True, "against": []}, "--against"),
    ],
)
def test_what_cannot_be_drawn_is_said(name, network, more, message):
    made = network()
    given = {**more, "x": inputs_for(made) if more.get("x") else None}
    with pytest.raises(DataError, match=message) as caught:
        draw(name, made, **given)
    assert "\n" not in str(caught.value)


def test_the_command(tmp_path):
    made = mlp()
    made.save(tmp_path / "f.rapidnn")
    drawn = run_json("plot", "weights", tmp_path / "f.rapidnn", "-o", tmp_path / "f.svg")
    assert drawn["result"]["figure"] == "weights"
    assert "<svg" in (tmp_path / "f.svg").read_text()
    refused = run_cli("plot", "weights", tmp_path / "f.rapidnn", "-o", tmp_path / "f.gif", check=2)
    assert ".pdf, .svg, .png" in refused.stderr
    told = run_cli("plot", "--help", check=0).stdout
    assert all(name in told for name in FIGURES)
