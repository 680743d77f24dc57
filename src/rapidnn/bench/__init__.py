"""Benchmarks of the simulator: our executors beside the float and int8 runtimes of the same machine."""

from rapidnn.bench.records import EngineMean, Row, Simulation
from rapidnn.bench.simulate import simulate

__all__ = ["EngineMean", "Row", "Simulation", "simulate"]
