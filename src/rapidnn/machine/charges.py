"""Energy of a layer for one input: its neurons, and what lies around their blocks."""

from __future__ import annotations

from rapidnn.machine.chip import Floor, link_bits
from rapidnn.machine.edges import FLOAT_BITS, code_bits
from rapidnn.machine.ledger import Ledger
from rapidnn.machine.readout import pool_search
from rapidnn.machine.residency import layer_reload
from rapidnn.tables.program import Program


def layer_ledger(program: Program, floor: Floor, index: int) -> Ledger:
    """Everything that one input makes a layer read, move and write."""
    ledger = floor.stages[index].cost.energy * floor.stages[index].cost.layer.neurons
    _charge_delivery(ledger, floor, index)
    _charge_results(ledger, floor, index)
    _charge_reloads(ledger, floor, index)
    layer, link = floor.stages[index].cost.layer, floor.hardware.link.pj_per_bit.value
    ledger.charge("host_link", layer.float_elements * FLOAT_BITS, link)
    return ledger.charge("link", layer_link_bits(program, floor, index), link)


def layer_link_bits(program: Program, floor: Floor, index: int) -> float:
    """Bits that cross between chips to reach a layer."""
    if floor.chips == 1:
        return 0.0
    home = {step: i for i, stage in enumerate(floor.stages) for step in stage.cost.layer.steps}
    return link_bits(program, floor, home, index)


def _charge_delivery(ledger: Ledger, floor: Floor, index: int) -> None:
    stage, hardware = floor.stages[index], floor.hardware
    layer, wire = stage.cost.layer, hardware.wire.pj_per_bit_mm.value
    stream_bits = floor.streams(index) * stage.cost.stream_bits
    ledger.charge("input_codes", stream_bits, hardware.buffer.read_pj_32b.value / 32)
    ledger.charge("broadcast", stream_bits, wire * floor.stream_mm(index))
    direct_bits: float = sum(code_bits(size) for size in layer.residual_sizes)
    direct_bits += layer.lookup.code_bits if layer.lookup else 0.0
    ledger.charge("broadcast", direct_bits * layer.neurons, wire * floor.half_side_mm(index))


def _charge_results(ledger: Ledger, floor: Floor, index: int) -> None:
    """Codes or results to the buffer, over half the layer's side, and the max pools of codes."""
    layer, hardware = floor.stages[index].cost.layer, floor.hardware
    write = hardware.buffer.write_pj_32b.value / 32
    wire = hardware.wire.pj_per_bit_mm.value * floor.half_side_mm(index)
    for readout in layer.readouts:
        bits = readout.out_bits * layer.neurons
        ledger.charge("code_output", bits, wire, action="moved")
        ledger.charge("code_output", bits, write, action="written")
    for pool in layer.pools:
        found = pool_search(hardware, pool)
        ledger.charge("max_pool", (found.bits - pool.bits) * pool.windows, pj=found.energy_pj * pool.windows)
        loaded = 1 if hardware.am.search.value == "digital" else 1 + pool.taps
        ledger.charge("max_pool", loaded * pool.bits * pool.windows, action="written")


def _charge_reloads(ledger: Ledger, floor: Floor, index: int) -> None:
    """Tables that do not fit: of one channel, per neuron; of an AM, per input; of a whole layer, per batch."""
    stage, hardware = floor.stages[index], floor.hardware
    placement, crossbar = stage.placement, hardware.crossbar
    cell_read, cell_write = crossbar.read_pj_32b.value / 32, crossbar.write_pj_32b.value / 32
    wire = hardware.wire.pj_per_bit_mm.value * floor.half_side_mm(index)
    again = placement.reload_bits * stage.cost.layer.neurons
    ledger.charge("reload", again, hardware.buffer.read_pj_32b.value / 32)
    ledger.charge("reload", again, wire, action="moved")
    ledger.charge("reload", again, cell_write, action="written")
    loaded = placement.am_loads * placement.am_load_bits * floor.blocks(index)
    ledger.charge("reload", loaded, cell_read)
    ledger.charge("reload", loaded, hardware.am.sram_write_pj_16b.value / 16, action="written")
    share, reload = 1 / hardware.chip.batch.value, layer_reload(floor, index)
    ledger.charge("reload", share * reload.bits, hardware.memory.read_pj_32b.value / 32)
    ledger.charge("reload", share * reload.written_bits, wire, action="moved")
    ledger.charge("reload", share * reload.written_bits, cell_write, action="written")
