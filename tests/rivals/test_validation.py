"""Rivals against what their own papers report of each other; docs/rivals.md gives the reasons for the gaps."""

from __future__ import annotations

from statistics import geometric_mean

import pytest

from rapidnn.rivals import dadiannao, isaac
from rapidnn.rivals.description import DaDianNao, Isaac, load_rival
from rapidnn.rivals.machines import rival
from rapidnn.rivals.work import LayerWork, Workload

PLANS = {
    "A": (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0),
    "B": (64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0),
    "D": (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0),
    "E": (64, 64, 0, 128, 128, 0, *(256,) * 4, 0, *(512,) * 4, 0, *(512,) * 4, 0),
}
"""Simonyan and Zisserman, table 1: channels of the 3 x 3 convolutions, 0 for a pool."""


def vgg(plan):
    layers, channels, size = [], 3, 224
    for index, wanted in enumerate(plan):
        if not wanted:
            size //= 2
            continue
        area = size * size
        layers.append(
            LayerWork(f"c{index}", 9 * channels, wanted, 1, area, channels * area, wanted * area, 2 / size)
        )
        channels = wanted
    for name, taps, outputs in (("f1", 25088, 4096), ("f2", 4096, 4096), ("f3", 4096, 1000)):
        layers.append(LayerWork(name, taps, outputs, 1, 1, taps, outputs, 1.0))
    return Workload(tuple(layers))


def gains(better, worse, chips):
    pairs = [
        (rival(better).estimate(w, chips), rival(worse).estimate(w, chips)) for w in map(vgg, PLANS.values())
    ]
    speed = geometric_mean([other.interval_ns / one.interval_ns for one, other in pairs])
    return speed, geometric_mean([other.energy_pj / one.energy_pj for one, other in pairs])


def test_vgg_d_is_the_size_it_is_known_for():
    work = vgg(PLANS["D"])
    assert work.weights == 138_357_544 - 13_416  # without biases
    assert work.macs == pytest.approx(15.47e9, rel=1e-3)


def test_isaac_over_dadiannao():
    speed, energy = gains("isaac", "dadiannao", 16)
    peaks = [
        isaac.peak(load_rival("isaac", Isaac)),
        dadiannao.peak(load_rival("dadiannao", DaDianNao)),
    ]
    # 14.8 and 5.5 are claimed. The published tables cannot give more than their peaks do: stalls are DaDianNao's own.
    assert speed < peaks[0][0] / peaks[1][0] < 14.8
    assert energy < peaks[0][2] / peaks[1][2] < 5.5
    assert speed / 14.8 == pytest.approx(0.36, abs=0.02)
    assert energy / 5.5 == pytest.approx(0.38, abs=0.02)


def test_pipelayer_over_the_gtx_1080():
    speed, energy = gains("pipelayer", "gtx1080", None)
    # 33.85 and 7.88 are claimed, over networks in Caffe; a roofline has no software in it.
    assert speed / 33.85 == pytest.approx(0.09, abs=0.01)
    assert energy / 7.88 == pytest.approx(0.35, abs=0.02)
    assert energy < 142.9 / (8873 / 180)
