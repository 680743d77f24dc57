"""What fixed point costs, as tables."""

from __future__ import annotations

from rapidnn.composer.fixed_point import NARROW, FixedPoint
from rapidnn.report.data import Column, DataTable


def rounding_data(found: FixedPoint) -> DataTable:
    """One row a layer: how well codes stand for weights and inputs, what snapping adds, and products' rounding."""
    rows = tuple(
        (
            layer.name,
            layer.weight_bits,
            layer.weight_sqnr_db,
            layer.weight_added,
            layer.input_bits,
            layer.input_sqnr_db,
            layer.input_added,
            layer.shift,
            layer.product_sqnr_db,
            layer.narrow_sqnr_db,
        )
        for layer in found.layers
    )
    return DataTable(
        (
            Column("layer", "layer", style="text"),
            Column("weight_bits", "weight grid", "bits", brief="w bits"),
            Column("weight_sqnr", "weight SQNR", "dB", brief="weights dB"),
            Column("weight_added", "error added by the grid", style="share", brief="grid adds %"),
            Column("input_bits", "input grid", "bits", brief="u bits"),
            Column("input_sqnr", "input SQNR", "dB", brief="inputs dB"),
            Column("input_added", "error added by the grid", style="share", brief="grid adds %"),
            Column("shift", "shift"),
            Column(
                "products",
                f"products of {found.product_bits} bits",
                "dB",
                brief=f"{found.product_bits}-bit dB",
            ),
            Column("narrow", f"products of {NARROW} bits", "dB", brief=f"{NARROW}-bit dB"),
        ),
        rows,
    )


def width_data(found: FixedPoint) -> DataTable:
    """One row a width of a product: accuracy, loss, and the machine's energy."""
    rows = tuple(
        (
            width.product_bits,
            width.shift,
            width.word_bits,
            width.evaluation.accuracy,
            None if width.evaluation.loss is None else 100 * width.evaluation.loss,
            width.evaluation.agreement,
            width.evaluation.sqnr_db,
            width.energy_uj,
        )
        for width in found.widths
    )
    return DataTable(
        (
            Column("product_bits", "product bits"),
            Column("shift", "shift"),
            Column("word_bits", "word", "bits"),
            Column("accuracy", "accuracy", style="share"),
            Column("loss", "loss", "points"),
            Column("agreement", "same answer as float", style="share", brief="agreement %"),
            Column("sqnr", "output SQNR", "dB"),
            Column("energy", "energy", "µJ"),
        ),
        rows,
    )
