"""An export's folder is whole or absent, and never takes other people's files with it."""

import json

import pytest

import rapidnn
from rapidnn.errors import DataError
from rapidnn.handoff import folder as folders
from tests.handoff.networks import mlp


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_earlier_export_is_replaced_and_own_files_stay(tmp_path):
    out = tmp_path / "deep" / "out"
    folders.write_folder(out, {"old.c": "1", folders.MARK: json.dumps({"files": ["old.c"]})})
    (out / "mine.c").write_text("kept")
    export = rapidnn.export(mlp()[0], "c", out)
    assert names(out) == sorted([*export.files, "mine.c"])
    assert (out / "mine.c").read_text() == "kept"
    assert names(tmp_path / "deep") == ["out"]
    mark = json.loads((out / "export.json").read_text())
    assert (mark["kind"], mark["input_shape"], mark["output_shape"]) == ("c", [23], [5])
    assert export.files_bytes == sum((out / name).stat().st_size for name in export.files)


def test_other_folders_and_files_are_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    for target in (tmp_path, tmp_path / "thesis.tex", tmp_path / "thesis.tex" / "out"):
        with pytest.raises(DataError, match=str(target)):
            rapidnn.export(mlp()[0], "c", target)
    assert names(tmp_path) == ["thesis.tex"]


def test_a_folder_that_holds_the_artifact_is_refused(tmp_path):
    folders.write_folder(tmp_path / "out", {folders.MARK: "{}"})
    with pytest.raises(DataError, match="holds the artifact"):
        folders.check_folder(tmp_path / "out", tmp_path / "out" / "net.rapidnn")


def test_a_failed_write_leaves_the_old_folder(tmp_path, monkeypatch):
    folders.write_folder(tmp_path / "out", {folders.MARK: "{}", "a": "1"})

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(DataError, match="No space left on device"):
        folders.write_folder(tmp_path / "out", {folders.MARK: "{}", "a": "2"})
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "a").read_text() == "1"


def test_unknown_kind(tmp_path):
    with pytest.raises(DataError, match="'vhdl' is unknown; available: c, onnx"):
        rapidnn.export(mlp()[0], "vhdl", tmp_path / "out")
