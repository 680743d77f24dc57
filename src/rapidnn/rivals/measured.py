"""The machine at hand as a rival: real time, and energy where it can be read, of the float network."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.rivals.counters import EnergyCounter, gpu_counter, processor_counter

if TYPE_CHECKING:
    from torch import nn

STREAM_BATCH = 64
"""Inputs of a batch in a stream, as for the GPUs' rooflines."""
ROUNDS, ROUNDS_S = 5, 0.5
"""A call is timed so often at least, and for so long."""
LONG_S = 0.5
"""A batch is repeated for this long while energy is read: RAPL is renewed about every millisecond, NVML every 0.1 s."""


@dataclass(frozen=True)
class MeasuredMachine:
    """The float network in real time: ``latency_ns`` of one input alone, throughput in batches of ``batch``.

    ``energy_pj`` of one input in a stream, and the gain from it, are None where ``energy_source`` says unknown. The
    gains say how many times better our machine (one set of chips that holds the network) is than this whole machine,
    in float32 and whatever their areas. One thread and all cores are tried, the faster counts; a machine that is busy
    with other work measures slower.
    """

    machine: str
    runtime: str
    precision: str
    threads: int
    batch: int
    latency_ns: float
    throughput_per_s: float
    energy_pj: float | None
    energy_source: str
    speed_gain: float
    latency_gain: float
    energy_gain: float | None

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return asdict(self)


def measure(
    model: nn.Module | Path,
    x: NDArray[np.float32],
    *,
    latency_ns: float,
    interval_ns: float,
    energy_pj: float,
) -> MeasuredMachine:
    """Run a float network on the GPU if torch sees one, else on the CPU; an ONNX file runs in ONNX Runtime on the CPU.

    Parameters
    ----------
    model
        A PyTorch module in eval mode, or an ONNX file. Its weights do not matter for the time.
    x
        Preprocessed inputs ``(N, *input_shape)``, repeated to fill a batch.
    latency_ns, interval_ns, energy_pj
        Our machine's figures, which the gains compare with.
    """
    batch = x[np.arange(STREAM_BATCH) % len(x)]
    runner = _onnx_runner(model) if isinstance(model, Path) else _torch_runner(model)
    one, many = runner.call(batch[:1]), runner.call(batch)
    alone = min(_seconds(one, threads) for threads in runner.threads)
    seconds = {threads: _seconds(many, threads) for threads in runner.threads}
    fastest = min(seconds, key=lambda threads: seconds[threads])
    stream = seconds[fastest] / STREAM_BATCH
    joules = _joules(many, fastest, runner.counter)
    energy = None if joules is None else joules / STREAM_BATCH * 1e12
    return MeasuredMachine(
        machine=runner.machine,
        runtime=runner.runtime,
        precision="float32",
        threads=fastest,
        batch=STREAM_BATCH,
        latency_ns=alone * 1e9,
        throughput_per_s=1 / stream,
        energy_pj=energy,
        energy_source=runner.counter.source,
        speed_gain=stream * 1e9 / interval_ns,
        latency_gain=alone * 1e9 / latency_ns,
        energy_gain=None if energy is None else energy / energy_pj,
    )


@dataclass(frozen=True)
class _Runner:
    machine: str
    runtime: str
    threads: tuple[int, ...]
    counter: EnergyCounter
    call: Callable[[NDArray[np.float32]], Callable[[int], object]]
    """For inputs, what runs them on a number of threads."""


def _torch_runner(module: nn.Module) -> _Runner:
    import torch

    on_gpu = torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    module = module.eval().to(device)

    def call(x: NDArray[np.float32]) -> Callable[[int], object]:
        batch = torch.from_numpy(np.ascontiguousarray(x)).to(device)

        def run(threads: int) -> object:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            with torch.inference_mode():
                result = module(batch)
            if on_gpu:
                torch.cuda.synchronize()
            return result

        return run

    machine = torch.cuda.get_device_name(0) if on_gpu else processor_name()
    counter = gpu_counter() if on_gpu else processor_counter()
    threads = (torch.get_num_threads(),) if on_gpu else _thread_choices()
    return _Runner(machine, f"torch {torch.__version__}", threads, counter, call)


def _onnx_runner(path: Path) -> _Runner:
    import onnxruntime

    sessions: dict[int, Any] = {}
    for threads in _thread_choices():
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.force_spinning_stop", "1")
        sessions[threads] = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    described = next(iter(sessions.values())).get_inputs()[0]
    fixed = described.shape[0] if isinstance(described.shape[0], int) else None

    def call(x: NDArray[np.float32]) -> Callable[[int], object]:
        size = fixed or len(x)
        whole = x[np.arange(-(-len(x) // size) * size) % len(x)]
        parts = np.split(whole, len(whole) // size)

        def run(threads: int) -> object:
            return [sessions[threads].run(None, {described.name: part}) for part in parts]

        return run

    runtime = f"onnxruntime {onnxruntime.__version__}"
    return _Runner(processor_name(), runtime, tuple(sessions), processor_counter(), call)


def _thread_choices() -> tuple[int, ...]:
    """One thread, and all cores: small networks, and busy machines, are faster with one."""
    return tuple(dict.fromkeys((1, os.cpu_count() or 1)))


def processor_name() -> str:
    """The processor as the system names it."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _seconds(call: Callable[[int], object], threads: int) -> float:
    """Median seconds of a call, after one that warms up."""
    call(threads)
    found: list[float] = []
    while len(found) < ROUNDS or sum(found) < ROUNDS_S:
        start = time.perf_counter()
        call(threads)
        found.append(time.perf_counter() - start)
    return median(found)


def _joules(call: Callable[[int], object], threads: int, counter: EnergyCounter) -> float | None:
    """Mean joules of a call, repeated long enough for the counter."""
    if counter.read is None:
        return None
    before, start, calls = counter.read(), time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - start < LONG_S:
        call(threads)
        calls += 1
    return counter.between(before, counter.read()) / calls
