"""From what the user wrote (a name, an ``.npz``, a folder of images) to a `DataSet`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.data import images, npz
from rapidnn.data.dataset import DataSet, held_out
from rapidnn.data.download import Progress, fetch
from rapidnn.data.preprocess import Preprocess
from rapidnn.data.sources import SOURCES, Source
from rapidnn.errors import DataError


def names() -> tuple[str, ...]:
    """Names of the known data sets."""
    return tuple(SOURCES)


def load_data(
    spec: str | Path,
    *,
    preprocess: Preprocess | None = None,
    mirror: str | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """A data set by name or path.

    A known name is looked for as ``<name>.npz`` in the folder ``RAPIDNN_DATA``, then in the cache
    (``RAPIDNN_CACHE``, else the user's cache folder), and else fetched from its public home, or from the
    mirror ``RAPIDNN_MIRROR``, into the cache. A name wins over a path of the same spelling: write
    ``./digits`` for a folder.

    Parameters
    ----------
    spec
        A name of `names`, an ``.npz`` (keys ``inputs``, ``labels``, or ``x_train``, ``y_train``, ``x_test``,
        ``y_test``), or a folder of images by class.
    preprocess
        In place of the data set's own.
    mirror
        Base address in place of the public homes; overrides ``RAPIDNN_MIRROR``.
    progress
        Told of downloads.

    Raises
    ------
    DataError
        If it is unknown, missing, damaged, unusable, or cannot be fetched; one line that says what to do.
    """
    text = str(spec)
    if text in SOURCES:
        return _load_known(SOURCES[text], preprocess, mirror, progress)
    path = Path(spec).expanduser()
    if path.is_dir():
        return images.load_folder(path, preprocess=preprocess)
    if path.suffix == ".npz" or path.is_file():
        return npz.load_npz(path, preprocess=preprocess)
    raise DataError(
        f"unknown data set or path {text!r}; known are {', '.join(SOURCES)}; "
        "or give an .npz or a folder of images by class"
    )


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where data sets are kept: ``RAPIDNN_CACHE``, else the user's cache folder of this system."""
    if environ.get("RAPIDNN_CACHE"):
        return Path(environ["RAPIDNN_CACHE"]).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("rapidnn", appauthor=False))


def prepare(
    source: Source,
    cache: Path,
    *,
    mirror: str | None = None,
    progress: Progress | None = None,
    attempts: int = 4,
) -> Path:
    """``<cache>/<name>.npz``, fetched and parsed if it is not there yet.

    Downloaded files stay in ``<cache>/downloads`` (two data sets share UCI HAR's), each checked against its
    pinned SHA-256; the ``.npz`` is written atomically after the parser has checked counts, shapes and labels.

    Raises
    ------
    DataError
        If a file cannot be fetched or is not what it should be.
    """
    target = cache / f"{source.name}.npz"
    if target.is_file():
        return target
    if source.parse is None:
        raise DataError(f"data set {source.name!r} has no public files")
    folder = cache / "downloads"
    try:
        files = {
            file.name: fetch(
                file.urls(mirror),
                folder / file.name if file.group == "uci" else folder / f"{file.group}-{file.name}",
                sha256=file.sha256,
                progress=progress,
                attempts=attempts,
                advice=f"set RAPIDNN_DATA to a folder that holds {source.name}.npz, or RAPIDNN_MIRROR to a "
                f"reachable copy, or fetch the file by hand into {folder}",
            )
            for file in source.files
        }
        npz.write_npz(target, source.parse(files, source.counts))
    except OSError as error:
        raise DataError(
            f"cannot write the data cache {cache}: {error.strerror or error}; set RAPIDNN_CACHE"
        ) from None
    return target


def _load_known(
    source: Source, preprocess: Preprocess | None, mirror: str | None, progress: Progress | None
) -> DataSet:
    path = _in_data_folder(source.name)
    if path is None and source.parse is None:
        return _digits(source, preprocess)
    if path is None:
        mirror = mirror or os.environ.get("RAPIDNN_MIRROR")
        path = prepare(source, cache_folder(), mirror=mirror, progress=progress)
    data = npz.load_npz(
        path, name=source.name, preprocess=preprocess or source.preprocess, classes=source.classes
    )
    for x in (data.x_train, data.x_test):
        if x is not None and x.shape[1:] != source.sample:
            raise DataError(
                f"{path}: samples of {source.name} have shape {source.sample}, but these have {x.shape[1:]}; "
                "replace the file"
            )
    return data


def _in_data_folder(name: str) -> Path | None:
    given = os.environ.get("RAPIDNN_DATA")
    if not given:
        return None
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise DataError(f"RAPIDNN_DATA names {given!r}, which is not a folder; correct it or unset it")
    path = folder / f"{name}.npz"
    return path if path.is_file() else None


def _digits(source: Source, preprocess: Preprocess | None) -> DataSet:
    """scikit-learn's 1,797 digits: every fifth sample of the class-ordered list is a test sample (360)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(
            "data set 'digits' comes with scikit-learn; install it (pip install scikit-learn)"
        ) from None
    bunch = load_digits()
    x: NDArray[Any] = bunch.images.astype(np.uint8)
    y = bunch.target.astype(np.int64)
    test = held_out(y, source.counts[1], None)
    return npz.make_data_set(
        source.name,
        x[~test],
        y[~test],
        x[test],
        y[test],
        preprocess=preprocess or source.preprocess,
        classes=source.classes,
    )
