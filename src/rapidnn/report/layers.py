"""The layers of a composed network as a table and charts: weight codes in use, product tables, input codebooks."""

from __future__ import annotations

import numpy as np

from rapidnn.machine.cost import HOST, MACHINE
from rapidnn.report.charts import Chart, axis, heat, label, marker, named_axis
from rapidnn.report.data import TIMES, Cell, Column, DataTable, listed, percent, real
from rapidnn.report.distribution_charts import MAX_CHARTS
from rapidnn.report.facts import (
    GroupFacts,
    LayerFacts,
    ProductFacts,
    groups,
    largest_layers,
    product_facts,
    weighted_layers,
)
from rapidnn.tables.program import Program

MAX_SIDE = 64
MAX_POINTS = 300
_SMALL_TABLE = 32 * 32

LAYER_COLUMNS = (
    Column("name", "layer", style="text"),
    Column("kind", "kind", style="text"),
    Column("runs_on", "runs on", style="text"),
    Column("shape", "shape", style="text"),
    Column("taps", "K"),
    Column("channels", "channels"),
    Column("weights", "w"),
    Column("inputs", "u"),
    Column("codebooks", "weight codebooks", brief="cbs"),
    Column("operand_bits", "operand bits", brief="op"),
    Column("product_bits", "product bits"),
    Column("shift", "shift", brief="sh"),
    Column("bound", "bound"),
    Column("word_bits", "N", "bits", brief="N"),
    Column("macs", "MACs"),
    Column("host_macs", "MACs on the host", brief="host MACs"),
    Column("parameters", "parameters"),
    Column("memory_bytes", "memory per neuron", "B", brief="B/neur"),
    Column("joins", "joined by", style="text"),
    Column("then", "then", style="text"),
)


def layer_data(layers: tuple[LayerFacts, ...]) -> DataTable:
    """One row a layer under :data:`LAYER_COLUMNS`; the names are those of the edges.

    Where a layer runs, and matrix products on the host, have columns only if some layer runs on the host.
    """
    table = DataTable(LAYER_COLUMNS, tuple(_layer_row(layer) for layer in layers))
    return table if any(layer.runs_on == HOST for layer in layers) else table.without("runs_on", "host_macs")


def _layer_row(layer: LayerFacts) -> tuple[Cell, ...]:
    return (
        layer.name,
        layer.kind,
        layer.runs_on,
        TIMES.join(map(str, layer.shape)),
        layer.taps,
        layer.channels,
        layer.weights,
        layer.inputs,
        layer.codebooks,
        layer.operand_bits,
        layer.product_bits,
        layer.shift,
        layer.bound,
        layer.word_bits,
        layer.macs or None,
        layer.host_macs or None,
        layer.parameters or None,
        layer.memory_bits / 8 if layer.runs_on == MACHINE else None,
        ", ".join(layer.joins) or None,
        "; ".join(layer.then) or None,
    )


def layers_reading(layers: tuple[LayerFacts, ...]) -> str:
    """The network's size in one sentence, and where its work is."""
    weighted = [layer for layer in layers if layer.weights]
    macs = sum(layer.macs for layer in layers)
    parameters = sum(layer.parameters for layer in layers)
    if not weighted:
        return f"The network has {len(layers)} layers and none of them has weights."
    busiest = max(layers, key=lambda layer: layer.macs)
    text = (
        f"{len(weighted)} weighted layers; {parameters:,} parameters and {macs:,} multiply-accumulates a sample, "
        f"{percent(busiest.macs / macs)} of them in {busiest.name}."
    )
    products = [layer.macs for layer in layers if layer.macs and not layer.weights]
    if products:
        text += f" {sum(products):,} of these are products of two codes, which count as one each."
    hosted = [layer for layer in layers if layer.runs_on == HOST]
    if hosted:
        kinds = dict.fromkeys(layer.kind.removeprefix("host: ") for layer in hosted)
        text += f" {len(hosted)} more layers run on the host: {listed(list(kinds))}"
        extra = sum(layer.host_macs for layer in hosted)
        text += f", with {extra:,} multiply-accumulates of their own." if extra else "."
    return text


def weight_note(program: Program) -> str | None:
    """Says so where not every layer is drawn."""
    total = len(weighted_layers(program))
    if total <= MAX_CHARTS:
        return None
    return f"The {MAX_CHARTS} of {total} weighted layers with the most multiply-accumulates are drawn."


