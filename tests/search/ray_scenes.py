"""Searches on a real Ray cluster of two nodes, run by ``test_cluster.py`` where only the loopback device exists.

``python -m tests.search.ray_scenes SCENE FOLDER SPACE TRIALS`` prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import rapidnn
from rapidnn.execute.evaluate import evaluate
from rapidnn.search import sharded
from tests.search.searches import data, network, points, search

_trial = sharded._trial


def slow_trial(shared, task):
    """Long enough to be hit."""
    time.sleep(0.1)
    return _trial(shared, task)


def told(found):
    return {
        "numbers": [t.number for t in found.trials],
        "params": [t.params for t in found.trials],
        "points": points(found),
    }


def same(cluster, folder, space, trials):
    return told(search(folder, space, trials, cluster=cluster.address))


def sharded_evaluation(cluster, folder, space, trials):
    x, y = data(5000)
    composed = rapidnn.compose(network(), x[:100], 8, 8)
    here = evaluate(composed, x, y)
    there = sharded.evaluate_on_cluster(composed, x, y, cluster.address)
    connection = sharded.Cluster(cluster.address)
    integers = sharded._integers(connection, composed, x, "cpu", None)
    connection.close()
    equal = bool((integers == composed.accumulators(x)).all()) and integers.dtype == np.int32
    return {"equal": equal and here == there, "samples": len(integers)}


def hit(cluster, folder, space, trials, strike):
    """A search in whose middle something is struck."""
    sharded._trial = slow_trial
    struck = []

    def progress(stage, done, total):
        if stage == "trials" and done >= trials // 2 and not struck:
            struck.append(strike())

    return told(search(folder, space, trials, cluster=cluster.address, progress=progress)) | {
        "struck": struck
    }


def node_lost(cluster, folder, space, trials):
    node = cluster.list_all_nodes()[-1]
    return hit(cluster, folder, space, trials, lambda: cluster.remove_node(node, allow_graceful=False))


def worker_killed(cluster, folder, space, trials):
    def strike():
        busy = []
        deadline = time.monotonic() + 10
        while not busy and time.monotonic() < deadline:
            busy = [pid for pid, name in descendants() if name.startswith("ray::") and "_call" in name]
        os.kill(busy[0], signal.SIGKILL)
        return busy[0]

    return hit(cluster, folder, space, trials, strike)


def driver_killed(cluster, folder, space, trials):
    command = [
        sys.executable,
        "-m",
        "tests.search.ray_scenes",
        "driver",
        folder,
        space,
        trials,
        cluster.address,
    ]
    child = subprocess.Popen([str(part) for part in command])
    journal = Path(folder) / "journal.log"
    deadline = time.monotonic() + 120
    while child.poll() is None and time.monotonic() < deadline:
        if journal.exists() and journal.stat().st_size > 10_000:
            child.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    return same(cluster, folder, space, trials) | {"struck": [child.wait()]}


def driver(address, folder, space, trials):
    sharded._trial = slow_trial
    search(folder, space, trials, cluster=address)


def descendants():
    """Processes below this one: id and command line."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                names[int(entry.name)] = (entry / "cmdline").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = []
    for pid, name in names.items():
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and pid != os.getpid():
            found.append((pid, name))
    return found


def main():
    scene, folder, space, trials = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    if scene == "driver":
        driver(sys.argv[5], folder, space, trials)
        return
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    try:
        print(json.dumps(globals()[scene](cluster, folder, space, trials)))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
