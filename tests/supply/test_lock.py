"""One truth of versions: pyproject.toml, the constraints, the lock with its hashes, and the page of licences agree."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
LOCK, CONSTRAINTS = (ROOT / name for name in ("requirements.lock", "constraints.txt"))
MACHINES = [
    {"python_version": v, "python_full_version": f"{v}.9", "sys_platform": s, "platform_machine": m,
     "platform_system": p, "implementation_name": "cpython", "platform_python_implementation": "CPython"}
    for v in ("3.11", "3.12", "3.13")
    for s, p, m in (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
]  # fmt: skip


def script(name):
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec = importlib.util.spec_from_file_location(f"scripts_{name}", SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPTS))
    return module


lock = script("lock")


def test_lock_and_constraints_agree():
    assert lock.disagreements(LOCK.read_text(), CONSTRAINTS.read_text()) == []
    done = subprocess.run([sys.executable, SCRIPTS / "lock.py", "--check"], capture_output=True, check=False)
    assert done.returncode == 0


def test_disagreements_are_told():
    locked, constrained = LOCK.read_text(), CONSTRAINTS.read_text()
    rich = lock.pins(constrained)["rich"]
    told = lock.disagreements(locked, constrained.replace(f"rich=={rich}", "rich==1.0"))
    assert told == [f"rich: {rich} is locked, 1.0 in the constraints"]
    assert lock.disagreements(locked, constrained + "left-pad==1.0\n") == ["left-pad is in one file only"]
    block = next(block for block in lock.blocks(locked) if block.startswith("rich=="))
    assert lock.disagreements(locked.replace(block, block.split(" \\")[0]), constrained) == [
        "rich has no hashes, or damaged ones"
    ]
    assert lock.disagreements(locked.replace(block, block[:-1]), constrained) == [
        "rich has no hashes, or damaged ones"
    ]


def test_every_line_is_a_pin_or_a_hash():
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    hashes = [line for line in lines if line.startswith(" ")]
    assert len(lines) - len(hashes) == len(lock.pins(LOCK.read_text())) > 100
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line) for line in hashes)
    assert "://" not in LOCK.read_text() + CONSTRAINTS.read_text()


def test_files_of_all_machines_are_hashed():
    """A compiled package has a wheel for each Python and system, so many more than one hash."""
    blocks = {block.split("==")[0]: block.count("sha256") for block in lock.blocks(LOCK.read_text())}
    assert all(blocks[name] > 20 for name in ("numpy", "pandas", "pillow", "pyyaml", "sqlalchemy"))
    assert all(count >= 1 for count in blocks.values())


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m['python_version']}-{m['platform_machine']}")
def test_what_the_project_asks_for_is_locked(machine):
    versions = lock.pins(CONSTRAINTS.read_text())
    there = {"torch"}
    for block in lock.blocks(LOCK.read_text()):
        pin, _, marker = block.split("\n")[0].removesuffix(" \\").partition(" ; ")
        if not marker or Marker(marker).evaluate(machine):
            there.add(pin.split("==")[0])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"], *extras["dev"]]
    wanted += [each for name in extras if name != "dev" for each in extras[name]]
    for requirement in map(Requirement, wanted):
        name = lock.canonical(requirement.name)
        if name != "rapidnn" and (requirement.marker is None or requirement.marker.evaluate(machine)):
            assert name in there, name
            assert requirement.specifier.contains(versions[name], prereleases=True), requirement


def test_what_is_exempt():
    resolved = (
        "a==1.0 \\\n    --hash=sha256:00\ncffi==2.0 ; implementation_name == 'pypy' \\\n    --hash=sha256:00\n"
        "nvidia-cublas==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:00\ntorch==2.0 \\\n    --hash=sha256:00\n"
    )
    assert lock.blocks(resolved) == ["a==1.0 \\\n    --hash=sha256:00"]
    assert lock.pins(resolved)["torch"] == "2.0"


def test_licences_are_listed():
    """`make licences` after `make lock`."""
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = script("inventory").listed(page)
    assert rows.keys() == lock.pins(CONSTRAINTS.read_text()).keys()
    assert [name for name, licence in rows.items() if licence in ("", "not stated")] == []


def test_bill_of_materials(tmp_path):
    command = [sys.executable, SCRIPTS / "inventory.py", "sbom", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = tmp_path.glob("rapidnn-*.cdx.json")
    bill = json.loads(path.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    parts = {part["name"]: part for part in bill["components"]}
    assert parts.keys() == lock.pins(CONSTRAINTS.read_text()).keys()
    assert {name: parts[name]["scope"] for name in ("numpy", "pydantic-core", "torch", "pytest")} == {
        "numpy": "required", "pydantic-core": "required", "torch": "optional", "pytest": "excluded",
    }  # fmt: skip
    refs = {part["bom-ref"] for part in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    tree = {row["ref"]: row["dependsOn"] for row in bill["dependencies"]}
    assert tree.keys() == refs
    assert all(ref in refs for row in tree.values() for ref in row)
    assert parts["numpy"]["purl"] in tree[bill["metadata"]["component"]["bom-ref"]]
    assert parts["annotated-types"]["purl"] in tree[parts["pydantic"]["bom-ref"]]
