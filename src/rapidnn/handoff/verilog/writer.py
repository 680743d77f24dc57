"""The RNA block's SystemVerilog, and a folder for each layer with its tables and test bench."""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError, ModelError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.handoff.records import Content
from rapidnn.handoff.support import refuse_host
from rapidnn.handoff.verilog.bench import bench_files
from rapidnn.handoff.verilog.layer import block_of, check_machine
from rapidnn.handoff.verilog.neurons import vectors_of
from rapidnn.handoff.verilog.synthesis import synthesis_files
from rapidnn.machine.pipeline import plan_layers
from rapidnn.machine.records import Hardware
from rapidnn.tables.program import Activate, Encode, Summing

NEURONS = 20
"""Neurons of each layer that its test bench runs."""
_SAMPLES = 20
_MAKEFILE = """\
# make iverilog, verilator, lint, synth or netlist, with LAYER=folder
LAYER ?= {first}
MEMORIES = rna_crossbar.sv rna_cells.sv rna_table.sv rna_store.sv
RTL = rna_block.sv rna_lanes.sv rna_counters.sv rna_search.sv $(MEMORIES)
SOURCES = $(RTL:%=../rtl/%) tb.sv
# a bench runs shorter than its compilation takes
QUICK = --output-split 0 -MAKEFLAGS "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0 VM_PARALLEL_BUILDS=0"

.PHONY: iverilog verilator lint synth netlist

iverilog:
\tcd $(LAYER) && iverilog -g2012 -s tb -o tb.vvp $(SOURCES)
\tcd $(LAYER) && vvp -N tb.vvp

verilator:
\tcd $(LAYER) && verilator --binary --timing --top-module tb -o tb $(QUICK) $(SOURCES) > build.log
\tcd $(LAYER) && ./obj_dir/tb

lint:
\tcd $(LAYER) && verilator --lint-only -Wall --timing --top-module tb $(SOURCES)

synth:
\tcd $(LAYER) && yosys -q -l synth.log synth.ys
\tcat $(LAYER)/cells.txt

# the bench again, on what synth made and behavioural memories
netlist: synth
\tcd $(LAYER) && iverilog -g2012 -DNETLIST -s tb -o net.vvp netlist.v $(MEMORIES:%=../rtl/%) tb.sv
\tcd $(LAYER) && vvp -N net.vvp
"""


def write_verilog(composed: ComposedNetwork, hardware: Hardware, x: NDArray[np.float32] | None) -> Content:
    """``rtl/``, ``Makefile``, and for each layer that accumulates ``NN_layer/``: ``tb.sv``, ``synth.ys``, hex files.

    Raises
    ------
    DataError
        Without inputs.
    ModelError
        If an operator runs on the host, or no layer has a block.
    HardwareError
        If the machine's blocks are not those of the Verilog, or cannot hold a layer.
    """
    program = composed.program
    refuse_host(program, "verilog")
    check_machine(hardware)
    if x is None or not len(x):
        raise DataError("--to verilog takes real inputs for its test benches; give --data, or x=")
    edges: dict[str, NDArray[np.generic]] = {}

    def keep(edge: str, values: NDArray[np.generic]) -> None:
        edges[edge] = values

    composed.run(x[:_SAMPLES], observe=keep)
    found: dict[str, str | bytes] = {}
    names: list[str] = []
    for layer in plan_layers(program):
        followers = [
            s for s in map(program.step.__getitem__, layer.steps[1:]) if isinstance(s, Encode | Activate)
        ]
        if not isinstance(program.step[layer.name], Summing) or len(followers) > 1:
            continue
        name = f"{len(names):02d}_" + re.sub(r"\W+", "_", layer.name, flags=re.ASCII)[:40]
        names.append(name)
        vectors = vectors_of(program, layer, edges, hardware, NEURONS)
        block = block_of(layer, vectors, hardware)
        made = block.files | bench_files(layer.name, block, vectors) | synthesis_files(block)
        found |= {f"{name}/{file}": text for file, text in made.items()}
    if not names:
        raise ModelError(
            "--to verilog has a block for layers that accumulate and are read out once; this network has none"
        )
    rtl = files("rapidnn") / "handoff" / "verilog" / "rtl"
    found |= {f"rtl/{item.name}": item.read_bytes() for item in rtl.iterdir() if item.name.endswith(".sv")}
    found["Makefile"] = _MAKEFILE.format(first=names[0])
    return Content(found)
