"""Simulators and other tools that an exported Verilog folder goes through, by its own Makefile."""

import shutil
import subprocess

import pytest


def needs(tool):
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


needs_verilator, needs_iverilog, needs_yosys = map(needs, ("verilator", "iverilog", "yosys"))


def folders(folder):
    """Names of the layers' folders."""
    return sorted(path.name for path in folder.iterdir() if (path / "tb.sv").is_file())


def make(folder, target, layer):
    """``(exit status, all that was printed)`` of one of the Makefile's targets."""
    done = subprocess.run(
        ["make", target, f"LAYER={layer}"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def passes(folder, target, layer, count=20):
    """Hold one layer's bench to the integers and cycles of all its neurons."""
    status, printed = make(folder, target, layer)
    assert status == 0, f"{layer}: {printed[-6000:]}"
    assert f"PASS {count} neurons" in printed, f"{layer}: {printed[-6000:]}"


def lints(folder, layer):
    """Hold one layer's block and bench to no warning at all."""
    status, printed = make(folder, "lint", layer)
    assert status == 0, f"{layer}: {printed[-6000:]}"
    assert "%Warning" not in printed, f"{layer}: {printed[-6000:]}"
