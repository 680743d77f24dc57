"""What the in-memory machine costs: hardware descriptions, counted statistics, and the macro model."""

from rapidnn.machine.audit import AuditRow
from rapidnn.machine.cost import Comparison, Cost, LayerCost, PeakPoint
from rapidnn.machine.description import cell_names, hardware_names, load_hardware
from rapidnn.machine.estimate import estimate_program
from rapidnn.machine.records import Hardware
from rapidnn.machine.statistics import ProgramStatistics, StatisticsCollector, StepStatistics
from rapidnn.machine.topdown import TwoWays

__all__ = [
    "AuditRow",
    "Comparison",
    "Cost",
    "Hardware",
    "LayerCost",
    "PeakPoint",
    "ProgramStatistics",
    "StatisticsCollector",
    "StepStatistics",
    "TwoWays",
    "cell_names",
    "estimate_program",
    "hardware_names",
    "load_hardware",
]
