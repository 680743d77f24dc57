"""Every loader of files a stranger may have made: whole files to start from, damage, and the loading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rapidnn.errors import DataError
from tests.hostile import targets_archives, targets_artifacts, targets_images, targets_texts
from tests.hostile.target import Rng, Target


def targets(name: str) -> Target:
    """The loader of that name."""
    kind, _, detail = name.partition("-")
    return targets_images.image(detail) if kind == "image" else MADE[name]()


def _onnx() -> Target:
    from rapidnn.frontends import import_model
    from tests.frontends import fuzz

    bases = fuzz.bases()

    def mutate(rng: Rng) -> bytes:
        return fuzz.mutate(bases[int(rng.integers(2))][0], rng)

    def read(path: Path) -> object:
        error: Exception | None = None
        for _, shape in bases:
            try:
                return import_model(path, np.ones((2, *shape), np.float32))
            except DataError as wrong:  # the samples are the other base's
                error = wrong
        assert error is not None
        raise error

    return Target("onnx", "net.onnx", mutate, read, bases[0][0].SerializeToString())


MADE: dict[str, Callable[[], Target]] = {
    "statistics": targets_texts.statistics,
    "npz": targets_archives.npz_archive,
    "npy-header": targets_archives.npy_header,
    "weights": targets_archives.weights,
    "gzip": targets_archives.gzipped,
    "lzw": targets_archives.lzw_table,
    "artifact": targets_artifacts.artifact,
    "artifact-document": targets_artifacts.artifact_document,
    "artifact-tensors": targets_artifacts.artifact_tensors,
    "command-line": targets_artifacts.command_line,
    "hardware": targets_texts.hardware,
    "journal": targets_texts.journal,
    "onnx": _onnx,
}
