import numpy as np
from numpy.typing import NDArray

def add_to_histogram(
    x: NDArray[np.float32], counts: NDArray[np.int64], low_sums: NDArray[np.int64]
) -> None: ...
def kmeans(
    values: NDArray[np.float64], weights: NDArray[np.float64], k: int, fix_zero: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64], float]: ...
