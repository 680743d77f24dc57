"""Every version that ``make setup`` installs: ``requirements.lock`` with hashes, ``constraints.txt`` without.

::

    make lock                         # after a change of pyproject.toml or of a version in constraints.txt
    make lock LOCK='--upgrade'        # newest versions throughout
    make lock LOCK='--upgrade rich'   # of one package

Versions already in ``constraints.txt`` stay unless they are named, or pyproject.toml no longer allows them (which is
said). One resolution, by uv, holds for Python 3.11 to 3.13 on Linux, macOS and Windows; all files of a version are
hashed. PyTorch and what it alone brings (CUDA) have no hashes: its builds differ by machine.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK, CONSTRAINTS = ROOT / "requirements.lock", ROOT / "constraints.txt"
PYTHON = "3.11"
"""The least version for which all packages of the ``dev`` extra are made."""
BUILD_TOOLS = ("cmake", "ninja")
"""What building takes beside pyproject.toml: from the package index, whatever the machine has."""
_EXEMPT = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
_OTHER_PYTHON = "implementation_name == 'pypy'"
_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\]+?))?(?: \\)?")
_LOCK_HEADER = """\
# All that make setup installs but PyTorch and the project, each file by its hash. Made by make lock.
"""
_CONSTRAINTS_HEADER = """\
# Every version the make targets install; ranges live in pyproject.toml. After a change here or there: make lock.
"""


def canonical(name: str) -> str:
    """A package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Versions by canonical name, of a lock or of constraints."""
    found = (_PIN.fullmatch(line) for line in text.splitlines())
    return {canonical(m["name"]): m["version"] for m in found if m}


def blocks(resolved: str) -> list[str]:
    """The requirements of a resolution with their hashes, without what is exempt."""
    found = re.split(r"^(?=[A-Za-z0-9])", resolved, flags=re.MULTILINE)
    kept = []
    for block in found:
        pin = _PIN.fullmatch(block.split("\n", 1)[0])
        if (
            pin
            and not _EXEMPT.fullmatch(canonical(pin["name"]))
            and _OTHER_PYTHON not in (pin["marker"] or "")
        ):
            kept.append(block.rstrip("\n"))
    return kept


def disagreements(lock: str, constraints: str) -> list[str]:
    """What is wrong with a lock, and where the two files differ; empty where they say the same."""
    locked, constrained = pins(lock), pins(constraints)
    wrong = [f"{name} is in one file only" for name in sorted({*locked, "torch"} ^ constrained.keys())]
    for name in sorted(locked.keys() & constrained.keys()):
        if locked[name] != constrained[name]:
            wrong.append(f"{name}: {locked[name]} is locked, {constrained[name]} in the constraints")
    for block in blocks(lock):
        name, *hashes = block.split("\n")
        if not hashes or not all(
            re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes
        ):
            wrong.append(f"{name.split('==')[0]} has no hashes, or damaged ones")
    return wrong


def resolve(upgrade: list[str] | None) -> str:
    """A resolution for all machines; ``upgrade`` names packages to renew, an empty list all."""
    pinned = pins(CONSTRAINTS.read_text()) if upgrade != [] else {}
    kept = {name: version for name, version in pinned.items() if name not in map(canonical, upgrade or [])}
    with tempfile.TemporaryDirectory() as made:
        tools, versions = Path(made) / "tools.in", Path(made) / "versions.txt"
        tools.write_text("\n".join(BUILD_TOOLS))
        versions.write_text("\n".join(f"{name}=={version}" for name, version in kept.items()))
        command = [
            *(sys.executable, "-m", "uv", "pip", "compile", str(ROOT / "pyproject.toml"), str(tools)),
            *("--extra", "dev", "--universal", "--python-version", PYTHON, "--constraints", str(versions)),
            # One version for every Python, since the constraints have room for one.
            *("--fork-strategy", "fewest"),
            *("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--quiet"),
        ]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=made).stdout


def main() -> int:
    """Write both files, or with ``--check`` tell whether they agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--upgrade", nargs="*", metavar="NAME", help="to the newest versions; all without a name"
    )
    parser.add_argument(
        "--check", action="store_true", help="only whether the two files agree; reaches no index"
    )
    given = parser.parse_args()
    if given.check:
        wrong = disagreements(LOCK.read_text(), CONSTRAINTS.read_text())
        print("\n".join(wrong) or "the lock and the constraints agree")
        return 1 if wrong else 0
    before = pins(CONSTRAINTS.read_text())
    try:
        resolved = resolve(given.upgrade)
    except subprocess.CalledProcessError as error:  # uv has said why
        return int(error.returncode)
    lock = _LOCK_HEADER + "".join(f"{block}\n" for block in blocks(resolved))
    after = pins(lock) | {"torch": pins(resolved)["torch"].split("+")[0]}
    LOCK.write_text(lock)
    CONSTRAINTS.write_text(
        _CONSTRAINTS_HEADER + "".join(f"{name}=={after[name]}\n" for name in sorted(after))
    )
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            print(f"{name}: {before.get(name, 'new')} -> {after.get(name, 'gone')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
