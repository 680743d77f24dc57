"""The front of a search: CSV, terminal table, and the command that rebuilds a design."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.table import Table

from rapidnn.files import atomic_path
from rapidnn.search.objectives import LOSS
from rapidnn.search.result import KNOWN_BY, Exploration, TrialRecord
from rapidnn.search.space import COMPOSE

_TIMES = ((1.0, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s"))
_HANDY = {
    "energy": ((1.0, "pJ"), (1e3, "nJ"), (1e6, "uJ"), (1e9, "mJ")),
    "latency": _TIMES,
    "interval": _TIMES,
    "area": ((1.0, "um2"), (1e6, "mm2")),
    "power": ((1e-3, "mW"), (1.0, "W")),
}
"""Factors and names of units by figure."""


def command(found: Exploration, trial: TrialRecord, study: str, artifact: str | None = None) -> str:
    """The commands that rebuild a design: its artifact, unless one is given, and its machine's cost."""
    made = artifact or f"trial-{trial.number}.rapidnn"
    parts = ["rapidnn", "cost", made, "--hardware", found.hardware]
    for name, value in machine_parameters(trial).items():
        parts += ["--set", f"{name}={value}"]
    cost = shlex.join(parts)
    if artifact is not None:
        return cost
    build = ["rapidnn", "compose", "--from-study", study, "--trial", str(trial.number), "-o", made]
    return f"{shlex.join(build)} && {cost}"


def machine_parameters(trial: TrialRecord) -> dict[str, object]:
    """The machine parameters a design chose."""
    return {name: value for name, value in trial.params.items() if name.partition(":")[0] not in COMPOSE}


def headline(found: Exploration) -> str:
    """How many designs were tried, and how their losses are known."""
    counts = {how: sum(t.known_by == how for t in found.trials) for how in KNOWN_BY}
    words = ", ".join(f"{count} {how}" for how, count in counts.items() if count)
    return (
        f"front: {len(found.front)} verified designs of {len(found.trials)} trials ({words}); "
        f"{found.space_size:,} designs in all"
    )


def status(found: Exploration) -> str:
    """The front's size and the best of each objective, for a line of progress."""
    if not found.front:
        return "front 0"
    best = [f"{name} {shown(name, min(t.figures[name] for t in found.front))}" for name in found.objectives]
    return f"front {len(found.front)}, best {', '.join(best)}"


def front_table(found: Exploration) -> Table:
    """The front: objectives, codebook sizes in the order of the layers, machine parameters that differ."""
    options = _options(found)
    machine = list(dict.fromkeys(name for trial in found.front for name in machine_parameters(trial)))
    same = {n: v for n in machine if len(v := {str(t.params[n]) for t in found.front}) == 1}
    differ = [name for name in machine if name not in same]
    notes = [f"{option}: {' '.join(layers)}" for option, layers in options.items() if layers != [""]]
    notes += [f"machine: {' '.join(differ)}"] if differ else []
    notes += ["all: " + ", ".join(f"{name}={value}" for name, (value,) in same.items())] if same else []
    table = Table(title=headline(found), caption="\n".join(notes) or None, caption_justify="left")
    table.add_column("trial", justify="right")
    for name in found.objectives:
        table.add_column(name, justify="right")
    for name in (*options, *(["machine"] if differ else [])):
        table.add_column(name)
    for trial in found.front:
        values = [shown(name, trial.figures[name]) for name in found.objectives]
        sizes = [" ".join(str(trial.params[_key(o, layer)]) for layer in options[o]) for o in options]
        chosen = [" ".join(str(trial.params[name]) for name in differ)] if differ else []
        table.add_row(str(trial.number), *values, *sizes, *chosen)
    return table


def _options(found: Exploration) -> dict[str, list[str]]:
    """The composer's options that were chosen, each with its layers (an empty name where it is one for all)."""
    options: dict[str, list[str]] = {}
    for name in found.trials[0].params if found.trials else ():
        option, _, layer = name.partition(":")
        if option in COMPOSE:
            options.setdefault(option, []).append(layer)
    return options


def _key(option: str, layer: str) -> str:
    return f"{option}:{layer}" if layer else option


def shown(name: str, value: float) -> str:
    """A figure as tables show it: losses in points of accuracy, times, energies and areas in handy units."""
    if name == LOSS:
        return f"{100 * value:.2f} pt"
    units = _HANDY.get(name)
    if units is None:
        return f"{value:.3g}"
    factor, unit = max((u for u in units if value >= u[0]), default=units[0])
    return f"{value / factor:.3g} {unit}"


def write_csv(found: Exploration, path: Path) -> None:
    """All trials, the front marked."""
    with atomic_path(path) as temporary:
        found.to_frame().to_csv(temporary)
