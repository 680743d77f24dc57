"""An application ready to be composed: a float network, samples to calibrate on, and where there are any, labels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.bench.store import Store
from rapidnn.data import DataSet, Preprocess, load_data
from rapidnn.networks import build, input_shape, load_weights, save_weights
from rapidnn.networks import train as training
from rapidnn.reproduction.applications import Application, available

if TYPE_CHECKING:
    from torch import nn

Progress = Callable[[str, int, int], None]
CALIBRATION = 1000
COUNTED, COUNTED_LARGE = 32, 1
"""Inputs whose codes are counted: of a network, and of one with over 1 GMAC."""
RANDOM_CALIBRATION = {"vgg16": 2}
"""Random inputs that a network without data is calibrated on; 32 of the others."""
_TRAINING_SOURCES = ("networks", "data")


@dataclass(frozen=True, eq=False)
class Subject:
    """A float network and its inputs, all preprocessed.

    ``trained`` False: random weights on normal random inputs, so its cost counts and its accuracy means nothing.
    ``digest`` says what made it. ``test`` and ``validation`` are ``(x, labels)``, the test split raw.
    """

    application: Application
    module: nn.Module
    preprocess: Preprocess
    calibration: NDArray[np.float32]
    validation: tuple[NDArray[np.float32], NDArray[np.int64]] | None
    test: tuple[NDArray[Any], NDArray[np.int64]] | None
    trained: bool
    digest: dict[str, Any]

    @property
    def counted(self) -> NDArray[np.float32]:
        """The inputs whose codes are counted."""
        large = self.application.network == "vgg16"
        return self.calibration[: COUNTED_LARGE if large else COUNTED]


def prepare(
    application: Application,
    store: Store,
    *,
    quick: bool = False,
    weights: Path | None = None,
    seed: int = 0,
    progress: Progress = lambda stage, done, total: None,
) -> Subject:
    """Train an application's network by its recipe, or take it from the store; random weights where there are no data.

    Parameters
    ----------
    quick
        Fewer samples and epochs.
    weights
        A folder; ``NETWORK.safetensors`` in it is taken instead of training.
    """
    network = application.network
    module = build(network, seed)
    if application.data is None or not available(application.data):
        return _random(application, module, seed)
    data = load_data(application.data)
    prepare_input = data.preprocess.for_shape(input_shape(network))
    given = None if weights is None else weights / f"{network}.safetensors"
    if given is not None and given.is_file():
        file = given
    else:
        file = _trained(
            application, module, data, prepare_input, store, quick=quick, seed=seed, progress=progress
        )
    load_weights(module, file)
    x_fit, _, x_val, y_val = data.validation_split()
    chosen = np.random.default_rng(seed).choice(len(x_fit), min(CALIBRATION, len(x_fit)), replace=False)
    return Subject(
        application=application,
        module=module,
        preprocess=prepare_input,
        calibration=prepare_input.apply(x_fit[np.sort(chosen)]),
        validation=(prepare_input.apply(x_val), y_val),
        test=data.split("test", default="test"),
        trained=True,
        digest={"weights": hashlib.sha256(file.read_bytes()).hexdigest(), "data": _digest(data)},
    )


def _random(application: Application, module: nn.Module, seed: int) -> Subject:
    shape = input_shape(application.network)
    count = RANDOM_CALIBRATION.get(application.network, COUNTED)
    x = np.random.default_rng(seed).standard_normal((count, *shape), np.float32)
    return Subject(
        application,
        module,
        Preprocess.identity(shape),
        x,
        None,
        None,
        trained=False,
        digest={"weights": f"random, seed {seed}", "data": f"normal, {count}"},
    )


def _trained(
    application: Application,
    module: nn.Module,
    data: DataSet,
    preprocess: Preprocess,
    store: Store,
    *,
    quick: bool,
    seed: int,
    progress: Progress,
) -> Path:
    """The weights file that the recipe makes of the data, trained at most once."""
    how = training.recipe(application.network)
    if quick:
        how = replace(how, epochs=min(how.epochs, application.quick_epochs))
        data = _fewer(data, application.quick_samples)

    def run(path: Path) -> None:
        training.train(
            module,
            data,
            how,
            preprocess=preprocess,
            seed=seed,
            progress=lambda report: progress(f"train {application.name}", report.epoch, report.epochs),
        )
        save_weights(module, path)

    what = {
        "what": "weights",
        "network": application.network,
        "data": _digest(data),
        "recipe": asdict(how),
        "seed": seed,
    }
    return store.file(".safetensors", what, _TRAINING_SOURCES, run)


def _fewer(data: DataSet, samples: int) -> DataSet:
    """The data set with only so many of the training samples that are not held out, drawn at random."""
    x, y, _, _ = data.validation_split()
    chosen = np.sort(np.random.default_rng(0).permutation(len(y))[:samples])
    return replace(data, x_train=x[chosen], y_train=y[chosen])


def _digest(data: DataSet) -> str:
    found = hashlib.sha256()
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        if array is not None:
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
