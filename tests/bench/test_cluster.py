"""A small run of the clustering benchmark from end to end, and its parts. Nothing here asserts a time."""

import numpy as np
import pytest

from rapidnn import _native
from rapidnn.bench import cluster as bench
from rapidnn.bench.cluster_data import Truth, vgg16_points, weights
from rapidnn.bench.cluster_engines import ENGINES, LIMITS, OURS
from tests.cli.conftest import run_cli, run_json
from tests.cli.test_commands import check_schema


@pytest.fixture(scope="module")
def document():
    return run_json("bench", "cluster", "--points", 3000, "--size", 8, "--weights", "outlier")


def test_rows(document):
    check_schema(document)
    result = document["result"]
    absent = [left["engine"] for left in result["left_out"]]
    assert [row["engine"] for row in result["rows"]] == [engine for engine in LIMITS if engine not in absent]
    for row in result["rows"]:
        assert (row["workload"], row["points"], row["k"]) == ("outlier", 3000, 8)
        assert row["sse_ratio"] >= 1 - 1e-9
        assert row["seconds"] > 0
        assert (row["encode_seconds"] is not None) == (row["engine"] == OURS)
        if row["engine"] != "scikit-learn":
            assert row["sse_ratio"] <= 1.001


def test_engines_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(bench, "find_spec", lambda module: None if module == "kmeans1d" else object())
    present, left_out = bench._engines()
    assert present == [OURS, "scikit-learn"]
    assert [left.engine for left in left_out] == ["kmeans1d"]
    assert "pip install kmeans1d" in left_out[0].reason


def test_engines_find_ascending_centers():
    x = next(weights("normal", 5000))
    optimum = Truth.of(x).optimum(5)
    for engine in bench._engines()[0]:
        centers = ENGINES[engine](x, 5)
        assert centers.shape == (5,)
        assert (np.diff(centers) > 0).all()
        assert optimum * (1 - 1e-9) <= Truth.of(x).error(centers) < 1.2 * optimum


def test_bins_judge_as_the_values_do():
    x = next(weights("outlier", 140_000))
    truth = Truth.of(x)
    values, counts = np.unique(x.astype(np.float64), return_counts=True)
    exact = Truth(values, counts.astype(np.float64))
    assert len(truth.values) < len(values)
    centers = _native.kmeans(values, counts.astype(np.float64), 16, False)[0]
    assert np.isclose(truth.error(centers), exact.error(centers), rtol=1e-5)
    assert truth.optimum(16) <= exact.error(centers) * (1 + 1e-5)


def test_workloads():
    assert vgg16_points() == 138_357_544 - (4224 + 4096 + 4096 + 1000)
    plain, outlier = next(weights("normal", 1000)), next(weights("outlier", 1000))
    assert (plain != outlier).sum() == 1
    assert np.isclose(np.abs(outlier).max(), 300 * np.abs(plain).max())
    first = next(weights("vgg16", 0))
    assert first.shape == (64, 27)


def test_quick_is_small(monkeypatch):
    asked = []
    monkeypatch.setattr(bench, "_rows", lambda *row: asked.append(row[:4]) or [])
    bench.cluster(quick=True)
    assert max(points for _, points, _, _ in asked) == 1_000_000
    assert {workload for workload, *_ in asked} == {"normal", "outlier"}
    assert all(engines == [OURS] for _, points, _, engines in asked if points > 100_000 * 4)
    asked.clear()
    bench.cluster()
    assert ("vgg16", vgg16_points(), 64, [OURS]) in asked
    assert ("outlier", 16_000_000, 64, [OURS]) in asked


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--points", "10"], "--points 10"),
        (["--size", "1"], "--size 1"),
        (["--size", "300"], "--size 300"),
        (["--weights", "uniform"], "normal, outlier, vgg16"),
    ],
)
def test_bad_options(arguments, word):
    done = run_cli("bench", "cluster", *arguments, check=2)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert word in done.stderr
