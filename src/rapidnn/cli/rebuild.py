"""A design of a study as ``compose`` takes it: ``--from-study STUDY --trial K``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rapidnn.cli import sources
from rapidnn.composer.settings import Settings
from rapidnn.errors import DataError


@dataclass(frozen=True)
class Design:
    """Where the network comes from, the composer's settings, and what else is known of the trial."""

    network: str
    weights: Path | None
    data: str | None
    calibration: int
    seed: int
    settings: Settings
    record: dict[str, Any]
    cost_command: str


def design(study: str, trial: int | None, output: Path, given: Mapping[str, Any]) -> Design:
    """The design of a trial; network and data are the study's, or the user's where it records none.

    Raises
    ------
    DataError
        If the study or trial cannot be used, or options of the command line (``given``, by name) contradict it.
    """
    from rapidnn.search import show
    from rapidnn.search.archive import read_study

    if trial is None:
        raise DataError(
            f"--from-study {study}: which trial? give --trial K (rapidnn explore --front lists them)"
        )
    fixed = [name for name in ("-w", "-u", "--max-loss", "--tree") if given.get(name)]
    if fixed:
        raise DataError(f"{fixed[0]}: the trial of --from-study decides that; leave it out")
    recorded = read_study(study)
    found = recorded.trial(trial)
    origin = dict(recorded.origin or {"weights": None, "data": None, "calibration": 1000, "seed": 0})
    network = given.get("NET") or origin.get("network")
    if network is None:
        raise DataError(
            f"{study}: does not record its network (it was begun from Python); give NET and --data"
        )
    if str(network).endswith(".rapidnn"):
        raise DataError(
            f"{study}: explores the machine of {network}, which is composed already; see its commands"
        )
    exploration = recorded.exploration
    record = {
        "study": study if "://" not in study else "STORAGE",
        "trial": trial,
        "loss_is": found.known_by,
        "figures": found.figures,
        "hardware": exploration.hardware,
        "machine": show.machine_parameters(found),
    }
    return Design(
        str(network),
        given.get("--weights") or sources.optional_path(origin["weights"]),
        given.get("--data") or origin["data"],
        int(origin["calibration"]),
        int(origin["seed"]),
        recorded.settings(found),
        record,
        show.command(exploration, found, study, str(output)),
    )
