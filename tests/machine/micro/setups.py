"""Machines and neurons for the tests of the executed block."""

from hypothesis import strategies as st

from rapidnn.machine import load_hardware
from rapidnn.machine.micro.programmes import ADDERS, COMPRESSORS

MACHINES = st.fixed_dictionaries(
    {
        "delivery.mode": st.sampled_from(["broadcast", "gather"]),
        "delivery.width": st.sampled_from([1, 3]),
        "delivery.fill_width": st.sampled_from([1, 16]),
        "counters.resident": st.sampled_from([5, 16, 256]),
        "rna.shift_interconnect": st.booleans(),
        "rna.copy_parallel": st.sampled_from([1, 4, 100]),
        "rna.copy_cycles": st.sampled_from([1, 2]),
        "rna.read_cycles": st.sampled_from([1, 2]),
        "rna.max_lanes": st.sampled_from([1, 2, 3, 5, 1024]),
        "rna.columns": st.sampled_from([64, 200, 1024]),
        "rna.rows": st.just(1 << 14),
        "rna.partitions": st.sampled_from([1, 3]),
        "rna.addend_rows": st.sampled_from([0, 7, 11, 30]),
        "am.search": st.sampled_from(["digital", "cam"]),
        "am.cam_stage_bits": st.sampled_from([1, 3, 8]),
        "adder": st.sampled_from(sorted(ADDERS)),
        "compressor": st.sampled_from(sorted(COMPRESSORS)),
    }
)
"""Overrides of a description, and the names of the two programmes."""


def machine(overrides):
    """The default machine with overrides; ``adder`` and ``compressor`` may name any programme there is."""
    fields = {key: value for key, value in overrides.items() if "." in key}
    hardware = load_hardware("rapidnn-hpca20", fields)
    adder = hardware.rna.adder.model_copy(update={"value": overrides.get("adder", "magic-12n1")})
    compressor = hardware.rna.compressor.model_copy(update={"value": overrides.get("compressor", "magic-13")})
    gates = hardware.cell.gates.model_copy(update={"value": ["NOR", "NOR3"]})
    return hardware.model_copy(
        update={
            "rna": hardware.rna.model_copy(update={"adder": adder, "compressor": compressor}),
            "cell": hardware.cell.model_copy(update={"gates": gates}),
        }
    )
