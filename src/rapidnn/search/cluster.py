"""A Ray cluster as the place where work is done: what all tasks share is put into its object store once.

Ray schedules, and runs a task again when its process or node is lost; results are taken by the task's index, so each
counts once. Every node needs this version of rapidnn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rapidnn.errors import DataError, RapidnnError

RETRIES = 8
"""Times that Ray runs a task again whose process or node was lost."""
_AHEAD = 2
"""Tasks in flight for each processor, so that a large job does not fill the object store at once."""

Function = Callable[[Any, Any], Any]
"""Takes what is shared, and a task's item; defined in a module, so that other nodes find it by name."""


class Cluster:
    """A connection to a running Ray cluster; one that the process has already is used and left alone.

    Parameters
    ----------
    address
        ``auto`` for the cluster this machine belongs to, or ``HOST:PORT``.

    Raises
    ------
    DataError
        If Ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
        except ImportError:
            raise DataError(
                "--cluster needs Ray: pip install 'rapidnn[ray]' (here and on every node)"
            ) from None
        self._ray = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:
                first = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise DataError(
                    f"--cluster {address}: no Ray cluster answers there ({first}); start one with ray start --head, or "
                    "leave the option out"
                ) from None

    def put(self, shared: Any) -> Any:
        """Put what all tasks share into the object store: each node fetches it once."""
        return self._ray.put(shared)

    def map(self, function: Function, shared: Any, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """``(index, function(shared, item))`` of every item, as they are finished.

        Raises
        ------
        DataError
            If a task could not be finished however often Ray tried.
        """
        remote = self._ray.remote(num_cpus=1, max_retries=RETRIES)(_call)
        resources: dict[str, float] = self._ray.cluster_resources()  # type: ignore[no-untyped-call]
        most = max(_AHEAD, int(_AHEAD * resources.get("CPU", 1)))
        running: dict[Any, int] = {}
        waiting = iter(enumerate(items))
        while True:
            while len(running) < most and (following := next(waiting, None)) is not None:
                # The reference travels in a list: as a bare argument Ray would unpack it anew for every task.
                running[remote.remote(function, [shared], following[1])] = following[0]
            if not running:
                return
            (finished, *_), _ = self._ray.wait(list(running))
            yield running.pop(finished), self._get(finished)

    def _get(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, RapidnnError):
                raise type(error.cause)(str(error.cause)) from None
            raise
        except self._ray.exceptions.RayError as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise DataError(
                f"the cluster could not finish its work ({first}); what was finished is kept, and the same command "
                "goes on"
            ) from None

    def close(self) -> None:
        """Leave the cluster."""
        if self._ours:
            self._ray.shutdown()


_SHARED: dict[str, Any] = {}
"""What a worker process has fetched, by reference; one thing at a time."""


def _call(function: Function, references: list[Any], item: Any) -> Any:
    import ray

    (reference,) = references
    key = reference.hex()
    if key not in _SHARED:
        _SHARED.clear()
        _SHARED[key] = ray.get(reference)
    return function(_SHARED[key], item)
