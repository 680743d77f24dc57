"""What the in-memory machine costs: hardware descriptions, counted statistics, and the macro model."""

from rapidnn.machine.cost import Comparison, Cost, LayerCost, PeakPoint
from rapidnn.machine.description import hardware_names, load_hardware
from rapidnn.machine.estimate import estimate_program
from rapidnn.machine.records import Hardware
from rapidnn.machine.statistics import ProgramStatistics, StatisticsCollector, StepStatistics

__all__ = [
    "Comparison",
    "Cost",
    "Hardware",
    "LayerCost",
    "PeakPoint",
    "ProgramStatistics",
    "StatisticsCollector",
    "StepStatistics",
    "estimate_program",
    "hardware_names",
    "load_hardware",
]
