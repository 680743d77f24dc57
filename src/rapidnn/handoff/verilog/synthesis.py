"""The script that synthesises one layer's block."""

from __future__ import annotations

from rapidnn.handoff.verilog.layer import Block

MEMORIES = ("rna_crossbar", "rna_store", "rna_table")
"""Modules that stay black boxes."""
_LOGIC = ("rna_search", "rna_counters", "rna_lanes", "rna_block")
_SCRIPT = """\
# yosys synth.ys: the block in generic gates and flip-flops, its memories as black boxes; figures in cells.txt
read_verilog -sv -lib {memories}
# arrays that are no black box are registers
read_verilog -sv -mem2reg {logic}
chparam {parameters} rna_block
synth -flatten -top rna_block
check -assert
rename -top rna_block
tee -o cells.txt stat
write_verilog -noattr netlist.v
"""


def synthesis_files(block: Block) -> dict[str, str]:
    """``synth.ys``, to be run in the layer's folder."""
    script = _SCRIPT.format(
        memories=" ".join(f"../rtl/{name}.sv" for name in MEMORIES),
        logic=" ".join(f"../rtl/{name}.sv" for name in _LOGIC),
        parameters=" ".join(f"-set {name} {value}" for name, value in block.parameters.items()),
    )
    return {"synth.ys": script}
