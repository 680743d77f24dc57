"""Energy that the machine at hand reads off itself: RAPL for processors, NVML for NVIDIA's GPUs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows RAPL: one folder a zone, ``energy_uj`` counts up and wraps at ``max_energy_range_uj``."""


@dataclass(frozen=True)
class EnergyCounter:
    """``joules()`` counts up from any start; ``source`` says what is read, or why nothing can be."""

    source: str
    read: Callable[[], dict[str, int]] | None
    wraps: dict[str, int]
    joules_a_unit: float

    def between(self, before: dict[str, int], after: dict[str, int]) -> float:
        """Joules from one reading to the next, each counter having wrapped at most once."""
        units = 0
        for name, start in before.items():
            moved = after[name] - start
            units += moved if moved >= 0 else moved + self.wraps.get(name, 0)
        return units * self.joules_a_unit


def processor_counter(folder: Path = POWERCAP) -> EnergyCounter:
    """RAPL's packages (``intel-rapl:0`` and so on; AMD's are named alike), without the zones inside them.

    Nothing can be read in most virtual machines, and elsewhere only as root.
    """
    zones = [z for z in sorted(folder.glob("intel-rapl:*")) if z.name.count(":") == 1]
    packages = [z for z in zones if _text(z / "name").startswith("package")]
    if not packages:
        return EnergyCounter("unknown: the platform shows no RAPL package counters", None, {}, 1e-6)
    if any(not _text(z / "energy_uj") for z in packages):
        return EnergyCounter("unknown: RAPL's energy_uj may not be read by this user", None, {}, 1e-6)
    wraps = {z.name: int(_text(z / "max_energy_range_uj") or 0) for z in packages}
    return EnergyCounter(
        f"RAPL, {len(packages)} package(s), all that runs on them included",
        lambda: {z.name: int(_text(z / "energy_uj")) for z in packages},
        wraps,
        1e-6,
    )


def gpu_counter(index: int = 0, library: Any = None) -> EnergyCounter:
    """NVML's total energy of a GPU, in mJ since the driver was loaded (Volta and later)."""
    try:
        nvml = library or ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return EnergyCounter("unknown: NVML is not installed", None, {}, 1e-3)
    handle = ctypes.c_void_p()
    total = ctypes.c_ulonglong()
    if nvml.nvmlInit_v2() or nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
        return EnergyCounter("unknown: NVML does not show the GPU", None, {}, 1e-3)
    if nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(total)):
        return EnergyCounter("unknown: the GPU counts no energy", None, {}, 1e-3)

    def read() -> dict[str, int]:
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(total))
        return {"gpu": int(total.value)}

    return EnergyCounter("NVML, the whole board", read, {}, 1e-3)


def _text(path: Path) -> str:
    """A counter's text, empty where it cannot be read."""
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""
