"""The composed network as its user holds it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.data.preprocess import Preprocess
from rapidnn.errors import ArtifactError, DataError
from rapidnn.execute.host import run_host, shape_op
from rapidnn.execute.inputs import as_array, check_input
from rapidnn.execute.native import NativeNetwork, supports
from rapidnn.execute.reference import Edge, Observer, run_reference
from rapidnn.execute.vectorised import run_vectorised
from rapidnn.frames import frame
from rapidnn.tables.artifact import Artifact, load_artifact, save_artifact
from rapidnn.tables.levels import bits
from rapidnn.tables.override import with_products
from rapidnn.tables.program import Program
from rapidnn.untrusted import one_line

if TYPE_CHECKING:
    import pandas as pd

    from rapidnn.execute.torch_backend import TorchNetwork

Executor = Callable[[NDArray[Any]], Edge]
Progress = Callable[[int, int], None]
BACKENDS = ("cpu", "numpy", "reference", "torch")
DEFAULT_BACKEND = "cpu"

_EDGE_BYTES = 64 << 20
_MAX_BATCH = 1024
_NATIVE_BATCH = 4096


class ComposedNetwork:
    """A network as tables: call it for float32 outputs, bit-true.

    Attributes
    ----------
    program
        The tables and the order of steps.
    preprocess
        How raw data-set arrays become the network's input; calling the network does not apply it.
    info
        What is known of its making: settings, source, calibration (JSON).
    levels
        The programs of a tree's coarser levels, by the bits of their codes; empty for flat codebooks.
    """

    def __init__(
        self,
        program: Program,
        preprocess: Preprocess,
        info: Mapping[str, Any],
        levels: Mapping[int, Program] | None = None,
    ) -> None:
        self.program = program
        self.preprocess = preprocess
        self.info = dict(info)
        self.levels = dict(levels or {})
        self._native: NativeNetwork | None = None
        self._torch: dict[str, TorchNetwork] = {}

    def __repr__(self) -> str:
        return (
            f"ComposedNetwork({self.info.get('network', 'network')!s}: {self.program.input_shape} -> "
            f"{self.program.output_shape}, {len(self.program.steps)} steps)"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from rapidnn.report.notebook import network_html

        return network_html(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a layer (`rapidnn.report.facts.LayerFacts`)."""
        from rapidnn.report import facts

        return frame(facts.layers(self.program), "name")

    def __call__(
        self,
        x: Any,
        *,
        backend: str = DEFAULT_BACKEND,
        device: str | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Outputs for a batch.

        Parameters
        ----------
        x
            Array or tensor ``(N, *input_shape)``, preprocessed, used as float32.
        backend
            ``"cpu"`` (native kernels; operators on the host go through ``"numpy"``), ``"numpy"`` (portable),
            ``"reference"`` (the definition, slow) or ``"torch"`` (tensor operations); the integers are the same.
        device
            Of the torch backend, as torch names it: ``"cpu"`` (the default), ``"cuda"``, ``"cuda:1"``.
        threads
            Threads of the native kernels, default all cores; the result does not depend on it.
        progress
            Called with the samples done and the samples there are.

        Returns
        -------
        float32 ``(N, *output_shape)``: ``float32(float64(acc) * scale)``.

        Raises
        ------
        DataError
            On an unknown backend, a device that is not there, another shape, or NaN.
        """
        return self.real(self.run(x, backend=backend, device=device, threads=threads, progress=progress))

    def accumulators(
        self,
        x: Any,
        *,
        backend: str = DEFAULT_BACKEND,
        device: str | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.int32]:
        """The last layer's integers, int32 ``(N, *output_shape)``: equal on every backend. Arguments as in a call.

        A network that ends in codes (a max pool, say) gives their codebook integers.

        Raises
        ------
        DataError
            As a call; and if the network ends on the host, which has no integers.
        """
        if self.program.ends_on_host:
            raise DataError(
                "the network ends in an operator that runs on the host; it has no last-layer integers"
            )
        return self.run(x, backend=backend, device=device, threads=threads, progress=progress)

    def run(
        self,
        x: Any,
        *,
        backend: str = DEFAULT_BACKEND,
        device: str | None = None,
        threads: int | None = None,
        observe: Observer | None = None,
        progress: Progress | None = None,
    ) -> NDArray[Any]:
        """The result before scaling: int32, or float32 where the network ends on the host.

        ``observe`` sees every edge of every batch (the native kernels keep edges to themselves, so ``"numpy"`` serves
        it); the rest is as in a call.
        """
        if threads is not None and (type(threads) is not int or threads < 1):
            raise DataError(f"threads={threads!r}: expected a positive integer")
        if backend not in BACKENDS:
            raise DataError(f"backend {backend!r} is unknown; available: {', '.join(BACKENDS)}")
        if device is not None and backend != "torch":
            raise DataError(f"device {device!r} belongs to the backend 'torch'; backend {backend!r} has none")
        array = as_array(x)
        if array.ndim == 0 or len(array) == 0:
            check_input(self.program, array)
            kind = np.float32 if self.program.ends_on_host else np.int32
            return np.zeros((0, *self.program.output_shape), kind)
        execute, size = self._executor(backend, device, threads, observe)
        parts = []
        for start in range(0, len(array), size):
            batch = check_input(self.program, array[start : start + size])
            parts.append(self._finish(execute(batch)))
            if progress is not None:
                progress(min(start + size, len(array)), len(array))
        return np.concatenate(parts)

    def real(self, result: NDArray[Any]) -> NDArray[np.float32]:
        """The float32 outputs that a result of :meth:`run` stands for, a softmax at the end included."""
        if self.program.ends_on_host:
            return np.asarray(result, np.float32)
        outputs = (result * self.output_scales()).astype(np.float32)
        return outputs if self.program.host_tail is None else run_host(self.program.host_tail, [outputs])

    def at_level(self, level: int) -> ComposedNetwork:
        """The network turned down to codes of ``level`` bits (SPEC section 1, tree codebooks).

        Raises
        ------
        DataError
            If the network has no such level.
        """
        finest = max(bits(group.size) for group in self.program.groups)
        if level == finest:
            return self
        if level not in self.levels:
            available = ", ".join(map(str, sorted({*self.levels, finest})))
            hint = "" if self.levels else "; compose with tree=True for more"
            raise DataError(f"level {level!r}: the network has levels of {available} bits{hint}")
        return ComposedNetwork(self.levels[level], self.preprocess, self.info | {"level": level})

    def native(self) -> NativeNetwork:
        """The program packed for the native kernels; packed at the first use."""
        if self._native is None:
            self._native = NativeNetwork(self.program)
        return self._native

    def torch(self, device: str | None = None) -> TorchNetwork:
        """The program's tables on a torch device, put there at the first use.

        Raises
        ------
        DataError
            If torch is not installed, or there is no such device.
        """
        name = "cpu" if device is None else device
        if name not in self._torch:
            try:
                from rapidnn.execute.torch_backend import TorchNetwork
            except ImportError as error:
                raise DataError(
                    f"backend 'torch' needs PyTorch, which cannot be imported ({error}); install torch, or use "
                    f"backend {DEFAULT_BACKEND!r}"
                ) from None
            self._torch[name] = TorchNetwork(self.program, name)
        return self._torch[name]

    def with_products(self, products: Mapping[str, NDArray[np.integer]]) -> ComposedNetwork:
        """This network with other product tables, such as a damaged crossbar's; the rest is shared.

        Parameters
        ----------
        products
            By layer (a weighted sum's name): integers ``(O, w, u)``, one table per output channel whatever the
            granularity, or ``(w, u)`` for all; anything that fits ``product_bits`` bits.

        Raises
        ------
        DataError
            If a layer has no product tables, an array does not fit, or a sum could reach 2**31.
        """
        return ComposedNetwork(with_products(self.program, products), self.preprocess, self.info)

    def batch_size(self) -> int:
        """Samples that NumPy runs at once, so that the largest edge stays within 64 MiB."""
        largest = 4 * max(math.prod(shape) for shape in self.program.shapes.values())
        return max(1, min(_MAX_BATCH, _EDGE_BYTES // largest))

    def save(self, path: str | Path) -> None:
        """Write the artifact atomically; raises ArtifactError where the file cannot be written."""
        save_artifact(Artifact(self.program, self.preprocess.to_json(), self.info, self.levels), path)

    def _executor(
        self, backend: str, device: str | None, threads: int | None, observe: Observer | None
    ) -> tuple[Executor, int]:
        """What runs a batch, and how many samples it takes at once."""
        program = self.program
        if backend == "cpu" and observe is None and supports(program):
            native, count = self.native(), threads or os.cpu_count() or 1
            return lambda batch: native.run(batch, threads=count), _NATIVE_BATCH
        if backend == "torch":
            network = self.torch(device)
            return lambda batch: network.run(batch, observe), self.batch_size()
        run = run_reference if backend == "reference" else run_vectorised
        return lambda batch: run(program, batch, observe), self.batch_size()

    def _finish(self, result: Edge) -> NDArray[Any]:
        if self.program.output in self.program.group_of:
            result = self.program.group_of[self.program.output].values[result]
        return np.ascontiguousarray(self._through_tail(result))

    def output_scales(self) -> NDArray[np.float64]:
        """The real value of one unit at every place of the output; broadcasts against a batch."""
        output = self.program.output
        if output in self.program.group_of:
            return np.array(self.program.group_of[output].scale)
        per_unit = self.program.acc_scales(output)
        if len(per_unit) == 1:
            return np.array(per_unit[0])
        scales = np.broadcast_to(per_unit[self.program.unit_index(output)], self.program.shapes[output])
        return self._through_tail(scales[np.newaxis])

    def _through_tail(self, values: NDArray[Any]) -> NDArray[Any]:
        for op in self.program.tail:
            values = shape_op(op, values)
        return values


def load(path: str | Path) -> ComposedNetwork:
    """Read a composed network from its artifact.

    Raises
    ------
    ArtifactError
        If the file is missing, damaged, foreign, or of another format version.
    """
    artifact = load_artifact(path)
    try:
        preprocess = Preprocess.from_json(dict(artifact.preprocess))
    except DataError as error:
        raise ArtifactError(f"{path}: {one_line(error)}") from None
    return ComposedNetwork(artifact.program, preprocess, artifact.info, artifact.levels)
