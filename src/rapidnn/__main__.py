"""``python -m rapidnn``."""

from rapidnn.cli.main import run

run()
