"""kill -9 at random moments during compose, fine-tune, evaluate, explore, reproduce and download, hundreds of times.

::

    python benchmarks/crashes.py                          # 60 kills a job
    python benchmarks/crashes.py --kills 10 --only explore

After each kill every file under its own name must be whole; after the last restart the result must equal the
undisturbed one byte for byte (a search's order depends on when it was cut, so there every document must: a name is the
digest of what it was made from). Rows are printed as they are finished, and as one JSON object at the end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.hostile.crash import jobs, killed, undisturbed

_IN_A_ROW = 3
"""Kills of one piece of work before it may end."""


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60, help="of each job")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    rows = []
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        for name, job in jobs().items():
            if given.only and name not in given.only.split(","):
                continue
            start = time.monotonic()
            expected, seconds = undisturbed(job, Path(made) / name / "undisturbed")
            kills = runs = 0
            while kills < given.kills:
                folder = Path(made) / name / str(runs)
                kills += killed(job, folder, expected, seconds, rng, _IN_A_ROW)
                runs += 1
                shutil.rmtree(folder)
            taken = round(time.monotonic() - start, 1)
            rows.append(
                {
                    "job": name,
                    "undisturbed_s": round(seconds, 2),
                    "works": runs,
                    "kills": kills,
                    "seconds": taken,
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    if given.out is not None:
        given.out.write_text(json.dumps({"benchmark": "crashes", "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
