"""Every engine there is on one network: NumPy, torch, and the native one on every instruction set of the machine."""

import numpy as np
import pytest

from rapidnn import _native
from rapidnn.execute.native import KERNELS_VARIABLE, supports

PATHS = _native.kernel_paths()


def results(composed, x, threads=1):
    """``(engine, result before scaling)`` of every engine but the reference."""
    yield "numpy", composed.run(x, backend="numpy")
    yield "torch", composed.run(x, backend="torch")
    if not supports(composed.program):
        return
    with pytest.MonkeyPatch.context() as patch:
        for path in PATHS:
            patch.setenv(KERNELS_VARIABLE, path)
            yield path, composed.run(x, threads=threads)
            plain = composed.native().run(np.asarray(x, np.float32), threads=threads, use_factors=False)
            yield f"{path} without factors", composed._finish(plain)


def assert_engines_equal(composed, x, *, reference=None, threads=1):
    """All engines equal each other on all samples, and the reference on the first ``reference`` (default all)."""
    first = composed.run(x[:reference], backend="reference")
    all_of_them = None
    for name, found in results(composed, x, threads):
        assert found.shape == (len(x), *composed.program.output_shape), name
        assert found.dtype == first.dtype, name
        assert (found[: len(first)] == first).all(), name
        if all_of_them is not None:
            assert (found == all_of_them).all(), name
        all_of_them = found
