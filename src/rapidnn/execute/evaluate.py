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

    Figures are added up batch by batch, so that memory does not grow with the samples. Samples, labels and float
    outputs are asked for by slices, one after the other: whatever has a length, a shape and slices will do.

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
    if len(x) != len(labels) or len(labels) == 0:
        raise DataError(f"{len(x)} samples but {len(labels)} labels; both must be equal and at least 1")
    tally = Tally(composed.program.output_shape)
    if isinstance(labels, np.ndarray):
        tally.check_labels(labels)  # before minutes are spent
    if float_outputs is not None:
        tally.check_float(float_outputs, len(x))
    composed.preprocess.check(x)
    for start in range(0, len(x), _CHUNK):
        rows = slice(start, start + _CHUNK)
        batch = composed.preprocess.apply(x[rows])
        outputs = composed(batch, backend=backend, device=device)
        tally.add(outputs, labels[rows], None if float_outputs is None else float_outputs[rows])
        if progress is not None:
            progress(min(start + _CHUNK, len(x)), len(x))
    return tally.result()


def compare_outputs(
    outputs: NDArray[np.floating],
    labels: NDArray[Any],
    float_outputs: NDArray[np.floating] | None = None,
) -> Evaluation:
    """Accuracy of scores ``(N, classes)``; the same arguments, errors and bits as :func:`evaluate`."""
    tally = Tally(outputs.shape[1:])
    if len(outputs) != len(labels) or len(labels) == 0:
        raise DataError(f"{len(outputs)} samples but {len(labels)} labels; both must be equal and at least 1")
    if float_outputs is not None:
        tally.check_float(float_outputs, len(outputs))
    tally.check_labels(labels)
    for start in range(0, len(outputs), _CHUNK):
        rows = slice(start, start + _CHUNK)
        tally.add(outputs[rows], labels[rows], None if float_outputs is None else float_outputs[rows])
    return tally.result()


class Tally:
    """Counts and sums of an evaluation, batch by batch: what :class:`Evaluation` states, without the outputs.

    Parameters
    ----------
    output_shape
        Of one sample.

    Raises
    ------
    DataError
        If that is not one score per class.
    """

    def __init__(self, output_shape: tuple[int, ...]) -> None:
        if len(output_shape) != 1:
            raise DataError(
                f"the network's outputs have shape {output_shape}; accuracy needs one score per class"
            )
        self.classes = output_shape[0]
        self.counts = np.zeros(self.classes, np.int64)
        self.hits = np.zeros(self.classes, np.int64)
        self.compared = False
        self.float_hits = self.agreed = 0
        self.noise = self.power = 0.0

    def check_labels(self, labels: NDArray[Any]) -> None:
        """DataError unless labels are integers with a score each."""
        if labels.dtype.kind not in "ui":
            raise DataError(f"labels are of type {labels.dtype}; integers from 0 are expected")
        if labels.min() < 0 or labels.max() >= self.classes:
            raise DataError(
                f"labels run from {labels.min()} to {labels.max()}, but the network has {self.classes} outputs; "
                f"they must be 0 to {self.classes - 1}"
            )

    def check_float(self, float_outputs: NDArray[np.floating], samples: int) -> None:
        """DataError unless the float network's outputs have the shape of the composed one's."""
        if float_outputs.shape != (samples, self.classes):
            raise DataError(
                f"the float network's outputs have shape {float_outputs.shape}, the composed one's "
                f"{(samples, self.classes)}; compare with the network the artifact was made of"
            )

    def add(
        self,
        outputs: NDArray[np.floating],
        labels: NDArray[Any],
        float_outputs: NDArray[np.floating] | None,
    ) -> None:
        """Add scores ``(n, classes)``, their labels, and the float network's scores in all batches or none."""
        self.check_labels(labels)
        chosen = outputs.argmax(axis=1)
        self.counts += np.bincount(labels, minlength=self.classes)
        self.hits += np.bincount(labels[chosen == labels], minlength=self.classes)
        if float_outputs is not None:
            self.compared = True
            float_chosen = float_outputs.argmax(axis=1)
            self.float_hits += int((float_chosen == labels).sum())
            self.agreed += int((float_chosen == chosen).sum())
            wide = float_outputs.astype(np.float64)
            self.noise += float(((outputs - wide) ** 2).sum())
            self.power += float((wide**2).sum())

    def result(self) -> Evaluation:
        """The figures of all that was added, one sample at least."""
        samples = int(self.counts.sum())
        accuracy = int(self.hits.sum()) / samples
        float_accuracy = self.float_hits / samples if self.compared else None
        return Evaluation(
            samples=samples,
            accuracy=accuracy,
            accuracy_stderr=float(np.sqrt(accuracy * (1 - accuracy) / samples)),
            class_accuracy=tuple(
                float(h / n) if n else None for h, n in zip(self.hits, self.counts, strict=True)
            ),
            class_samples=tuple(self.counts.tolist()),
            float_accuracy=float_accuracy,
            loss=None if float_accuracy is None else float_accuracy - accuracy,
            agreement=self.agreed / samples if self.compared else None,
            sqnr_db=self._sqnr_db(),
        )

    def _sqnr_db(self) -> float | None:
        """10 log10 of signal over noise power; None where one of them is zero."""
        both = self.noise > 0 and self.power > 0
        return 10 * float(np.log10(self.power / self.noise)) if both else None
