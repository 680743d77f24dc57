"""What commands read: networks, data sets, and the preprocessing between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from rapidnn.cli import options
from rapidnn.cli.console import Stages
from rapidnn.composer.finetune import TrainingData
from rapidnn.data import DataSet, Preprocess, load_data
from rapidnn.errors import DataError, ModelError
from rapidnn.networks.augment import Augment

if TYPE_CHECKING:
    from torch import nn

    from rapidnn.execute.composed import ComposedNetwork
    from rapidnn.graph import Graph


_PIXELS = 4
"""Shifts of images, where no recipe gives another extent: what is usual for 32 x 32 pixels (He et al. 2016)."""


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """A float network as ``compose`` takes it, and what is known of its input."""

    name: str
    model: nn.Module | Path
    input_shape: tuple[int, ...] | None
    data_set: str | None
    random: bool

    def module(self) -> nn.Module:
        """The PyTorch module; an ONNX file has none."""
        if isinstance(self.model, Path):
            raise ModelError(f"{self.model} cannot be trained; name a built-in network")
        return self.model


def float_network(spec: str, weights: Path | None, seed: int) -> FloatNetwork:
    """The network a user named: an ONNX file, a built-in, or a factory."""
    if spec.endswith(".onnx"):
        if weights is not None:
            raise ModelError(
                f"--weights {weights}: an .onnx file brings its own weights; leave the option out"
            )
        from rapidnn.frontends import input_shape

        return FloatNetwork(Path(spec).name, Path(spec), input_shape(Path(spec)), None, random=False)
    from rapidnn.networks import resolve

    found = resolve(spec, weights, seed=seed)
    return FloatNetwork(found.name, found.module, found.input_shape, found.data_set, found.random)


def data_set(spec: str | None, network: FloatNetwork | None, progress: Stages) -> DataSet:
    """The data set a user named, or the built-in network's own."""
    name = spec or (network.data_set if network else None)
    if name is None:
        raise DataError("which data? give --data: a data set's name, an .npz, or a folder of images by class")
    return load_data(name, progress=lambda file, done, total: progress(f"download {file}", done, total))


def preprocessing(
    data: DataSet,
    input_shape: tuple[int, ...] | None,
    *,
    shape: str | None,
    mean: str | None,
    std: str | None,
    divisor: float | None,
) -> Preprocess:
    """The data set's preprocessing with the user's options, for the network's input shape."""
    found = data.preprocess
    if divisor is not None:
        found = replace(found, divisor=divisor)
    means, stds = options.numbers(mean, "--mean"), options.numbers(std, "--std")
    if (means is None) != (stds is None):
        raise DataError("--mean and --std belong together; give both")
    if means is not None and stds is not None:
        found = replace(found, mean=means, std=stds)
    extents = options.numbers(shape, "--shape")
    wanted = input_shape if extents is None else tuple(int(n) for n in extents)
    return found if wanted is None else found.for_shape(wanted)


def float_results(
    spec: str, weights: Path | None, prepare: Preprocess, x: NDArray[Any], progress: Stages
) -> tuple[Graph, NDArray[np.float32]]:
    """A float network's graph, and its outputs on raw samples, for comparison with an artifact composed of it."""
    from rapidnn.composer.sample import float_outputs
    from rapidnn.frontends import import_model

    inputs = prepare.apply(x)
    graph = import_model(float_network(spec, weights, 0).model, inputs)
    return graph, float_outputs(
        graph, inputs, progress=lambda done, total: progress("float network", done, total)
    )


def labelled(data: DataSet, split: str | None, limit: int | None) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Raw samples and labels of the split asked for (default test), the first ``limit`` of them."""
    if split not in (None, "train", "test"):
        raise DataError(f"--split {split!r}: expected train or test")
    x, y = data.split(split, default="test")  # type: ignore[arg-type]
    return x[:limit], y[:limit]


def calibration_and_validation(
    data: DataSet, prepare: Preprocess, samples: int, seed: int
) -> tuple[NDArray[np.float32], tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Prepared training samples to calibrate on, and a tenth that is held out with its labels; no test data."""
    x_fit, _, x_val, y_val = data.validation_split()
    chosen = np.random.default_rng(seed).choice(len(x_fit), min(samples, len(x_fit)), replace=False)
    return prepare.apply(x_fit[np.sort(chosen)]), (prepare.apply(x_val), y_val)


def calibration_again(
    composed: ComposedNetwork, data: DataSet, progress: Stages
) -> tuple[NDArray[np.float32], tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """The samples an artifact was calibrated and validated on, of the data set it records or else of ``data``.

    Without a record of a seed, as many are drawn with seed 0.
    """
    name, seed = composed.info.get("data"), composed.info.get("seed", 0)
    if name is not None and name != data.name:
        data = data_set(name, None, progress)
    count = composed.info.get("calibration_samples", 1000)
    return calibration_and_validation(data, composed.preprocess, count, seed)


def training(
    data: DataSet, prepare: Preprocess, network: str, augment: str | None, seed: int
) -> TrainingData:
    """Raw training samples to fine-tune on: those that :func:`calibration_and_validation` does not hold out.

    They are changed at random as the built-in network's recipe says, or as the user asked for.
    """
    from rapidnn.networks.train import RECIPES, Recipe

    how = RECIPES.get(network, Recipe(epochs=1, pixels=_PIXELS))
    kind = how.augment if augment is None else augment
    if kind not in get_args(Augment):
        raise DataError(f"--augment {augment!r}: expected {', '.join(get_args(Augment))}")
    x_fit, y_fit, _, _ = data.validation_split()
    return TrainingData(x_fit, y_fit, prepare, kind, how.pixels or _PIXELS, how.noise)  # type: ignore[arg-type]


def absolute(name: str) -> str:
    """A file's absolute path, so that another working folder finds it; a name that is no path as it is."""
    return str(Path(name).absolute()) if Path(name).exists() and ("." in name or "/" in name) else name


def optional_path(name: str | None) -> Path | None:
    """A path that may be absent."""
    return None if name is None else Path(name)


def origin(
    network: str, weights: Path | None, data: str | None, calibration: int, seed: int
) -> dict[str, Any]:
    """Where a network and its data came from, as JSON, for a study that is gone on with later."""
    return {
        "network": absolute(network),
        "weights": None if weights is None else str(weights.absolute()),
        "data": None if data is None else absolute(data),
        "calibration": calibration,
        "seed": seed,
    }


def split_name(data: DataSet, split: str | None) -> str:
    """What to call the samples :func:`labelled` gave: ``all`` where there is one set only."""
    return "all" if data.single else split or "test"
