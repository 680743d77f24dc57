"""A memory image, read back by a loader that knows nothing but its files, computes the reference's integers."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import rapidnn
from rapidnn.errors import HardwareError, ModelError
from tests.handoff.image_loader import Image
from tests.handoff.networks import digits, hosted, mlp, reference, tabled

ROOMY = {"am.rows": 256, "rna.rows": 8192}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(tabled())
def test_random_networks(tmp_path_factory, made):
    composed, x = made
    folder = tmp_path_factory.mktemp("image") / "out"
    rapidnn.export(composed, "memory-image", folder, overrides=ROOMY)
    assert (Image(folder).run(x) == reference(composed, x)).all()


@pytest.mark.parametrize("shared", [1, 3])
@pytest.mark.parametrize("make", [digits, mlp])
def test_real_networks(tmp_path, make, shared):
    composed, x = make()
    rapidnn.export(composed, "memory-image", tmp_path / "out", overrides={"rna.neurons_per_block": shared})
    assert (Image(tmp_path / "out").run(x) == reference(composed, x)).all()


def test_blocks_follow_the_machine(tmp_path):
    composed, _ = mlp()
    rapidnn.export(
        composed,
        "memory-image",
        tmp_path / "out",
        overrides={"rna.neurons_per_block": 3, "chip.blocks_per_tile": 4, "chip.tiles": 2},
    )
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    blocks = manifest["blocks"]
    assert [block["block"] for block in blocks] == list(range(1 + 7 + 4 + 2))
    assert [block["channels"] for block in blocks] == [1, *[3] * 6, 1, *[3] * 3, 2, 3, 2]
    assert [(block["chip"], block["tile"]) for block in blocks] == [(n // 8, n % 8 // 4) for n in range(14)]


def test_refusals(tmp_path):
    with pytest.raises(ModelError, match="runs on the host"):
        rapidnn.export(hosted(), "memory-image", tmp_path / "out")
    with pytest.raises(HardwareError, match="no hardware is named"):
        rapidnn.export(mlp()[0], "memory-image", tmp_path / "out", hardware="abacus")
    assert not list(tmp_path.iterdir())


def test_words_are_as_wide_as_they_say(tmp_path):
    export = rapidnn.export(mlp()[0], "memory-image", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    for block in manifest["blocks"]:
        for ref in block["tables"].values():
            assert ref["file"] in export.files
            lines = (tmp_path / "out" / ref["file"]).read_text().split()
            assert ref["first"] + np.prod(ref["shape"]) <= len(lines)
            assert {len(line) for line in lines} == {-(-ref["bits"] // 4)}
            assert max(int(line, 16) for line in lines) >> ref["bits"] == 0
