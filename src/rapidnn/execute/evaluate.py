"""How good a composed network is on labelled data, and how it compares with its float original."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.execute.composed import DEFAULT_BACKEND, ComposedNetwork

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 1024


@dataclass(frozen=True)
class Evaluation:
    """Top-1 accuracy of a composed network, 0 to 1.

    Fields after ``accuracy_stderr`` compare with the float network and are None where it is not at hand: ``loss`` is
    float minus composed accuracy, ``agreement`` the share of samples with equal top-1, ``sqnr_db`` the
    signal-to-noise ratio of the composed outputs about the float ones.
    """

    samples: int
    accuracy: float
    accuracy_stderr: float
    class_accuracy: tuple[float | None, ...]
    class_samples: tuple[int, ...]
    float_accuracy: float | None = None
    loss: float | None = None
    agreement: float | None = None
    sqnr_db: float | None = None

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from rapidnn.report.notebook import evaluation_html

        return evaluation_html(self)

    def to_json(self) -> dict[str, Any]:
        """The evaluation as plain JSON values."""
        from dataclasses import asdict

        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a class: samples and accuracy."""
        import pandas as pd

        return pd.DataFrame(
            {
                "class": range(len(self.class_samples)),
                "samples": self.class_samples,
                "accuracy": self.class_accuracy,
            }
        )


def evaluate(
    composed: ComposedNetwork,
    x: NDArray[Any],
    labels: NDArray[Any],
    *,
    float_outputs: NDArray[np.floating] | None = None,
    backend: str = DEFAULT_BACKEND,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Run raw data ``x`` (the network's ``preprocess`` is applied) bit-true and compare with integer labels ``(N,)``.

    Parameters
    ----------
    float_outputs
        The float network's outputs ``(N, classes)`` for the same samples, for the comparison.
    backend, device
        As in a call of the network.

    Raises
    ------
    DataError
        If samples and labels differ in number, there are none, the network does not end in one score per class, or a
        label has no score.
    """
    outputs = composed_outputs(composed, x, backend=backend, device=device, progress=progress)
    return compare_outputs(outputs, labels, float_outputs)


def composed_outputs(
    composed: ComposedNetwork,
    x: NDArray[Any],
    *,
    backend: str = DEFAULT_BACKEND,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """float32 outputs for raw data, preprocessed and run a piece at a time."""
    composed.preprocess.check(x)
    parts = []
    for start in range(0, len(x), _CHUNK):
        batch = composed.preprocess.apply(x[start : start + _CHUNK])
        parts.append(composed(batch, backend=backend, device=device))
        if progress is not None:
            progress(min(start + _CHUNK, len(x)), len(x))
    return np.concatenate(parts) if parts else np.zeros((0, *composed.program.output_shape), np.float32)


def compare_outputs(
    outputs: NDArray[np.floating],
    labels: NDArray[Any],
    float_outputs: NDArray[np.floating] | None = None,
) -> Evaluation:
    """Accuracy of scores ``(N, classes)``; the same arguments and errors as :func:`evaluate`."""
    if outputs.ndim != 2:
        raise DataError(
            f"the network's outputs have shape {outputs.shape[1:]}; accuracy needs one score per class"
        )
    if len(outputs) != len(labels) or len(labels) == 0:
        raise DataError(f"{len(outputs)} samples but {len(labels)} labels; both must be equal and at least 1")
    if float_outputs is not None and float_outputs.shape != outputs.shape:
        raise DataError(
            f"the float network's outputs have shape {float_outputs.shape}, the composed one's {outputs.shape}; "
            f"compare with the network the artifact was made of"
        )
    if labels.dtype.kind not in "ui":
        raise DataError(f"labels are of type {labels.dtype}; integers from 0 are expected")
    classes = outputs.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"labels run from {labels.min()} to {labels.max()}, but the network has {classes} outputs; "
            f"they must be 0 to {classes - 1}"
        )
    chosen = outputs.argmax(axis=1)
    right = chosen == labels
    counts = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[right], minlength=classes)
    accuracy = float(right.mean())
    float_accuracy = agreement = sqnr = None
    if float_outputs is not None:
        float_chosen = float_outputs.argmax(axis=1)
        float_accuracy = float((float_chosen == labels).mean())
        agreement = float((float_chosen == chosen).mean())
        sqnr = _sqnr_db(float_outputs, outputs)
    return Evaluation(
        samples=len(labels),
        accuracy=accuracy,
        accuracy_stderr=float(np.sqrt(accuracy * (1 - accuracy) / len(labels))),
        class_accuracy=tuple(float(h / n) if n else None for h, n in zip(hits, counts, strict=True)),
        class_samples=tuple(counts.tolist()),
        float_accuracy=float_accuracy,
        loss=None if float_accuracy is None else float_accuracy - accuracy,
        agreement=agreement,
        sqnr_db=sqnr,
    )


def _sqnr_db(signal: NDArray[np.floating], noisy: NDArray[np.floating]) -> float | None:
    """10 log10 of signal over noise power; None where one of them is zero."""
    wide = signal.astype(np.float64)
    noise = float(((noisy - wide) ** 2).sum())
    power = float((wide**2).sum())
    return 10 * float(np.log10(power / noise)) if noise > 0 and power > 0 else None
