"""Eyeriss (JSSC 2017): a systolic-like array whose utilisation is known from the networks it was measured on."""

from __future__ import annotations

from rapidnn.rivals.cost import EnergyTerm, RivalCost, Stage
from rapidnn.rivals.description import Eyeriss
from rapidnn.rivals.work import Workload


def estimate_eyeriss(machine: Eyeriss, work: Workload, chips: int | None = None) -> RivalCost:
    """One Eyeriss chip (or several, each with inputs of its own); weights come from DRAM.

    Layers run one after another at the measured share of the peak; DRAM is charged by the measured accesses a MAC.
    """
    chips = chips or 1
    rate = machine.elements.value * machine.clock_mhz.value / 1000 * machine.utilisation.value
    times = [layer.macs / rate for layer in work.layers]
    terms = []
    for layer, time in zip(work.layers, times, strict=True):
        core = ("core_mw", "clock_mhz", "elements", "utilisation")
        terms.append(EnergyTerm(layer.name, "core", time, "ns", machine.core_mw.value, core))
        accesses = layer.macs * machine.dram_per_mac.value
        terms.append(
            EnergyTerm(
                layer.name, "dram", accesses, "accesses", machine.dram_pj.value, ("dram_per_mac", "dram_pj")
            )
        )
    total = sum(times)
    return RivalCost(
        machine=machine.name,
        precision=f"{machine.weight_bits.value}-bit fixed point",
        chips=chips,
        network_copies=chips,
        area_mm2=chips * machine.chip_mm2.value,
        node_nm=machine.node.value,
        latency_ns=total,
        interval_ns=total / chips,
        macs=work.macs,
        stages=tuple(
            Stage(layer.name, 1, chips, time) for layer, time in zip(work.layers, times, strict=True)
        ),
        terms=tuple(terms),
        validated=machine.validated,
        notes=("measured on convolutions only; dense layers are taken at the same utilisation",),
    )
