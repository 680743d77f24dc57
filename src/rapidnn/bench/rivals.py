"""The runtimes we are measured against: PyTorch and ONNX Runtime on the same network and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.bench.store import Store
from rapidnn.bench.workloads import SEED
from rapidnn.frontends.quiet import quiet

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[np.float32]
INPUT = "x"

SOURCES = ("networks", "bench/workloads.py", "bench/rivals.py")
"""What decides the models' content."""


def onnx_file(store: Store, network: str, module: nn.Module, sample: Array) -> Path:
    """The network as an ONNX file with a free batch, weights inside."""

    def build(path: Path) -> None:
        import torch

        with quiet():
            torch.onnx.export(
                module,
                (torch.tensor(sample[:1].repeat(2, axis=0)),),  # a batch of 1 would be taken for fixed
                path,
                dynamo=True,
                verbose=False,
                input_names=[INPUT],
                output_names=["y"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                external_data=False,
            )

    return store.file(".onnx", {"what": "onnx", "network": network, "seed": SEED}, SOURCES, build)


def int8_file(store: Store, network: str, float_file: Path, calibration: Array) -> Path:
    """The network with static QDQ quantisation: unsigned 8-bit activations, signed 8-bit weights per tensor.

    Minimum and maximum over ``calibration`` set the ranges.
    """
    recipe = {"what": "onnx-int8", "network": network, "seed": SEED, "calibration": len(calibration)}
    return store.file(".onnx", recipe, SOURCES, partial(_quantise, float_file, calibration))


def _quantise(float_file: Path, calibration: Array, target: Path) -> None:
    from onnxruntime import quantization as quant
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quant.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            self.left: Iterator[Array] = iter(np.split(calibration, len(calibration)))

        def get_next(self) -> dict[str, Array] | None:
            batch = next(self.left, None)
            return None if batch is None else {INPUT: batch}

    prepared = target.with_name(target.name + ".prepared.onnx")
    try:
        with quiet():
            quant_pre_process(str(float_file), str(prepared))
            quant.quantize_static(
                str(prepared),
                str(target),
                Reader(),
                quant_format=quant.QuantFormat.QDQ,
                activation_type=quant.QuantType.QUInt8,
                weight_type=quant.QuantType.QInt8,
                per_channel=False,
            )
    finally:
        prepared.unlink(missing_ok=True)


def onnxruntime_session(path: Path, threads: int) -> Any:
    """A CPU session with all optimisations.

    Its threads stop spinning when a run ends: they would otherwise slow down the engine timed next.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def onnxruntime_call(session: Any, x: Array) -> Callable[[], object]:
    """Run one batch through a session."""
    return partial(session.run, None, {INPUT: x})


def torch_call(module: nn.Module, x: Array) -> Callable[[], object]:
    """Run one batch through the module, without gradients, on as many threads as torch is set to."""
    import torch

    batch = torch.from_numpy(x)

    def call() -> object:
        with torch.inference_mode():
            return module(batch)

    return call
