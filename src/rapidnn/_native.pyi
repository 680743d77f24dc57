import numpy as np
from numpy.typing import NDArray

def add_to_histogram(
    x: NDArray[np.float32], counts: NDArray[np.int64], low_sums: NDArray[np.int64], threads: int = 1
) -> None: ...
def count_fine(
    x: NDArray[np.float32],
    first: NDArray[np.uint32],
    shift: NDArray[np.uint8],
    counts: NDArray[np.int64],
    low_sums: NDArray[np.int64],
    threads: int = 1,
) -> None: ...
def weigh_fine(
    x: NDArray[np.float32],
    importance: NDArray[np.float64],
    exponent: int,
    first: NDArray[np.uint32],
    shift: NDArray[np.uint8],
    sums: NDArray[np.uint64],
    threads: int = 1,
) -> None: ...
def encode(
    x: NDArray[np.float32],
    cuts: NDArray[np.float32],
    codes: NDArray[np.uint8],
    threads: int = 1,
    method: str = "best",
) -> None: ...
def kmeans(
    values: NDArray[np.float64], weights: NDArray[np.float64], k: int, fix_zero: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64], float]: ...
def kernel_path() -> str: ...
def kernel_paths() -> list[str]: ...
def reduction_schedule(addends: NDArray[np.int64], lanes: int, found: NDArray[np.int64]) -> None: ...
def count_pairs(
    codes: NDArray[np.uint8],
    base: NDArray[np.int64],
    offsets: NDArray[np.int64],
    place: NDArray[np.int32],
    depth: int,
    depth_step: int,
    weights: NDArray[np.uint8],
    channel: NDArray[np.int32],
    nonzero: NDArray[np.uint8],
    table: NDArray[np.int32],
    weight_size: int,
    input_size: int,
    threads: int,
    neurons: NDArray[np.int32],
    group_sums: NDArray[np.int64],
) -> None: ...
def staircase_f32(
    x: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    values: NDArray[np.float32],
    inner: int,
    y: NDArray[np.float32],
    state: NDArray[np.uint16],
    threads: int,
) -> None: ...
def staircase_f64(
    x: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    values: NDArray[np.float32],
    inner: int,
    y: NDArray[np.float32],
    state: NDArray[np.uint16],
    threads: int,
) -> None: ...
def staircase_backward(
    g: NDArray[np.float32],
    state: NDArray[np.uint16],
    slopes: NDArray[np.float32],
    inner: int,
    out: NDArray[np.float32],
    sums: NDArray[np.float64],
    threads: int,
) -> None: ...

class Network:
    taps_per_thread: int
    def __init__(self) -> None: ...
    def add_edge(self, elements: int, accumulator: bool) -> int: ...
    def encode_input(
        self, out: int, place: NDArray[np.int32], thresholds: NDArray[np.int32], codes: NDArray[np.uint8]
    ) -> None: ...
    def encode(
        self,
        out: int,
        source: int,
        unit: NDArray[np.int32],
        thresholds: NDArray[np.int32],
        codes: NDArray[np.uint8],
        sets: int,
    ) -> None: ...
    def encode_last(self, thresholds: NDArray[np.int32], codes: NDArray[np.uint8], sets: int) -> None: ...
    def weighted(
        self,
        out: int,
        source: int,
        channels: int,
        groups: int,
        sets: int,
        first: NDArray[np.int32],
        place: NDArray[np.int32],
        base: NDArray[np.int32],
        places: int,
        taps: int,
        bias: NDArray[np.int32],
        blocks: NDArray[np.uint8],
        whole: NDArray[np.int32],
        weight_size: int,
        input_size: int,
        in_parts: bool,
    ) -> None: ...
    def planes(
        self,
        table: NDArray[np.uint8],
        base: NDArray[np.int32],
        shift: list[int],
        by_input: NDArray[np.uint8],
        input_base: NDArray[np.int32],
        input_shift: list[int],
        columns: NDArray[np.uint8],
        column_width: int,
    ) -> None: ...
    def factors(
        self,
        weights: NDArray[np.int8],
        operand: NDArray[np.uint8],
        correction: NDArray[np.int32],
        zero: NDArray[np.uint8],
    ) -> None: ...
    def rough(
        self,
        weights: NDArray[np.int8],
        operand: NDArray[np.uint8],
        correction: NDArray[np.int32],
        zero: NDArray[np.uint8],
        residual: NDArray[np.uint8],
        least: NDArray[np.uint8],
        least_offset: int,
        segment: int,
    ) -> None: ...
    def outer(
        self,
        operand: NDArray[np.uint8],
        zero: NDArray[np.uint8],
        weights: NDArray[np.int8],
        correction: NDArray[np.int32],
        image: NDArray[np.int32],
        run_start: NDArray[np.int32],
        runs: int,
        width: int,
        row: int,
        down: int,
        factors: bool,
    ) -> None: ...
    def rest(self, table: NDArray[np.uint8], base: NDArray[np.int32], shift: list[int]) -> None: ...
    def term(self, edge: int, rows: NDArray[np.int32], codes: int) -> None: ...
    def pooled(
        self,
        out: int,
        source: int,
        index: NDArray[np.int32],
        taps: int,
        row: NDArray[np.int32],
        unit: NDArray[np.int32],
    ) -> None: ...
    def max_pool(self, out: int, source: int, index: NDArray[np.int32], taps: int) -> None: ...
    def code_sum(self, out: int, offset: NDArray[np.int32]) -> None: ...
    def product(
        self,
        out: int,
        left: int,
        right: int,
        index: NDArray[np.int32],
        table: NDArray[np.int32],
        right_size: int,
    ) -> None: ...
    def gather(
        self, out: int, sources: list[int], index: NDArray[np.int32], recode: NDArray[np.uint8], pad_code: int
    ) -> None: ...
    def seal(self, output: int, output_index: NDArray[np.int32]) -> None: ...
    def run(
        self, x: NDArray[np.float32], out: NDArray[np.int32], threads: int, use_factors: bool
    ) -> None: ...
    def observe(
        self,
        x: NDArray[np.float32],
        out: NDArray[np.int32],
        threads: int,
        use_factors: bool,
        watched: list[int],
        buffers: list[NDArray[np.uint8]],
    ) -> None: ...
