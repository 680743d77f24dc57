"""A newcomer's way in the documentation's own commands: clone, setup, an ONNX file of their own, its report.

The goal is ten minutes on two cores besides downloads. Every command is read from the pages themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
GOAL_S = 600.0
_FENCE = re.compile(r"^```(python|bash)\n(.*?)^```$", re.M | re.S)


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(language, text) for language, text in _FENCE.findall(page.read_text("utf-8"))]


def step(name: str, command: list[str], folder: Path, environment: dict[str, str]) -> dict[str, object]:
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return {"step": name, "seconds": round(time.perf_counter() - begin, 1)}


def run() -> list[dict[str, object]]:
    environment = dict(os.environ)
    with tempfile.TemporaryDirectory() as place:
        clone, own = Path(place) / "rapidnn", Path(place) / "own"
        own.mkdir()
        rows = [
            step("git clone", ["git", "clone", "--quiet", str(ROOT), str(clone)], Path(place), environment),
            step("make setup (downloads included)", ["make", "setup"], clone, environment),
        ]
        environment["PATH"] = f"{clone / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
        for language, text in blocks(clone / "docs" / "howto" / "onnx.md"):
            if language == "python":
                rows.append(step("an ONNX file and data (theirs)", ["python", "-c", text], own, environment))
                continue
            for line in text.strip().splitlines():
                rows.append(step(line, ["bash", "-e", "-c", line], own, environment))
        if not (own / "mine.html").stat().st_size:
            raise SystemExit("no report came out")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    arguments = parser.parse_args()
    rows = run()
    total = round(sum(float(str(row["seconds"])) for row in rows), 1)
    load = round(os.getloadavg()[0], 1)
    if arguments.json:
        print(
            json.dumps(
                {"benchmark": "newcomer", "goal_s": GOAL_S, "total_s": total, "load": load, "rows": rows}
            )
        )
        return
    for row in rows:
        print(f"{row['seconds']:>8} s  {row['step']}")
    print(f"{total:>8} s  in all (goal {GOAL_S:.0f} s besides downloads; load average {load})")


if __name__ == "__main__":
    main()
