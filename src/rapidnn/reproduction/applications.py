"""The applications of the paper's evaluation, with what is recalled of it (FACTS 1b), and a small one beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rapidnn.data.datasets import cache_folder
from rapidnn.data.sources import SOURCES
from rapidnn.errors import DataError


@dataclass(frozen=True)
class Application:
    """An application: its network, its data set, and the float network's error as the paper's is remembered.

    ``data`` None: no data set of it is known here, so it is cost only. ``quick_epochs`` and ``quick_samples`` are what
    a quick run trains for. ``in_paper`` is False for what stands beside the six, and enters no mean.
    """

    name: str
    network: str
    data: str | None
    claimed_error: float | None
    quick_epochs: int = 8
    quick_samples: int = 10_000
    in_paper: bool = True


SIX = (
    Application("MNIST", "mnist-mlp", "mnist", 0.015),
    Application("ISOLET", "isolet-mlp", "isolet", 0.036),
    Application("HAR", "har-mlp", "har", 0.017),
    Application("CIFAR-10", "cifar10-cnn", "cifar10", 0.144, quick_epochs=3, quick_samples=8_000),
    Application("CIFAR-100", "cifar100-cnn", "cifar100", 0.423, quick_epochs=3, quick_samples=8_000),
    Application("ImageNet", "vgg16", None, 0.285),
)
"""Baseline errors are recalled, low to medium."""

HAR_SIGNALS = Application("HAR", "har-inertial-mlp", "har-inertial", 0.017)
"""HAR on its raw signals, where its 561 features are not at hand."""

DIGITS = Application("digits", "digits-cnn", "digits", None, in_paper=False)
"""scikit-learn's digits, always at hand: not one of the six."""


def applications(names: tuple[str, ...] | None = None) -> tuple[Application, ...]:
    """The applications to run, by name (any case), default digits and the six; HAR in the form whose data are here.

    Raises
    ------
    DataError
        If a name is unknown.
    """
    har = SIX[2] if available("har") or not available("har-inertial") else HAR_SIGNALS
    every = (DIGITS, *SIX[:2], har, *SIX[3:])
    if names is None:
        return every
    known = {application.name.lower(): application for application in every}
    for name in names:
        if name.lower() not in known:
            raise DataError(f"application {name!r} is unknown; known: {', '.join(a.name for a in every)}")
    return tuple(application for key, application in known.items() if key in {n.lower() for n in names})


def available(data: str | None) -> bool:
    """Whether a data set can be read without fetching it."""
    import os

    if data is None:
        return False
    if SOURCES[data].parse is None:
        return True
    folders = [cache_folder()]
    if os.environ.get("RAPIDNN_DATA"):
        folders.append(Path(os.environ["RAPIDNN_DATA"]).expanduser())
    return any((folder / f"{data}.npz").is_file() for folder in folders)
