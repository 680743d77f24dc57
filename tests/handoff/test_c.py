"""The C export computes the reference's integers, without multiplication and floating point."""

import tempfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import rapidnn
from rapidnn.errors import ModelError
from rapidnn.handoff.c.packing import pack_rows
from rapidnn.handoff.c.writer import float_keys
from rapidnn.tables.program import Window
from tests.execute.programs import convolution, network
from tests.handoff import compilers
from tests.handoff.networks import digits, hosted, mlp, reference, tabled

pytestmark = compilers.needs_gcc


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(tabled())
def test_random_networks(made):
    composed, x = made
    with tempfile.TemporaryDirectory() as folder:
        export = rapidnn.export(composed, "c", f"{folder}/net")
        found = compilers.run(compilers.build(export, "-O0", *compilers.SANITIZED), composed, x)
    assert (found == reference(composed, x)).all()


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(tabled())
def test_random_networks_optimised(made):
    composed, x = made
    with tempfile.TemporaryDirectory() as folder:
        export = rapidnn.export(composed, "c", f"{folder}/net")
        assert (compilers.run(compilers.build(export, "-O2"), composed, x) == reference(composed, x)).all()
        for level in ("-O2", "-Os"):
            mnemonics, undefined = compilers.assembly(export, compilers.GCC, level)
            assert not compilers.forbidden(mnemonics)
            assert undefined <= {"_GLOBAL_OFFSET_TABLE_"}


def test_digits(tmp_path):
    composed, x = digits()
    export = rapidnn.export(composed, "c", tmp_path / "out")
    assert (compilers.run(compilers.build(export, "-O2"), composed, x) == reference(composed, x)).all()
    codes = sum(s.weight_codes.size for s in composed.program.steps if hasattr(s, "weight_codes"))
    assert codes / 2 < export.flash_bytes < codes / 2 + 8192
    assert 0 < export.ram_bytes < 8192


def test_nan_is_refused(tmp_path):
    composed, x = digits()
    program = compilers.build(rapidnn.export(composed, "c", tmp_path / "out"), "-O2")
    x = x[:1].copy()
    x.flat[3] = np.nan
    with pytest.raises(Exception, match="exit status 1"):
        compilers.run(program, composed, x)


@compilers.needs_objdump
@pytest.mark.parametrize("level", ["-O1", "-O2", "-O3", "-Os"])
def test_no_multiplication_on_x86(tmp_path, level):
    composed, _ = digits()
    export = rapidnn.export(composed, "c", tmp_path / "out")
    mnemonics, undefined = compilers.assembly(export, compilers.GCC, level)
    assert "mov" in mnemonics
    assert not compilers.forbidden(mnemonics)
    assert undefined <= {"_GLOBAL_OFFSET_TABLE_"}


@compilers.needs_riscv
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_no_helper_on_rv32i(tmp_path, level):
    composed, _ = digits()
    export = rapidnn.export(composed, "c", tmp_path / "out")
    options = (level, "-march=rv32i", "-mabi=ilp32", "-ffreestanding")
    mnemonics, undefined = compilers.assembly(export, compilers.RISCV, *options)
    assert "lw" in mnemonics
    assert not compilers.forbidden(mnemonics)
    assert not undefined


@compilers.needs_riscv
@compilers.needs_qemu
@pytest.mark.parametrize("make", [digits, mlp])
def test_rv32i_runs_it(tmp_path, make):
    composed, x = make()
    export = rapidnn.export(composed, "c", tmp_path / "out")
    assert (compilers.run_riscv(export, composed, x[:20]) == reference(composed, x[:20])).all()


def test_the_check_sees_multiplication(tmp_path):
    composed, _ = digits()
    export = rapidnn.export(composed, "c", tmp_path / "out")
    source = tmp_path / "out" / f"{compilers.name_of(export)}.c"
    source.write_text(
        source.read_text() + "int m(int, int);\nint m(int a, int b)\n{ return a * b; }\n"
        "float f(float);\nfloat f(float a)\n{ return a + 1.0f; }\n"
    )
    mnemonics, _ = compilers.assembly(export, compilers.GCC, "-O2")
    assert {"imul", "addss"} <= compilers.forbidden(mnemonics)


def test_host_operators_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"step '\w+' \(LayerNorm\) runs on the host"):
        rapidnn.export(hosted(), "c", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_keys_order_floats():
    values = np.array([-np.inf, -3.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, 1.0000001, np.inf], np.float32)
    keys = float_keys(values)
    bits = values.view(np.int32)
    own = np.where(bits < 0, -1 - (bits & 0x7FFFFFFF), bits)  # the C side
    assert ((own[:, np.newaxis] > keys) == (values[:, np.newaxis] > values)).all()


@pytest.mark.parametrize("bits", range(1, 9))
def test_packing(bits):
    codes = np.random.default_rng(bits).integers(0, 1 << bits, (3, 13), dtype=np.uint8)
    packed = pack_rows(codes, bits)
    assert packed.shape == (3, -(-13 * bits // 8))
    for row, whole in zip(packed, codes, strict=True):
        word = int.from_bytes(row.tobytes(), "little")
        assert [word >> bits * k & (1 << bits) - 1 for k in range(13)] == whole.tolist()


def test_padding_that_no_window_reaches(tmp_path):
    # Five columns and one of padding; windows of columns 0 and 2, 2 and 4.
    window = Window((1, 2), (1, 2), ((0, 0), (0, 1)), (1, 2))
    program = convolution((2, 3, 5), 3, window, bits=16, products=None)
    x = np.random.default_rng(0).normal(size=(20, 2, 3, 5)).astype(np.float32)
    export = rapidnn.export(network(program), "c", tmp_path / "out")
    assert "inside" not in (tmp_path / "out" / f"{compilers.name_of(export)}.c").read_text()
    assert (
        compilers.run(compilers.build(export, "-O2"), network(program), x) == reference(network(program), x)
    ).all()
