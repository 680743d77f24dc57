"""A small run of the benchmark from end to end, and its parts. Nothing here asserts a time."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from rapidnn.bench import exact, workloads
from rapidnn.bench.artifacts import TABLES, check_factorised
from rapidnn.bench.engines import BASELINE, NAIVE, NAIVE_TABLES
from rapidnn.bench.records import Row, engine_means
from rapidnn.bench.store import Store
from rapidnn.cli import schemas
from rapidnn.errors import ComposeError, DataError
from rapidnn.execute.composed import load
from rapidnn.execute.native import kernel_path
from tests.cli.conftest import run_cli, run_json
from tests.cli.test_commands import check_schema

OURS = [*TABLES, NAIVE]
RIVALS = ["torch-float32", BASELINE, "onnxruntime-int8"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """JSON of one run on the smallest network, and its cache."""
    cache = tmp_path_factory.mktemp("cache")
    document = run_json(
        "bench", "simulate", "--network", "digits-cnn", "--batch", 1, "--batch", 3, "--threads", 2, "--rounds", 2,
        env={"RAPIDNN_CACHE": str(cache)},
    )  # fmt: skip
    return document, cache / "bench"


def artifacts(folder):
    return [load(path) for path in sorted(folder.glob("*.rapidnn"))]


def test_rows(run):
    document, _ = run
    check_schema(document)
    rows = document["result"]["rows"]
    assert [(row["batch"], row["engine"]) for row in rows] == [
        (batch, engine) for batch in (1, 3) for engine in [*TABLES, *RIVALS, NAIVE]
    ]
    macs = 64 * 16 * 9 + 64 * 32 * 16 * 9 + 512 * 64 + 64 * 10
    for row in rows:
        assert (row["network"], row["threads"]) == ("digits-cnn", 2)
        assert row["exact"] is (True if row["engine"] in OURS else None)
        assert row["reference_samples"] == (8 if row["engine"] in OURS else None)
        work = row["gmac_per_s"] * row["median_ms"] * 1e6
        assert work == pytest.approx(macs * row["batch"])
        if row["engine"] == BASELINE:
            assert row["ratio_to_ort_float32"] == 1
    assert document["result"]["kernels"] == kernel_path()


def test_means_are_geometric(run):
    result = run[0]["result"]
    for mean in result["means"]:
        ratios = [r["ratio_to_ort_float32"] for r in result["rows"] if r["engine"] == mean["engine"]]
        assert mean["rows"] == len(ratios) == 2
        assert mean["ratio_to_ort_float32"] == pytest.approx(np.prod(ratios) ** 0.5)
    row = Row("n", 1, 1, "e", 1.0, 1.0, 4.0, None, None, 1)
    other = Row("n", 1, 2, "e", 1.0, 1.0, 9.0, None, None, 1)
    assert [mean.ratio_to_ort_float32 for mean in engine_means([row, other])] == pytest.approx([4, 9])


def test_artifacts_are_what_their_engines_are_called(run):
    peaks = {}
    for composed in artifacts(run[1]):
        settings = composed.info["settings"]
        sums = [step for step in composed.program.steps if hasattr(step, "products")]
        peak = max(int(np.abs(step.products.astype(int)).max()) for step in sums)
        peaks[settings["weights"], settings["inputs"], settings["product_bits"]] = peak
        if settings["weights"] == 16 and settings["product_bits"] == 16:
            check_factorised(composed.program)
        else:
            with pytest.raises(ComposeError, match="not an outer product"):
                check_factorised(composed.program)
    assert set(peaks) == {(64, 64, 11), (64, 64, 16), (16, 16, 11), (16, 16, 16)}
    assert peaks[64, 64, 11] <= 1023
    assert peaks[16, 16, 11] <= 1023
    assert peaks[64, 64, 16] > 2**14


def test_a_second_run_builds_nothing(run):
    folder = run[1]
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(before) == 2 + 2 * len(TABLES)
    done = run_cli(
        "bench", "simulate", "--network", "digits-cnn", "--batch", 1, "--rounds", 1,
        env={"RAPIDNN_CACHE": str(folder.parent)}, check=0,
    )  # fmt: skip
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    for engine in OURS + RIVALS:
        assert engine in done.stdout


def test_a_wrong_integer_is_noticed(run):
    composed = artifacts(run[1])[0]
    x = workloads.inputs("digits-cnn", 8)
    found = composed.native().run(x, threads=1)

    def check(found, expected):
        return exact.agrees(composed, x, found, expected, 8, threads=1, factorised=False, slow_paths=True)

    assert check(found, found[:4])
    wrong = found.copy()
    wrong[3, 2] += 1
    assert not check(found, wrong[:4])
    wrong = found.copy()
    wrong[7, 0] -= 1
    assert not check(wrong, found[:4])


def test_schema_refuses_another_row(run):
    document = json.loads(json.dumps(run[0]))
    document["result"]["rows"][0]["exact"] = "yes"
    schema = json.loads((schemas.folder() / "bench-simulate.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_standard_rows():
    whole = workloads.chosen(None, None, quick=False)
    assert whole == {"mnist-mlp": (1, 64, 1024), "cifar10-cnn": (1, 128), "resnet20": (128,), "vgg16": (1,)}
    assert "vgg16" not in workloads.chosen(None, None, quick=True)
    assert workloads.chosen(["vgg16"], [2, 4, 2], quick=False) == {"vgg16": (2, 4)}


def test_inputs_begin_alike():
    assert (workloads.inputs("mnist-mlp", 20)[:8] == workloads.inputs("mnist-mlp", 8)).all()


def test_naive_runs_on_the_wide_codebooks():
    assert TABLES[NAIVE_TABLES].size == 64


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--network", "lenet"], ["--network 'lenet'", "mnist-mlp"]),
        (["--network", "vgg16", "--quick"], ["vgg16", "--quick"]),
        (["--batch", "0"], ["--batch 0", "at least 1"]),
        (["--batch", "many"], ["--batch", "valid integer"]),
        (["--threads", "0"], ["--threads 0", "at least 1"]),
        (["--rounds", "0"], ["--rounds 0", "at least 1"]),
        (["--reference-samples", "0"], ["--reference-samples 0", "at least 1"]),
    ],
)
def test_bad_options(arguments, words):
    done = run_cli("bench", "simulate", *arguments, check=2)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_unknown_kernels_are_refused(tmp_path):
    env = {"RAPIDNN_KERNELS": "mmx", "RAPIDNN_CACHE": str(tmp_path)}
    done = run_cli("bench", "simulate", "--network", "digits-cnn", env=env, check=2)
    assert "RAPIDNN_KERNELS=mmx" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_unwritable_cache(tmp_path):
    (tmp_path / "bench").write_text("in the way")
    with pytest.raises(DataError, match="RAPIDNN_CACHE"):
        Store(tmp_path / "bench").file(".txt", {}, (), lambda path: path.write_text("x"))


def test_a_file_is_named_by_all_that_decides_it(tmp_path):
    def build(path: Path) -> None:
        path.write_text("x")

    store = Store(tmp_path)
    names = {
        store.file(".txt", recipe, sources, build)
        for recipe in ({}, {"seed": 1}, {"seed": 2})
        for sources in ((), ("bench/store.py",), ("bench",))
    }
    assert len(names) == 9
    assert store.file(".txt", {"seed": 1}, ("bench",), build) in names


def test_a_failed_build_leaves_nothing(tmp_path):
    def build(path: Path) -> None:
        path.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Store(tmp_path).file(".txt", {}, (), build)
    assert list(tmp_path.iterdir()) == []
