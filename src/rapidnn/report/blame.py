"""A composed network beside uniform quantisation: figures, and one row a layer."""

from __future__ import annotations

from rapidnn.composer.baseline import Comparison
from rapidnn.composer.blame import Blame
from rapidnn.report.accuracy import evaluation_data
from rapidnn.report.data import Cell, Column, DataTable, real


def beside_data(compared: Comparison) -> DataTable:
    """The figures of both evaluations, and their sizes."""
    sides = (compared.ours, compared.uniform)
    ours, uniform = (dict(_pairs(side)) for side in sides)
    rows = [(figure, ours[figure], uniform.get(figure)) for figure in ours]
    return DataTable(
        (
            Column("figure", "figure", style="text"),
            Column("rapidnn", "rapidnn", style="text"),
            Column("uniform", "uniform", style="text"),
        ),
        tuple(rows),
    )


def _pairs(side: Blame) -> list[tuple[str, str]]:
    rows = [(str(figure), str(value)) for figure, value in evaluation_data(side.evaluation).rows]
    return [*rows, ("tables and packed codes", f"{real(side.size_kib)} KiB")]


def blame_data(compared: Comparison) -> DataTable:
    """One row a layer: SQNR of its accumulator, and the loss in points when it alone is composed."""
    rows: list[tuple[Cell, ...]] = []
    for ours, uniform in zip(compared.ours.layers, compared.uniform.layers, strict=True):
        row: list[Cell] = [ours.name, ours.weights, ours.inputs, ours.sqnr_db, uniform.sqnr_db]
        row += [100 * ours.alone_loss, 100 * uniform.alone_loss, ours.alone_sqnr_db, uniform.alone_sqnr_db]
        rows.append(tuple(row))
    return DataTable(
        (
            Column("layer", "layer", style="text"),
            Column("w", "w"),
            Column("u", "u"),
            Column("sqnr", "SQNR", "dB"),
            Column("sqnr_uniform", "uniform", "dB"),
            Column("alone", "loss alone", "points", brief="loss alone"),
            Column("alone_uniform", "uniform", "points", brief="uniform"),
            Column("alone_sqnr", "output SQNR alone", "dB", brief="SQNR alone"),
            Column("alone_sqnr_uniform", "uniform", "dB", brief="uniform"),
        ),
        tuple(rows),
    )
