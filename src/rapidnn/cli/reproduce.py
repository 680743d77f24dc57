"""``rapidnn reproduce``: the paper's evaluation, claimed beside achieved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rapidnn.cli import options
from rapidnn.cli.console import Terminal
from rapidnn.errors import DataError
from rapidnn.files import atomic_path


def reproduce(
    folder: Annotated[
        Path, typer.Option("-o", "--output", help="Keeps all pieces and results; the same command goes on.")
    ] = Path("reproduction"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Short trainings and w = u only: a few minutes on two cores.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="A,B",
            help="Applications, such as MNIST,ISOLET; default all.",
            show_default=False,
        ),
    ] = None,
    headline: Annotated[
        bool,
        typer.Option(
            "--headline", help="Search designs for the paper's four ratios instead (docs/headline.md)."
        ),
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page", metavar="FILE", help="With --headline: write the study as Markdown.", show_default=False
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="DIR",
            help="Folder with NETWORK.safetensors to take, not train.",
            show_default=False,
        ),
    ] = None,
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """The six applications of the paper: quality, cost, every rival, claimed beside achieved, and what moves it most.

    Trained where the data set is at hand (RAPIDNN_DATA or the cache; nothing is fetched), else random weights, cost
    only. Interrupt at any moment; the same command goes on.
    """
    import rapidnn
    from rapidnn.report.reproduction import write_reproduction
    from rapidnn.reproduction import show

    terminal = Terminal("reproduce headline" if headline else "reproduce", as_json=as_json)
    if weights is not None and not weights.is_dir():
        raise DataError(f"--weights {weights}: not a folder")
    if headline:
        if only or changes or hardware != "rapidnn-hpca20":
            raise DataError(
                "--headline takes all six applications and the built-in machine: leave the others out"
            )
        _headline(terminal, folder, page or folder / "headline.md", weights, quick=quick, seed=seed)
        return
    if page is not None:
        raise DataError("--page belongs to --headline")
    names = None if only is None else [name.strip() for name in only.split(",") if name.strip()]
    with terminal.progress() as stages:
        found = rapidnn.reproduce(
            folder,
            quick=quick,
            only=names,
            weights=weights,
            hardware=hardware,
            overrides=options.overrides(changes),
            seed=seed,
            progress=stages,
        )
    files = {kind: folder / f"reproduction.{kind}" for kind in ("json", "csv", "html")}
    document: dict[str, Any] = {**found.to_json(), "files": {kind: str(path) for kind, path in files.items()}}
    try:
        with atomic_path(files["json"]) as temporary:
            temporary.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
        with atomic_path(files["csv"]) as temporary:
            found.to_frame().to_csv(temporary, index=False)
        write_reproduction(files["html"], found)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from None
    terminal.result(document, *show.tables(found), f"written: {files['html']}, .csv and .json beside it")


def _headline(
    terminal: Terminal, folder: Path, page: Path, weights: Path | None, *, quick: bool, seed: int
) -> None:
    from rich.markdown import Markdown

    from rapidnn.files import check_output
    from rapidnn.reproduction import headline, headline_page

    check_output(page)
    with terminal.progress() as stages:
        found = headline.study(folder, quick=quick, weights=weights, seed=seed, progress=stages)
    text = headline_page.page(found, quick=quick)
    try:
        with atomic_path(page) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{page}: cannot be written ({error.strerror or error})") from None
    terminal.result({"page": str(page), "study": found.to_json()}, Markdown(text), f"written: {page}")
