"""Where the ``rapidnn`` command and ``python -m rapidnn`` start: an interrupt while they load is one too."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line of this process and exit with its code."""
    try:
        from rapidnn.cli.main import exit_code

        code = exit_code()
    except KeyboardInterrupt:  # loading takes a quarter of a second
        print("rapidnn: interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    run()
