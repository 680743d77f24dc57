"""A few kills of every job; the campaign of hundreds is ``benchmarks/crashes.py``."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_work_survives_kills(tmp_path):
    # In a process of its own: it forks, and threads of other tests would not be there in the children.
    done = subprocess.run(
        [sys.executable, "benchmarks/crashes.py", "--kills", "5", "--folder", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
