"""The front of a search: CSV, terminal table, and a page where a point shows its design and its command."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from rapidnn.files import atomic_path
from rapidnn.search.objectives import LOSS, UNITS
from rapidnn.search.result import Exploration, TrialRecord, sizes
from rapidnn.search.space import COMPOSE

_OPTIONS = {"weights": "-w", "inputs": "-u", "granularity": "--granularity", "activation_rows": "--activation-rows",
            "product_bits": "--product-bits"}  # fmt: skip


def command(trial: TrialRecord, network: str) -> str:
    """The commands that rebuild a design: its artifact, and its machine's cost."""
    parts = [f"rapidnn compose {network}"]
    for option, flag in _OPTIONS.items():
        chosen = sizes(trial.params, option)
        parts += [] if chosen is None else [flag, chosen]
    compose = " ".join([*parts, "-o F.rapidnn"])
    changes = " ".join(f"--set {name}={value}" for name, value in machine_parameters(trial).items())
    return f"{compose} && rapidnn cost F.rapidnn {changes}".rstrip()


def machine_parameters(trial: TrialRecord) -> dict[str, object]:
    """The machine parameters a design chose."""
    return {name: value for name, value in trial.params.items() if name.partition(":")[0] not in COMPOSE}


def front_table(found: Exploration) -> Table:
    """The front: objectives, codebook sizes, machine parameters."""
    table = Table(
        title=f"front: {len(found.front)} of {len(found.trials)} trials, {found.space_size:,} designs in all"
    )
    table.add_column("trial", justify="right")
    for name in found.objectives:
        table.add_column(name if name != LOSS else "loss, points", justify="right")
    for name in ("weights", "inputs", "machine"):
        table.add_column(name, overflow="fold")
    for trial in found.front:
        values = [_shown(name, trial.figures[name]) for name in found.objectives]
        machine = ", ".join(f"{name}={value}" for name, value in machine_parameters(trial).items())
        chosen = [sizes(trial.params, option) or "" for option in ("weights", "inputs")]
        table.add_row(str(trial.number), *values, *chosen, machine)
    return table


def _shown(name: str, value: float) -> str:
    return f"{100 * value:.2f}" if name == LOSS else f"{value:,.4g}"


def write_csv(found: Exploration, path: Path) -> None:
    """All trials, the front marked."""
    with atomic_path(path) as temporary:
        found.to_frame().to_csv(temporary)


def write_page(found: Exploration, path: Path, network: str) -> None:
    """One self-contained page: every pair of objectives' front, linked by hovering; works without a network."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    first, *others = found.objectives
    others = others or [first]
    figure = make_subplots(rows=len(others), cols=1, vertical_spacing=0.08)
    for row, name in enumerate(others, start=1):
        for trials, label, colour in (
            (_behind(found), "tried", "#9a9a9a"),
            (found.front, "front", "#0072b2"),
        ):
            figure.add_trace(
                go.Scatter(
                    x=[t.figures[first] for t in trials],
                    y=[t.figures[name] for t in trials],
                    mode="markers",
                    name=label,
                    legendgroup=label,
                    showlegend=row == 1,
                    marker={"color": colour, "size": 9 if label == "front" else 5},
                    text=[f"trial {t.number}<br>{_wrapped(command(t, network))}" for t in trials],
                    hovertemplate="%{text}<br>x %{x:.4g}, y %{y:.4g}<extra></extra>",
                ),
                row=row,
                col=1,
            )
        figure.update_xaxes(title_text=f"{first} ({UNITS[first]})", row=row, col=1)
        figure.update_yaxes(title_text=f"{name} ({UNITS[name]})", type="log", row=row, col=1)
    figure.update_layout(
        height=420 * len(others), title=f"{len(found.front)} designs on the front of {network}"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(figure.to_html(include_plotlyjs=True, full_html=True), encoding="utf-8")


def _behind(found: Exploration) -> list[TrialRecord]:
    front = {t.number for t in found.front}
    return [t for t in found.trials if t.refused is None and t.number not in front]


def _wrapped(text: str, width: int = 90) -> str:
    import textwrap

    return "<br>".join(textwrap.wrap(text, width))