def product_charts(program: Program) -> list[Chart]:
    """Heat maps of product tables: of up to six layers where the tables are small, of two where they are large."""
    steps = weighted_layers(program)
    small = all(step.products.shape[1] * step.products.shape[2] <= _SMALL_TABLE for step in steps)
    chosen = [product_facts(program, step) for step in largest_layers(program, 6 if small else 2)]
    return [_product_chart(index, facts) for index, facts in enumerate(chosen)]


def _product_chart(index: int, facts: ProductFacts) -> Chart:
    rows, cols = _thinned(len(facts.weights)), _thinned(len(facts.inputs))
    shown = facts.products[np.ix_(rows, cols)].tolist()
    weights = [real(float(facts.weights[i])) for i in rows]
    inputs = [real(float(facts.inputs[j])) for j in cols]
    table = DataTable(
        (
            Column("weight", "weight \\ input", style="text"),
            *(Column(f"u{j}", inputs[k]) for k, j in enumerate(cols)),
        ),
        tuple((weights[k], *row) for k, row in enumerate(shown)),
    )
    figure = heat(shown, weights, inputs, ("input value", "weight value", "stored product"))
    return Chart(
        f"products-{index}", facts.layer, _product_reading(facts, len(rows), len(cols)), figure, table
    )


def _product_reading(facts: ProductFacts, rows: int, cols: int) -> str:
    top = int(np.abs(facts.products).max())
    limit = 2 ** (facts.product_bits - 1) - 1
    zeros = int((facts.products == 0).sum())
    text = (
        f"The {len(facts.weights)}{TIMES}{len(facts.inputs)} products reach {top:,}, {percent(top / limit)} of what "
        f"{facts.product_bits} bits hold; one unit is worth {real(facts.scale)}, and {zeros:,} products are zero."
    )
    if (rows, cols) != facts.products.shape:
        text += f" {rows}{TIMES}{cols} of them, evenly spread, are drawn."
    if facts.codebooks > 1:
        text += f" This is the table of the first of {facts.codebooks} output channels."
    return text


def _thinned(size: int) -> list[int]:
    places = np.unique(np.linspace(0, size - 1, min(size, MAX_SIDE)).round().astype(np.int64))
    return [int(place) for place in places]


def codebook_chart(program: Program) -> Chart:
    """The input codebooks' values, each group on its own line, as shares of the group's largest magnitude."""
    found = groups(program)
    shown: list[GroupFacts] = []
    points = 0
    for group in found:
        if shown and points + len(group.values) > MAX_POINTS:
            break
        shown.append(group)
        points += len(group.values)
    table = DataTable(
        (
            Column("group", "codebook", style="text"),
            Column("code", "code"),
            Column("value", "value"),
            Column("relative", "value / largest magnitude"),
        ),
        tuple(row for group in shown for row in _codebook_rows(group)),
    )
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": _relative(group),
            "y": [place] * len(group.values),
            "text": [f"code {code}: {real(v)}" for code, v in enumerate(group.values)],
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {
                "color": marker(0)["color"],
                "symbol": "line-ns-open",
                "size": 14,
                "line": {"width": 2},
            },
            "name": label(group.name),
        }
        for place, group in enumerate(shown)
    ]
    layout = {
        "xaxis": axis(table.title("relative"), zeroline=True),
        "yaxis": named_axis([g.name for g in shown], range=[len(shown) - 0.4, -0.6]),
        "height": 120 + 30 * len(shown),
        "showlegend": False,
    }
    return Chart(
        "codebooks",
        "Input codebooks",
        _codebook_reading(found, shown),
        {"data": traces, "layout": layout},
        table,
    )


def _relative(group: GroupFacts) -> list[float]:
    largest = max(map(abs, group.values))
    return [value / largest if largest else value for value in group.values]


def _codebook_rows(group: GroupFacts) -> list[tuple[Cell, ...]]:
    pairs = zip(group.values, _relative(group), strict=True)
    return [(group.name, code, value, share) for code, (value, share) in enumerate(pairs)]


def _codebook_reading(found: tuple[GroupFacts, ...], shown: list[GroupFacts]) -> str:
    uneven = [
        (float(np.diff(g.values).max() / np.diff(g.values).min()), g) for g in shown if len(g.values) > 1
    ]
    padded = [g.name for g in found if g.pad_code is not None]
    text = f"The network has {len(found)} input codebook{'s' if len(found) > 1 else ''}"
    if len(shown) < len(found):
        text += f", of which the first {len(shown)} are drawn"
    if uneven:
        ratio, group = max(uneven, key=lambda pair: pair[0])
        text += f"; the widest step of {group.name} is {ratio:.3g} times its narrowest"
    if padded:
        text += f", and {listed(padded)} hold{'s' if len(padded) == 1 else ''} an exact zero for padding"
    return text + "."
