"""What the project stands on: licences as a page, and a bill of materials for a release.

::

    make licences        # docs/licences.md
    make sbom            # dist/rapidnn-VERSION.cdx.json, CycloneDX 1.6

Both tell of the versions in ``constraints.txt`` what their installed metadata says; run in the project's environment.
"""

from __future__ import annotations

import hashlib
import json
import sys
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

sys.path.insert(0, str(Path(__file__).parent))

from lock import CONSTRAINTS, LOCK, canonical, pins

USER_EXTRAS = ("compose", "explore", "frames", "images", "plot", "ray")
"""What users may install; the rest is for those who work on the project."""
_SCOPES = {"required": "run an artifact", "optional": "extras", "excluded": "development"}
_OSI = "License :: OSI Approved :: "
_PAGE = """\
# Licences

What `make setup` installs, by what needs it: running an artifact alone, one of the extras ({extras}), or work on the
project itself. Versions and hashes are in `requirements.lock`. Written by `make licences` from the packages' metadata;
`make audit` asks for known vulnerabilities of these versions, `make sbom` writes them as a bill of materials.

| package | licence | needed for |
|---|---|---|
"""


def licence(name: str) -> str | None:
    """A package's licence in one line by its installed metadata; None if it is not installed."""
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    found = package.metadata
    if found.get("License-Expression"):
        return str(found["License-Expression"])
    classified = [c.removeprefix(_OSI) for c in found.get_all("Classifier") or [] if c.startswith(_OSI)]
    lines = str(found.get("License") or "").replace("UNKNOWN", "").strip().splitlines()
    short = lines[0][:60] if len(lines) == 1 or (lines and not classified) else ""
    return short or ", ".join(classified) or _first_line(package) or "not stated"


def _first_line(package: metadata.Distribution) -> str:
    """The title of the licence that comes with a package."""
    texts = [file.read_text() for file in package.files or [] if file.name.upper().startswith("LICEN")]
    return texts[0].strip().splitlines()[0][:60] if texts else ""


def needs(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Packages that an installed one requires here, with the extras of theirs."""
    try:
        stated = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, stated):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield canonical(requirement.name), frozenset(requirement.extras)


def closure(extras: tuple[str, ...]) -> set[str]:
    """All packages that the project with these extras needs."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [("rapidnn", frozenset(extras))]
    while waiting:
        entry = waiting.pop()
        if entry not in seen:
            seen.add(entry)
            waiting.extend(needs(*entry))
    return {name for name, _ in seen} - {"rapidnn"}


def scopes() -> dict[str, str]:
    """For every pinned package its scope as CycloneDX names it."""
    required, optional = closure(()), closure(USER_EXTRAS)
    return {
        name: "required" if name in required else "optional" if name in optional else "excluded"
        for name in sorted(pins(CONSTRAINTS.read_text()))
    }


def listed(page: str) -> dict[str, str]:
    """Licences by package of the page."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {row[0]: row[1] for row in rows[1:]}


def licences(path: Path) -> None:
    """Write the page; packages of other systems keep the row they have."""
    before = listed(path.read_text(encoding="utf-8")) if path.exists() else {}
    text = _PAGE.format(extras=", ".join(f"`{name}`" for name in USER_EXTRAS))
    for name, scope in scopes().items():
        told = licence(name) or before.get(name)
        if told is None:
            print(f"{name} is not installed here and has no row yet: add one to {path}", file=sys.stderr)
            told = "not stated"
        text += f"| {name} | {told} | {_SCOPES[scope]} |\n"
    path.write_text(text, encoding="utf-8")


def bill() -> dict[str, Any]:
    """The bill of materials as a CycloneDX 1.6 document; the same content gives the same bytes."""
    version = metadata.version("rapidnn")
    versions, reach = pins(CONSTRAINTS.read_text()), scopes()
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    page = listed((CONSTRAINTS.parent / "docs" / "licences.md").read_text(encoding="utf-8"))
    project = f"pkg:pypi/rapidnn@{version}"
    refs = {name: f"pkg:pypi/{name}@{versions[name]}" for name in reach}
    extras = frozenset(USER_EXTRAS)
    tree = {project: needs("rapidnn", extras)} | {refs[name]: needs(name, frozenset()) for name in reach}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, project + digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": project,
                "name": "rapidnn",
                "version": version,
                "purl": project,
                "licenses": [{"expression": "Apache-2.0"}],
            },
            "properties": [{"name": "rapidnn:requirements.lock:sha256", "value": digest}],
        },
        "components": [
            {
                "type": "library",
                "bom-ref": refs[name],
                "name": name,
                "version": versions[name],
                "scope": scope,
                "purl": refs[name],
                "licenses": [{"license": {"name": licence(name) or page[name]}}],
            }
            for name, scope in reach.items()
        ],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted({refs[name] for name, _ in found if name in refs})}
            for ref, found in tree.items()
        ],
    }


def main(what: str, where: str) -> int:
    """``licences FILE`` or ``sbom FOLDER``."""
    if what == "licences":
        licences(Path(where))
        return 0
    if what != "sbom":
        print(__doc__, file=sys.stderr)
        return 2
    path = Path(where) / f"rapidnn-{metadata.version('rapidnn')}.cdx.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(bill(), indent=1) + "\n", encoding="utf-8")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 3 else main("", ""))
