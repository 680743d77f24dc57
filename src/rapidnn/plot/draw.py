"""Figures by name: what each needs is measured, drawn, and saved without a date, so equal inputs give equal files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.files import atomic_path
from rapidnn.machine.network import DEFAULT_HARDWARE, estimate
from rapidnn.plot import machine, network
from rapidnn.plot.style import RC, check_matplotlib
from rapidnn.report.distributions import distributions
from rapidnn.rivals.compare import DEFAULT_RIVALS, compare
from rapidnn.tables.levels import bits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rapidnn.graph import Graph

SUFFIXES = (".pdf", ".svg", ".png")
_UNDATED: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
    ".png": {"Software": None},
}


@dataclass(frozen=True)
class Subject:
    """What figures are drawn of: the network, and what the user gave beside it."""

    composed: ComposedNetwork
    x: Any = None
    graph: Graph | None = None
    layer: str | None = None
    hardware: str | Path = DEFAULT_HARDWARE
    overrides: Mapping[str, str | float] = field(default_factory=dict)
    against: tuple[str, ...] = DEFAULT_RIVALS
    seed: int = 0


@dataclass(frozen=True)
class Named:
    """A figure: what it shows, whether it needs inputs whose codes are counted, and the function that draws it."""

    shows: str
    needs_inputs: bool
    draw: Callable[[Subject], Figure]


def _accuracy(subject: Subject) -> Figure:
    return network.accuracy_sizes(subject.composed)


def _costs(subject: Subject) -> Figure:
    composed = subject.composed
    finest = max(bits(group.size) for group in composed.program.groups)
    return machine.cost_sizes(
        {
            level: estimate(
                composed.at_level(level),
                subject.x,
                subject.hardware,
                overrides=subject.overrides,
                seed=subject.seed,
            )
            for level in sorted({*composed.levels, finest})
        }
    )


def _energy(subject: Subject) -> Figure:
    return machine.energy_breakdown(
        estimate(
            subject.composed, subject.x, subject.hardware, overrides=subject.overrides, seed=subject.seed
        )
    )


def _weights(subject: Subject) -> Figure:
    if subject.graph is None or subject.x is None:
        return network.weights(subject.composed, subject.layer, None)
    from rapidnn.report.facts import largest_layers

    name = subject.layer or next((s.name for s in largest_layers(subject.composed.program, 1)), None)
    counted = distributions(subject.composed, subject.x, subject.graph)
    return network.weights(subject.composed, subject.layer, counted.weights.get(name or ""))


def _activation(subject: Subject) -> Figure:
    return network.activation_table(subject.composed, subject.layer)


def _comparison(subject: Subject) -> Figure:
    return machine.comparison(
        compare(
            subject.composed,
            subject.x,
            subject.against,
            hardware=subject.hardware,
            overrides=subject.overrides,
            seed=subject.seed,
        )
    )


FIGURES: dict[str, Named] = {
    "accuracy-sizes": Named("accuracy against codebook size, of a tree's levels", False, _accuracy),
    "cost-sizes": Named("energy and latency against codebook size, of a tree's levels", True, _costs),
    "energy-breakdown": Named("energy by layer and component", True, _energy),
    "weights": Named("a layer's weights with their codebook", False, _weights),
    "activation-table": Named("an activation table on its function, with its error", False, _activation),
    "comparison": Named("gains over other machines", True, _comparison),
}


def draw(
    name: str,
    composed: ComposedNetwork,
    x: Any = None,
    *,
    graph: Graph | None = None,
    layer: str | None = None,
    hardware: str | Path = DEFAULT_HARDWARE,
    overrides: Mapping[str, str | float] | None = None,
    against: Iterable[str] = DEFAULT_RIVALS,
    seed: int = 0,
) -> Figure:
    """One figure of a composed network, as a matplotlib figure of a column's width (3.4 inches).

    Parameters
    ----------
    name
        A key of :data:`FIGURES`.
    x
        Preprocessed inputs ``(N, *input_shape)`` whose codes are counted, for figures of cost.
    graph
        The float network; ``weights`` draws its weights too.
    layer
        Of ``weights`` and ``activation-table``; by default the one with the most work, or the largest error.
    hardware, overrides, seed
        As in :func:`rapidnn.estimate`.
    against
        Rivals of ``comparison``.

    Raises
    ------
    DataError
        If matplotlib is missing, the name is unknown, or the artifact lacks what the figure shows.
    """
    check_matplotlib()
    check_name(name)
    if FIGURES[name].needs_inputs and x is None:
        raise DataError(f"figure {name!r} needs inputs whose codes are counted; give data")
    import matplotlib

    subject = Subject(composed, x, graph, layer, hardware, dict(overrides or {}), tuple(against), seed)
    with matplotlib.rc_context(RC):
        return FIGURES[name].draw(subject)


def check_name(name: str) -> None:
    """Refuse an unknown figure.

    Raises
    ------
    DataError
        With the figures there are.
    """
    if name not in FIGURES:
        raise DataError(f"figure {name!r} is unknown; available: {', '.join(FIGURES)}")


def check_suffix(path: Path) -> None:
    """Refuse a file name that is not a picture's.

    Raises
    ------
    DataError
        On another suffix than .pdf, .svg or .png.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as .pdf, .svg or .png, whole or not at all; equal figures give equal bytes.

    Raises
    ------
    DataError
        On another suffix, or if the file cannot be written.
    """
    import matplotlib

    target = Path(path)
    check_suffix(target)
    try:
        with matplotlib.rc_context(RC), atomic_path(target) as temporary:
            figure.savefig(temporary, format=target.suffix[1:], metadata=_UNDATED[target.suffix])
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
