"""``rapidnn bench simulate``: our engines and their rivals side by side."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rapidnn.bench import engines, workloads
from rapidnn.bench.records import Row, Simulation, engine_means
from rapidnn.bench.store import Store, versions
from rapidnn.bench.timing import Samples, interleaved
from rapidnn.errors import DataError
from rapidnn.execute.native import kernel_path

Progress = Callable[[str, int, int | None], None]
"""Called with a stage's name, what is done, and what there is to do."""

ROUNDS = 7
QUICK_ROUNDS = 5


def simulate(
    networks: Sequence[str] | None = None,
    batches: Sequence[int] | None = None,
    *,
    threads: Sequence[int] = (1,),
    quick: bool = False,
    rounds: int | None = None,
    reference_samples: int | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Simulation:
    """Time our engines and their rivals on the same inputs, in interleaved rounds, and check our integers.

    Building, quantising and checking stay outside the timing; what they make is kept in a cache.

    Parameters
    ----------
    networks, batches
        Built-in networks and batch sizes; default the standard rows (:data:`rapidnn.bench.workloads.STANDARD`).
    threads
        Numbers of threads, each a set of rows.
    quick
        Leave out networks that take minutes.
    rounds
        Timed samples per engine, default 7, or 5 if quick.
    reference_samples
        Samples compared with the reference; default 8, or 1 for a network of over 1 GMAC a sample.
    cache
        Folder of built models; default ``bench`` in the folder of cached data.

    Raises
    ------
    DataError
        On an option out of range, or where the cache cannot be written.
    """
    contests = workloads.chosen(networks, batches, quick=quick)
    _at_least_one("--threads", min(threads))
    rounds = _at_least_one("--rounds", (QUICK_ROUNDS if quick else ROUNDS) if rounds is None else rounds)
    if reference_samples is not None:
        _at_least_one("--reference-samples", reference_samples)
    kernels = kernel_path()
    report = progress or (lambda stage, done, total: None)
    store = Store(cache or _cache())
    rows: list[Row] = []
    with _torch_threads_kept():
        for network, sizes in contests.items():
            stages = _Stages(report, network)
            contest = engines.contest(store, network, reference_samples=reference_samples, stage=stages)
            stages.end()
            for number in dict.fromkeys(threads):
                for batch in sizes:
                    rows += _rows(contest, batch, number, rounds, report)
    return Simulation(cpu_name(), kernels, rounds, versions(), tuple(rows), engine_means(rows))


@contextmanager
def _torch_threads_kept() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _rows(contest: engines.Contest, batch: int, threads: int, rounds: int, report: Progress) -> list[Row]:
    label = f"{contest.network} batch {batch}, {threads} thread{'s' if threads > 1 else ''}"
    report(label, 0, rounds)
    done = iter(range(1, rounds + 1))
    found = interleaved(
        contest.engines(workloads.inputs(contest.network, batch), threads),
        rounds,
        progress=lambda: report(label, next(done), rounds),
    )
    naive = found[engines.NAIVE].result if engines.NAIVE in found else None
    return _as_rows(contest, batch, threads, found, contest.exactness(batch, threads, naive))


def _as_rows(
    contest: engines.Contest,
    batch: int,
    threads: int,
    samples: Mapping[str, Samples],
    exact: Mapping[str, bool],
) -> list[Row]:
    baseline = samples[engines.BASELINE].median_s
    compared = len(contest.expected[engines.NAIVE_TABLES])
    return [
        Row(
            network=contest.network,
            batch=batch,
            threads=threads,
            engine=name,
            median_ms=found.median_s * 1e3,
            gmac_per_s=contest.macs * batch / found.median_s / 1e9,
            ratio_to_ort_float32=baseline / found.median_s,
            exact=exact.get(name),
            reference_samples=compared if name in exact else None,
            rounds=len(found.seconds),
        )
        for name, found in samples.items()
    ]


class _Stages:
    """Progress of building one network: a step per thing that is built."""

    def __init__(self, report: Progress, network: str) -> None:
        self.report = report
        self.label = f"build {network}"
        self.done = 0

    def __call__(self, name: str) -> None:
        self.report(self.label, self.done, None)
        self.done += 1

    def end(self) -> None:
        self.report(self.label, self.done, self.done)


def cpu_name() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cache() -> Path:
    from rapidnn.data.datasets import cache_folder

    return cache_folder() / "bench"


def _at_least_one(option: str, value: int) -> int:
    if value < 1:
        raise DataError(f"{option} {value}: expected at least 1")
    return value
