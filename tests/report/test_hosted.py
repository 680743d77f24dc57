"""Products, joins and operators on the host, in facts, tables, terminal and page."""

import pytest

from rapidnn.report import facts, render, text
from rapidnn.report.data import TIMES
from rapidnn.report.layers import layer_data, layers_reading
from rapidnn.report.machine import confidence_data, cost_data, cost_reading, layer_cost_data
from tests.report.networks import attention, cnn, cost_of
from tests.report.pages import Page
from tests.report.test_text import printed


@pytest.fixture(scope="module")
def composed():
    return attention(concat="reencode")


@pytest.fixture(scope="module")
def cost(composed):
    return cost_of(composed)


def test_kinds_and_where_they_run(composed):
    found = {layer.name: layer for layer in facts.layers(composed.program)}
    kinds = {name: (layer.kind, layer.runs_on) for name, layer in found.items()}
    assert kinds["scale"] == (f"product 8{TIMES}8", "machine")
    assert kinds["cat"] == ("join", "machine")
    assert kinds["position"] == ("constant added", "machine")
    assert kinds["scores"] == ("host: matmul", "host")
    assert kinds["weights"] == ("host: softmax", "host")
    assert kinds["norm"] == ("host: layer norm", "host")
    assert kinds["norm:code"] == ("encode", "machine")
    assert [kind for kind, _ in kinds.values()][-1] == "host: log softmax"
    assert found["scale"].joins == ("relu1", "gates")
    assert found["scale"].memory_bits >= 8 * 8 * 16
    assert found["cat"].then == (f"max pool 2{TIMES}2", "zero stuffing")
    assert found["scale"].macs == 4 * 36
    assert (found["scores"].macs, found["scores"].host_macs) == (0, 3 * 3 * 4)
    assert found["norm"].parameters == 8
    assert found["position"].parameters == 75


def test_a_free_join_belongs_to_the_last_layer_it_reads():
    found = {layer.name: layer for layer in facts.layers(attention(concat="unify").program)}
    assert "cat" not in found
    assert "join of scale:code, relu1" in found["scale"].then


def test_where_it_runs_is_a_column_only_if_something_runs_on_the_host(composed, cost):
    keys = {column.key for column in layer_data(facts.layers(composed.program)).columns}
    assert {"runs_on", "host_macs"} <= keys
    assert "runs_on" in {column.key for column in layer_cost_data(cost).columns}
    plain = cnn()
    assert not {"runs_on", "host_macs"} & {c.key for c in layer_data(facts.layers(plain.program)).columns}
    assert "runs_on" not in {column.key for column in layer_cost_data(cost_of(plain)).columns}
    assert not any("host" in str(row[0]) for row in cost_data(cost_of(plain)).rows)


def test_sentences_name_the_host(composed, cost):
    reading = layers_reading(facts.layers(composed.program))
    assert "144 of these are products of two codes" in reading
    assert "on the host: " in reading
    assert f"with {cost.host_macs:,} multiply-accumulates of their own" in reading
    share = f"{100 * cost.host_energy_pj / cost.energy_pj:.2f} %"
    assert share in cost_reading(cost)
    assert share in dict(cost_data(cost).rows)["energy of the host and its link"]


def test_confidence_counts_what_entered(cost):
    rows = confidence_data(cost).rows
    assert sum(row[1] for row in rows) == sum(cost.confidence.values())
    assert sum(row[2] for row in rows) == pytest.approx(1)
    assert {row[0] for row in rows} <= set(cost.confidence)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_terminal_tables_fit_and_lose_nothing(composed, cost, width):
    program = composed.program
    stages = next(t for t in text.cost_tables(cost) if t.title == "stages")
    for table in (text.layer_table(program), stages):
        shown = printed(table, width=width)
        assert max(map(len, shown.splitlines())) <= width
        heads = {word for line in shown.splitlines() for word in line.split()}
        for column in table.data.columns:
            assert set((column.brief or column.title).split()) <= heads, column.key
    if width >= 80:
        lines = printed(text.layer_table(program), width=width).splitlines()
        rows = {line.split()[0] for line in lines if line.split()}
        assert {layer.name for layer in facts.layers(program)} <= rows


def test_notes_are_short_in_the_terminal(cost):
    shown = printed(text.cost_tables(cost)[-1], width=80).strip().splitlines()
    assert len(shown) <= 2 + len(cost.notes) + 8
    assert sum("charged nothing" in line for line in shown) == 1
    assert sum("constants by confidence" in line for line in shown) == 1


def test_the_page_shows_them(composed, cost):
    page = Page(render(composed, evaluation=None, cost=cost, title="x"))
    words = ("host: softmax", f"product 8{TIMES}8", "How well the constants are known", "run on the host")
    assert all(word in page.text for word in words)
