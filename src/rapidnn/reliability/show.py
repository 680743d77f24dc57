"""Fault studies as terminal tables."""

from __future__ import annotations

from rich.table import Table

from rapidnn.reliability.result import FaultPoint, FaultStudy, WearStudy


def study_tables(study: FaultStudy) -> list[Table]:
    """Curves, the most fragile parts, and what remedies cost."""
    clean = f"{study.samples:,} samples, {100 * study.clean_accuracy:.2f} % without faults"
    title = f"{study.kind}: {study.meaning}\n{clean}"
    tables = [_points(title, study.points, ("remedy", "rate"))]
    if study.by_layer:
        tables.append(
            _points(f"one layer damaged, most fragile: {study.most_fragile}", study.by_layer, ("layer",))
        )
    if study.by_bit:
        tables.append(_points("one bit of every product word damaged, 0 the least", study.by_bit, ("bit",)))
    tables.append(_costs(study))
    return tables


def _points(title: str, points: tuple[FaultPoint, ...], keys: tuple[str, ...]) -> Table:
    table = Table(
        title=title, title_justify="left", caption=f"{points[0].maps} maps a row", caption_justify="left"
    )
    for key in keys:
        table.add_column(key)
    for name in ("accuracy %", "loss, points", "95 % interval", "95th pct.", "most", "faults", "wrong"):
        table.add_column(name, justify="right")
    for p in points:
        shown = {"remedy": p.remedy, "rate": f"{p.rate:g}", "layer": str(p.layer), "bit": str(p.bit)}
        table.add_row(
            *(shown[key] for key in keys),
            f"{100 * p.accuracy_mean:.2f}",
            f"{100 * p.loss_mean:.3f}",
            f"{100 * p.loss_low_95:.3f} to {100 * p.loss_high_95:.3f}",
            f"{100 * p.loss_p95:.3f}",
            f"{100 * p.loss_most:.2f}",
            f"{p.faults_mean:,.1f}",
            f"{p.wrong_mean:,.1f}",
        )
    return table


def _costs(study: FaultStudy) -> Table:
    table = Table(title=f"remedies on {study.hardware}", title_justify="left")
    table.add_column("remedy")
    for name in ("energy", "area", "time", "once: uJ", "once: us"):
        table.add_column(name, justify="right")
    table.add_column("charged")
    for cost in study.costs:
        table.add_row(
            cost.remedy,
            f"+{100 * cost.energy_share:.2f} %",
            f"+{100 * cost.area_share:.2f} %",
            f"+{100 * cost.time_share:.2f} %",
            f"{cost.programming_pj / 1e6:,.2f}",
            f"{cost.programming_ns / 1e3:,.1f}",
            cost.notes,
        )
    return table


def wear_table(study: WearStudy) -> Table:
    """Accuracy by years."""
    table = Table(
        title=f"{study.inputs_per_s:g} inputs/s, cells of {study.endurance_writes:g} writes (sigma of the logarithm "
        f"{study.endurance_sigma:g}), {study.scratch_groups} sets of scratch rows, "
        f"{100 * study.spare_blocks:g} % spare blocks; {100 * study.clean_accuracy:.2f} % when new",
        title_justify="left",
    )
    for name in (
        "years",
        "blocks worn out",
        "left dead",
        "accuracy %",
        "least %",
        "loss, points",
        "95th pct.",
    ):
        table.add_column(name, justify="right")
    for p in study.points:
        table.add_row(
            f"{p.years:g}",
            f"{100 * p.dead_share:.2f} %",
            f"{100 * p.dead_share_after_spares:.2f} %",
            f"{100 * p.accuracy_mean:.2f}",
            f"{100 * p.accuracy_least:.2f}",
            f"{100 * p.loss_mean:.2f}",
            f"{100 * p.loss_p95:.2f}",
        )
    return table
