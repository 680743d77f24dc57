"""An export's folder is whole or absent, and never takes other people's files with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import rapidnn
from rapidnn.errors import DataError, ModelError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.handoff import folder as folders
from rapidnn.handoff.export import KINDS
from tests.handoff.networks import mlp


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def mark(*files):
    return json.dumps({"rapidnn": "0", "kind": "c", "files": files})


def test_an_earlier_export_is_replaced_and_own_files_stay(tmp_path):
    out = tmp_path / "deep" / "out"
    folders.write_folder(out, {"old.c": "1", folders.MARK: mark("old.c")})
    (out / "mine.c").write_text("kept")
    (out / "notes").mkdir()
    (out / "notes" / "today.md").write_text("kept too")
    export = rapidnn.export(mlp()[0], "c", out)
    assert names(out) == sorted([*export.files, "mine.c", "notes"])
    assert (out / "notes" / "today.md").read_text() == "kept too"
    assert (out / "mine.c").read_text() == "kept"
    assert names(tmp_path / "deep") == ["out"]
    made = json.loads((out / "export.json").read_text())
    assert (made["kind"], made["input_shape"], made["output_shape"]) == ("c", [23], [5])
    assert export.files_bytes == sum((out / name).stat().st_size for name in export.files)


def test_other_folders_and_files_are_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    for target in (tmp_path, tmp_path / "thesis.tex", tmp_path / "thesis.tex" / "out"):
        with pytest.raises(DataError, match=str(target)):
            rapidnn.export(mlp()[0], "c", target)
    assert names(tmp_path) == ["thesis.tex"]


def test_a_folder_that_holds_the_artifact_is_refused(tmp_path):
    folders.write_folder(tmp_path / "out", {folders.MARK: mark()})
    with pytest.raises(DataError, match="holds the artifact"):
        folders.check_folder(tmp_path / "out", tmp_path / "out" / "net.rapidnn")


def test_a_failed_write_leaves_the_old_folder(tmp_path, monkeypatch):
    folders.write_folder(tmp_path / "out", {folders.MARK: mark("a"), "a": "1"})

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(DataError, match="No space left on device"):
        folders.write_folder(tmp_path / "out", {folders.MARK: mark("a"), "a": "2"})
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "a").read_text() == "1"


def test_unknown_kind(tmp_path):
    with pytest.raises(DataError, match="'vhdl' is unknown; available: c, onnx"):
        rapidnn.export(mlp()[0], "vhdl", tmp_path / "out")


@pytest.mark.parametrize(
    "text", ["{}", "[]", "null", "nonsense", '{"files": ["thesis.tex"]}', '{"rapidnn": 1}']
)
def test_another_tools_export_json_is_not_ours(tmp_path, text):
    (tmp_path / "export.json").write_text(text)
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(DataError, match="holds other files"):
        rapidnn.export(mlp()[0], "c", tmp_path)
    assert names(tmp_path) == ["export.json", "thesis.tex"]


@pytest.mark.parametrize("moment", [0, 1])
def test_an_interruption_leaves_the_old_folder(tmp_path, monkeypatch, moment):
    """At the first and at the second of the two renames."""
    out = tmp_path / "out"
    folders.write_folder(out, {folders.MARK: mark("a"), "a": "1"})
    (out / "mine.c").write_text("kept")
    renames = []
    rename = Path.rename

    def interrupted(path, target):
        renames.append(path)
        if len(renames) == moment + 1:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        folders.write_folder(out, {folders.MARK: mark("a"), "a": "2"})
    assert names(tmp_path) == ["out"]
    assert names(out) == ["a", "export.json", "mine.c"]
    assert (out / "a").read_text() == "1"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "dangling").symlink_to(tmp_path / "later")
    for name in ("link", "link", "dangling"):
        rapidnn.export(mlp()[0], "c", tmp_path / name)
    assert names(tmp_path) == ["dangling", "later", "link", "real"]
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "export.json").is_file()
    assert (tmp_path / "later" / "export.json").is_file()


def test_places_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (".", "..", tmp_path):
        with pytest.raises(DataError, match="holds the current folder"):
            rapidnn.export(mlp()[0], "c", place)
    with pytest.raises(DataError, match=r"cannot be written .*too long"):
        rapidnn.export(mlp()[0], "c", tmp_path / ("n" * 300))
    with pytest.raises(DataError, match=r"cannot be written .*null"):
        rapidnn.export(mlp()[0], "c", "out\0")
    assert not names(tmp_path)


def test_any_name_of_a_network_makes_files(tmp_path):
    composed, _ = mlp()
    for number, name in enumerate(["../../etc/passwd", "n" * 400, "\ud800", "*/ x", "", "CON", "a\nb"]):
        odd = ComposedNetwork(composed.program, composed.preprocess, {"network": name})
        for kind in KINDS:
            if kind != "verilog":
                export = rapidnn.export(odd, kind, tmp_path / f"{number}-{kind}")
                assert all(len(file) < 120 for file in export.files)
    assert len(names(tmp_path)) == 7 * (len(KINDS) - 1)


def test_a_missing_package_is_named_and_other_kinds_do_without_it(tmp_path):
    mlp()[0].save(tmp_path / "net.rapidnn")
    code = """if True:
        import sys
        sys.modules["onnx"] = None
        import rapidnn
        net = rapidnn.load("net.rapidnn")
        for kind in ("c", "torch", "memory-image", "onnx"):
            rapidnn.export(net, kind, kind)"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    message = "--to onnx needs onnx, which cannot be imported; pip install 'rapidnn[compose]'"
    assert message in done.stderr.splitlines()[-1]
    assert names(tmp_path) == ["c", "memory-image", "net.rapidnn", "torch"]


def test_overrides_without_hardware_are_refused(tmp_path):
    with pytest.raises(DataError, match="--to c depends on no hardware"):
        rapidnn.export(mlp()[0], "c", tmp_path / "out", overrides={"am.rows": 8})


def test_a_network_too_large_for_a_model_file(tmp_path, monkeypatch):
    from rapidnn.handoff.onnx import builder

    monkeypatch.setattr(builder, "LARGEST", 100)
    with pytest.raises(ModelError, match="a model file holds 2 GiB; use --to c"):
        rapidnn.export(mlp()[0], "onnx", tmp_path / "out")
    assert not names(tmp_path)


@pytest.mark.parametrize("kind", ["c", "onnx", "torch", "memory-image"])
def test_equal_artifacts_give_equal_bytes(tmp_path, kind):
    """The same artifact gives the same bytes, whatever was exported before."""
    first = rapidnn.export(mlp()[0], kind, tmp_path / "a")
    rapidnn.export(mlp()[0], "c", tmp_path / "b")
    rapidnn.export(mlp()[0], kind, tmp_path / "b")
    assert names(tmp_path / "b") == names(tmp_path / "a")
    for name in first.files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
