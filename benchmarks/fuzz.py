"""The campaign against every loader: damaged files by the hundred thousand, each loaded or refused in one line.

::

    python benchmarks/fuzz.py                      # 15 minutes, shared out among the loaders
    python benchmarks/fuzz.py --minutes 1 --only artifact-document,npz --seed 7

Each loader runs in processes of its own (``tests/hostile/campaign.py`` says what is watched), with a new seed for each;
a process that dies counts as a fault. Rows are printed as they are finished, and as one JSON object at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHARES = {
    "statistics": 3, "npz": 3, "npy-header": 2, "weights": 2, "image-png": 1, "image-jpeg": 1, "image-gif": 1,
    "image-tiff": 1, "image-bmp": 1, "gzip": 2, "lzw": 2, "artifact": 2, "artifact-document": 3,
    "artifact-tensors": 3, "hardware": 2, "journal": 2, "command-line": 3, "onnx": 4,
}  # fmt: skip
"""Parts of the time that loaders get."""


def campaign(target: str, seed: int, seconds: float) -> dict[str, Any]:
    """One process; its last line is the row."""
    command = [
        sys.executable,
        "-m",
        "tests.hostile.campaign",
        target,
        str(seed),
        str(10**9),
        str(seconds),
        "--go-on",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {
            "target": target,
            "seed": seed,
            "inputs": 0,
            "fault": 1,
            "said": (done.stdout + done.stderr)[-2000:],
        }
    row: dict[str, Any] = json.loads(lines[-1])
    return row | ({"said": "\n".join(lines[:-1])[-2000:]} if done.returncode else {})


def main() -> int:
    """Run the campaign; exit code 1 where a loader failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--only", default=",".join(SHARES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    chosen = {name: SHARES[name] for name in given.only.split(",")}
    rows = []
    for name, share in chosen.items():
        rows.append(campaign(name, given.seed, 60 * given.minutes * share / sum(chosen.values())))
        print(json.dumps(rows[-1]), flush=True)
    total = {key: sum(row.get(key, 0) for row in rows) for key in ("inputs", "loaded", "refused", "fault")}
    print(json.dumps(total), flush=True)
    if given.out is not None:
        given.out.write_text(json.dumps({"benchmark": "fuzz", "rows": rows, "total": total}, indent=1) + "\n")
    return 1 if total["fault"] else 0


if __name__ == "__main__":
    sys.exit(main())
