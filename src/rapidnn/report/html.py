"""Pages as one HTML text with everything inside: the templates, and the small records that they print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidnn import __version__
from rapidnn.errors import DataError
from rapidnn.files import atomic_path
from rapidnn.report.charts import Chart
from rapidnn.report.data import DataTable

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Card:
    """One figure of a summary."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Titled:
    """A table with its heading and a sentence."""

    id: str
    title: str
    table: DataTable
    reading: str = ""


@dataclass(frozen=True)
class Section:
    """One section of a page: sentences, figures, charts, tables and remarks, in that order."""

    id: str
    title: str
    reading: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Titled, ...] = ()
    notes: tuple[str, ...] = ()


def render_sections(title: str, sections: Sequence[Section]) -> str:
    """A page that is a row of sections; the first one's id must be ``summary``."""
    context = {
        "title": title,
        "sections": [(section.id, section.title) for section in sections],
        "parts_of_page": sections,
    }
    return render_template("sections.html.j2", context)


def render_template(name: str, context: Mapping[str, Any]) -> str:
    """A page's template filled in: one text that needs no network. ``context`` has at least ``title`` and ``sections``.

    ``sections`` are (id, name) pairs for the page's navigation.
    """
    shared = {
        "version": __version__,
        "css": _read("report.css"),
        "js": _read("report.js"),
        "plotly": plotly_js(),
    }
    return _environment().get_template(name).render(**shared, **context)


def write_page(path: str | Path, text: str) -> None:
    """Write a page, whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier file then stays as it was.
    """
    try:
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(text, "utf-8")
    except OSError as error:
        raise DataError(
            f"{path}: the report cannot be written ({error.strerror or error}); choose a path you can write to"
        ) from None


def plotly_js() -> str:
    """Plotly's script as its Python package ships it (there is one bundle, for all kinds of charts)."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader

    return Environment(loader=FunctionLoader(_read), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def _read(name: str) -> str:
    return (files("rapidnn.report") / "templates" / name).read_text("utf-8")
