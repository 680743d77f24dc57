"""One of several processes that work in one folder: ``python -m tests.hostile.together JOB FOLDER PROCESSES``.

It waits until all are there, so that they start together, and prints what ``JOB`` says of the result.
"""

import hashlib
import sys
import time
from pathlib import Path

from tests.hostile.crash import jobs, visible


def wait_for_all(folder, processes):
    """Until so many have come here."""
    (folder / f".here-{time.monotonic_ns()}").touch()
    end = time.monotonic() + 60
    while len(list(folder.glob(".here-*"))) < processes:
        assert time.monotonic() < end, "the other processes did not come"
        time.sleep(0.0005)


def cache(folder, processes):
    """Compose networks into a store, each by the same recipe in all processes; their digests as read back."""
    import numpy as np
    from torch import nn, set_num_threads

    import rapidnn
    from rapidnn.bench.store import Store

    set_num_threads(1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 12)).astype(np.float32)
    model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
    weights = rapidnn.compose(model, x, 4, 4, threads=1)  # imports what composing needs
    del weights
    for parameter in model.parameters():
        parameter.data.copy_(parameter.data.new_tensor(rng.normal(size=parameter.shape)))
    wait_for_all(folder, processes)
    found = []
    for size in range(2, 10):
        path = Store(folder / "store").file(
            ".rapidnn",
            {"size": size},
            (),
            lambda path, size=size: rapidnn.compose(model, x, size, size, threads=1).save(path),
        )
        rapidnn.load(path)
        found.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return found


def reproduce(folder, processes):
    """A small reproduction with one folder for all; the digests of all its files."""
    job = jobs()["reproduce"]
    wait_for_all(folder, processes)
    job.run(folder)
    return [
        f"{path.relative_to(folder)}: {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(visible(folder))
    ]


if __name__ == "__main__":
    work = {"cache": cache, "reproduce": reproduce}[sys.argv[1]]
    print("RESULT", work(Path(sys.argv[2]), int(sys.argv[3])))
