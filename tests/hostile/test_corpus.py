"""Every loader against a small corpus, the same at every run; the campaign is ``benchmarks/fuzz.py``."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import rapidnn
from rapidnn import untrusted
from rapidnn.data import load_data
from rapidnn.data.npz import load_npz
from rapidnn.errors import ArtifactError, DataError, HardwareError
from rapidnn.machine import ProgramStatistics, load_hardware
from rapidnn.networks.weights import read_weights

ROOT = Path(__file__).parents[2]
CHEAP = (
    "statistics", "npz", "npy-header", "weights", "image-png", "image-jpeg", "image-gif", "image-tiff", "image-bmp",
    "gzip", "lzw", "artifact", "artifact-document", "artifact-tensors", "hardware", "journal",
)  # fmt: skip


def run(names, seed, count):
    # In a process of its own: memory is limited there, and a crash is a failure, not the end of the tests.
    code = "import sys; from tests.hostile.campaign import many; a = sys.argv; "
    code += "sys.exit(many(a[1].split(','), int(a[2]), int(a[3])))"
    done = subprocess.run(
        [sys.executable, "-c", code, ",".join(names), str(seed), str(count)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["inputs"] for row in rows] == [count] * len(names)


def test_a_small_corpus():
    run(CHEAP, 0, 80)
    run(["command-line"], 0, 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CHEAP, "command-line", "onnx"])
def test_a_larger_corpus(name):
    run([name], 1, 1500)


def test_an_archive_bomb_is_refused_by_its_declared_size(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, inputs=np.zeros((10_000, 1000), np.uint8), labels=np.zeros(10_000, np.int64))
    assert path.stat().st_size < 100_000
    monkeypatch.setenv("RAPIDNN_LIMIT_BYTES", "1000000")
    with pytest.raises(
        DataError, match="unpack to 10080256 bytes, over the limit of 1000000; RAPIDNN_LIMIT_BYTES"
    ):
        load_npz(path)
    monkeypatch.setenv("RAPIDNN_LIMIT_BYTES", "much")
    with pytest.raises(DataError, match="expected a positive number of bytes"):
        load_npz(path)


def archive(path, header, body=b"", **how):
    with zipfile.ZipFile(path, "w") as made:
        text = header.encode()
        made.writestr("inputs.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body)
    return path


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 100000), }", "an array of shape"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "an array of shape"),
        ("{'descr': '|V0', 'fortran_order': False, 'shape': (2000000000,), }", "an array of shape"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", "Python objects"),
        ("__import__('os').system('touch hacked')", "malformed node"),
        ("(" * 900, "not a readable .npz"),
        ("{'descr': '<f8'", "not a readable .npz"),
    ],
)
def test_hostile_headers(tmp_path, header, message):
    with pytest.raises(DataError, match=message):
        load_npz(archive(tmp_path / "h.npz", header))


def test_encrypted_and_unknown_compression(tmp_path):
    path = tmp_path / "e.npz"
    np.savez(path, inputs=np.ones((2, 2)), labels=np.array([0, 1]))
    whole = path.read_bytes()
    for value in (b"\x01\x00\x00\x00", b"\x00\x00\x63\x00"):
        data = bytearray(whole)
        at = data.find(b"PK\x01\x02") + 8
        data[at : at + 4] = value
        path.write_bytes(bytes(data))
        with pytest.raises(DataError, match=r"not a readable \.npz"):
            load_npz(path)


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    from PIL import Image

    folder = tmp_path / "a"
    folder.mkdir()
    Image.new("L", (3000, 3000)).save(folder / "p.png")
    monkeypatch.setenv("RAPIDNN_LIMIT_BYTES", "100000")
    with pytest.raises(DataError, match="the images unpack to over 100000 bytes"):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [x]\nb: *a\n", "aliases"),
        ("[" * 200 + "]" * 200, "nested too deeply"),
        ("a: 2001-99-99", "not valid YAML: month must be in 1..12"),
        ("a: !!python/object/apply:os.system ['touch hacked']", "could not determine a constructor"),
        ("a: !!float x", "not valid YAML"),
        ("a: " + "1" * 6000, "not valid YAML"),
    ],
)
def test_hostile_yaml(tmp_path, text, message):
    path = tmp_path / "h.yaml"
    path.write_text(text)
    with pytest.raises(HardwareError, match=message) as caught:
        load_hardware(path)
    assert "\n" not in str(caught.value)
    assert not Path("hacked").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "not JSON"),
        ("1" * 10_000, "not JSON"),
        ('{"format": NaN}', "NaN is no number"),
        ('{"format": 1e999}', "not finite"),
        ('{"format": 1}', "missing 'steps'"),
        ("\ufeff{}", "not JSON"),
    ],
)
def test_hostile_statistics(tmp_path, text, message):
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        ProgramStatistics.load(path)


@pytest.mark.parametrize(
    "info",
    [{"data": 5}, {"seed": -1}, {"seed": "x"}, {"calibration_samples": 1.5}, {"calibration_samples": True}],
)
def test_hostile_records_of_the_making(tmp_path, info):
    from tests.execute.programs import dense, network

    composed = network(dense(3, 2, bits=16, products=None))
    path = tmp_path / "a.rapidnn"
    composed.info.update(info)
    composed.save(path)
    with pytest.raises(ArtifactError, match="info: "):
        rapidnn.load(path)


def test_statistics_that_contradict_themselves():
    row = {"step": "a", "sampled": 2, "observed": 2, "addends": [[1, 2]], "digits_sum": 0, "table_rows_sum": 0,
           "corrections_sum": 0, "occupied_sum": 0, "taps_sum": 0, "group_taps_sum": []}  # fmt: skip
    assert ProgramStatistics.from_json({"format": 1, "steps": [row]}).steps["a"].sampled == 2
    for change in (
        {"sampled": 3}, {"observed": 1}, {"addends": [[1, 1], [1, 1]]}, {"digits_sum": -1}, {"taps_sum": 1.5},
        {"step": 5}, {"more": 1}, {"sampled": 0, "addends": []}, {"taps_sum": 2**70}, {"addends": 7},
    ):  # fmt: skip
        with pytest.raises(DataError, match="damaged"):
            ProgramStatistics.from_json({"format": 1, "steps": [row | change]})


def test_long_text_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "MOST_TEXT_BYTES", 100)
    path = tmp_path / "s.json"
    path.write_text(" " * 101)
    with pytest.raises(DataError, match="it has more than"):
        ProgramStatistics.load(path)


def test_messages_stay_short(tmp_path):
    long = tmp_path / "long.yaml"
    long.write_text("name: n\nrna: " + "x" * 10_000)
    with pytest.raises(HardwareError) as caught:
        load_hardware(long)
    assert len(str(caught.value)) < 600
    assert len(untrusted.one_line("x\n" * 10**6)) < 400
    assert untrusted.one_line("a\x00b\nc") == "a b c"
    assert untrusted.one_line(ValueError()) == "ValueError"
    path = tmp_path / "a.rapidnn"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(ArtifactError):
        rapidnn.load(path)


def test_weights_as_npz(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, a=np.ones((2, 3), np.float32))
    assert read_weights(path)["a"].shape == (2, 3)
    stream = io.BytesIO()
    np.savez(stream, a=np.array(["x"]))
    path.write_bytes(stream.getvalue())
    with pytest.raises(rapidnn.RapidnnError, match="cannot be read"):
        read_weights(path)
