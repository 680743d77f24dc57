from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.frontends.layout import BATCH_FIRST, Layout

BATCH = 5  # divides no extent below, so that every reshape has one reading


def onnx_value(samples: np.ndarray, layout: Layout) -> np.ndarray:
    """The value as ONNX orders it, of our samples (batch first)."""
    moved = np.moveaxis(samples, 0, layout.place)
    return moved.reshape(layout.full_shape(samples.shape[1:], len(samples)))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_moves_follow_onnx(data: st.DataObject) -> None:
    """Any run of transposes and reshapes leaves a value that the layout describes."""
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    ours = np.arange(BATCH * math.prod(shape)).reshape(BATCH, *shape)
    theirs, layout = ours.copy(), BATCH_FIRST
    for _ in range(data.draw(st.integers(1, 5))):
        if data.draw(st.booleans()):
            perm = data.draw(st.permutations(range(theirs.ndim)))
            axes, layout = layout.transposed(perm)
            ours = ours.transpose(0, *(axis + 1 for axis in axes))
            theirs = theirs.transpose(perm)
        else:
            full = _regrouped(data, theirs.shape)
            found = layout.reshaped(ours.shape[1:], BATCH, full)
            if found is None:
                continue
            sample, layout = found
            ours, theirs = ours.reshape(BATCH, *sample), theirs.reshape(full)
        assert layout.full_shape(ours.shape[1:], BATCH) == theirs.shape
        np.testing.assert_array_equal(onnx_value(ours, layout), theirs)


def _regrouped(data: st.DataObject, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Neighbouring axes merged, or one split, or an axis of extent 1 added."""
    axis = data.draw(st.integers(0, len(shape) - 1))
    kind = data.draw(st.sampled_from(["merge", "split", "one"]))
    if kind == "merge" and axis + 1 < len(shape):
        return (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])
    if kind == "split":
        factor = data.draw(st.sampled_from([n for n in range(1, shape[axis] + 1) if shape[axis] % n == 0]))
        return (*shape[:axis], factor, shape[axis] // factor, *shape[axis + 1 :])
    return (*shape[:axis], 1, *shape[axis:])


def test_samples_are_never_torn() -> None:
    assert BATCH_FIRST.reshaped((4, 3), 5, (4, 15)) is None
    assert BATCH_FIRST.reshaped((12,), 5, (60,)) == ((12,), Layout(0, 0, 1))
    assert BATCH_FIRST.reshaped((12,), 1, (1, 1, 12)) == ((1, 12), BATCH_FIRST)


def test_a_batch_of_one_stands_alone_or_first() -> None:
    time_first = Layout(1, 1, 1)
    assert time_first.reshaped((4, 6), 1, (4, 2, 3)) == ((4, 2, 3), Layout(1, 1, 2))
