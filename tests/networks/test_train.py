from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rapidnn.data import DataSet, Preprocess, load_data
from rapidnn.errors import DataError, ModelError
from rapidnn.networks import build, data_set, input_shape, names
from rapidnn.networks.augment import augment
from rapidnn.networks.train import RECIPES, EpochReport, Recipe, accuracy, predict, recipe, train


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def toy(features: int = 8, classes: int = 3, samples: int = 120) -> DataSet:
    rng = np.random.default_rng(0)
    y = np.arange(samples) % classes
    x = rng.normal(0, 0.3, (samples, features)).astype(np.float32)
    x[np.arange(samples), y] += 2
    return DataSet("toy", x, y, None, None, classes, Preprocess.identity((features,)))


def test_digits_cnn_learns(one_thread: None) -> None:
    data = load_data("digits")
    module = build("digits-cnn", 0)
    told: list[EpochReport] = []
    result = train(module, data, recipe("digits-cnn"), progress=told.append)
    assert not module.training
    assert tuple(told) == result.reports
    assert (result.samples, result.threads, result.seed) == (1437 - 144, 1, 0)
    x, y = data.split("test")
    assert accuracy(predict(module, x, data.preprocess), y) >= 0.97


def test_same_seed_same_weights_and_the_global_generator_stays(one_thread: None) -> None:
    how = Recipe(epochs=2, batch_size=16, noise=0.1, label_smoothing=0.1)
    states = []
    for seed in (0, 0, 1):
        module = torch.nn.Sequential(
            torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(16, 3)
        )
        for p in module.parameters():
            torch.nn.init.constant_(p, 0.1)
        before = torch.get_rng_state()
        train(module, toy(), how, seed=seed)
        assert torch.equal(before, torch.get_rng_state())
        states.append(module[0].weight.detach().clone())
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_the_test_split_is_not_needed() -> None:
    module = torch.nn.Linear(8, 3)
    result = train(module, toy(), Recipe(epochs=3, batch_size=8, peak_rate=0.05))
    assert result.reports[-1].loss < result.reports[0].loss
    only_test = replace(toy(), x_test=toy().x_train, y_test=toy().y_train, x_train=None, y_train=None)
    with pytest.raises(DataError, match="no train split"):
        train(module, only_test, Recipe(epochs=1))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (torch.nn.Linear(9, 3), r"does not take inputs of shape \(8,\)"),
        (torch.nn.Linear(8, 2), r"output has shape \(2,\); 3 classes"),
    ],
)
def test_a_network_that_does_not_fit_is_named(module: torch.nn.Module, message: str) -> None:
    with pytest.raises(ModelError, match=message) as error:
        train(module, toy(), Recipe(epochs=1))
    assert "\n" not in str(error.value)


def test_divergence_is_named() -> None:
    module = torch.nn.Linear(8, 3)
    torch.nn.init.constant_(module.bias, torch.inf)
    with pytest.raises(ModelError, match="training diverged in epoch 1"):
        train(module, toy(), Recipe(epochs=1))


def test_every_built_in_with_a_data_set_has_a_recipe() -> None:
    assert set(RECIPES) == {name for name in names() if data_set(name) is not None}
    with pytest.raises(ModelError, match="no training recipe for 'vgg16'"):
        recipe("vgg16")


@pytest.mark.parametrize("name", ["cifar10-cnn", "resnet20"])
def test_one_epoch_of_a_cifar_network(name: str, one_thread: None) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (24, 32, 32, 3), np.uint8)
    data = DataSet(
        "c", x, np.arange(24) % 10, None, None, 10, Preprocess("nhwc", 255.0, (0.5,), (0.25,), (3, 32, 32))
    )
    module = build(name, 0)
    result = train(module, data, replace(recipe(name), epochs=1, batch_size=12))
    assert np.isfinite(result.reports[0].loss)
    assert predict(module, x, data.preprocess).shape == (24, 10)
    assert input_shape(name) == data.preprocess.shape


@pytest.mark.parametrize(("layout", "sample"), [("nhwc", (6, 5, 3)), ("nchw", (3, 6, 5)), ("nchw", (6, 5))])
def test_augmented_images_are_windows_of_the_padded_ones(layout, sample: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(1, 256, (40, *sample), np.uint8)
    keep = x.copy()
    y = augment(x, "shift-flip", 2, layout, rng)
    assert np.array_equal(x, keep)
    rows = 1 if layout == "nhwc" or len(sample) == 2 else 2
    seen = set()
    for before, after in zip(x, y, strict=True):
        b, a = (np.moveaxis(v, (rows - 1, rows), (0, 1)) for v in (before, after))
        padded = np.pad(b, [(2, 2), (2, 2)] + [(0, 0)] * (b.ndim - 2))
        found = [
            (top, left, flip)
            for top in range(5)
            for left in range(5)
            for flip in (False, True)
            if np.array_equal(
                a,
                np.flip(padded[top : top + 6, left : left + 5], 1)
                if flip
                else padded[top : top + 6, left : left + 5],
            )
        ]
        assert found
        seen.add(found[0])
    assert len(seen) > 10


def test_feature_vectors_are_not_augmented() -> None:
    x = np.ones((4, 7), np.float32)
    assert augment(x, "shift", 1, "none", np.random.default_rng(0)) is x
