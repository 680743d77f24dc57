"""Digits, MNIST and CIFAR-10 networks leave through every door and come back bit-equal on real inputs."""

import pytest

import rapidnn
from tests.handoff import compilers
from tests.handoff.built_in import NAMES, built_in
from tests.handoff.image_loader import Image
from tests.handoff.sessions import run_onnx
from tests.handoff.torch_module import check_equal, load

pytestmark = pytest.mark.slow


@compilers.needs_gcc
@pytest.mark.parametrize("name", NAMES)
def test_c(tmp_path, name):
    composed, x = built_in(name)
    export = rapidnn.export(composed, "c", tmp_path / "out")
    assert (compilers.run(compilers.build(export, "-O2"), composed, x) == composed.run(x)).all()
    mnemonics, _ = compilers.assembly(export, compilers.GCC, "-O2")
    assert not compilers.forbidden(mnemonics)
    if name == "mnist-mlp":
        assert export.flash_bytes < 340 * 1024  # 350 KiB with room for the code


@compilers.needs_riscv
@compilers.needs_qemu
@pytest.mark.parametrize("name", NAMES)
def test_c_on_rv32i(tmp_path, name):
    composed, x = built_in(name)
    export = rapidnn.export(composed, "c", tmp_path / "out")
    assert (compilers.run_riscv(export, composed, x) == composed.run(x)).all()


@pytest.mark.parametrize("name", NAMES)
def test_onnx(tmp_path, name):
    composed, x = built_in(name)
    accumulators, outputs = run_onnx(rapidnn.export(composed, "onnx", tmp_path / "out"), x)
    assert (accumulators == composed.run(x)).all()
    assert (outputs == composed(x)).all()


@pytest.mark.parametrize("name", NAMES)
def test_memory_image(tmp_path, name):
    composed, x = built_in(name)
    rapidnn.export(composed, "memory-image", tmp_path / "out")
    assert (Image(tmp_path / "out").run(x) == composed.run(x)).all()


@pytest.mark.parametrize("name", NAMES)
def test_torch(tmp_path, name):
    composed, x = built_in(name)
    check_equal(load(rapidnn.export(composed, "torch", tmp_path / "out")), composed, x)
