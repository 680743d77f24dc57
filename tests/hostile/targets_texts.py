"""Texts: statistics, hardware descriptions, the journal of a search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rapidnn.machine import ProgramStatistics, load_hardware
from tests.hostile.mutate import damaged_bytes, damaged_json, json_text
from tests.hostile.target import Rng, Target


def statistics() -> Target:
    row = {
        "step": "fc1", "sampled": 4, "observed": 40, "addends": [[3, 1], [5, 3]], "digits_sum": 20,
        "table_rows_sum": 4, "corrections_sum": 1, "occupied_sum": 9, "taps_sum": 40, "group_taps_sum": [20, 12, 8],
    }  # fmt: skip
    document = {"format": 1, "steps": [row, row | {"step": "fc2"}]}
    whole = json.dumps(document).encode()

    def mutate(rng: Rng) -> bytes:
        if rng.random() < 0.3:
            return damaged_bytes(whole, rng, whole)
        return json_text(damaged_json(document, rng), rng)

    return Target("statistics", "s.json", mutate, ProgramStatistics.load, whole)


_YAML = (
    "&a [*a, *a]", "*nothing", "2001-99-99", "!!python/object/apply:os.system ['touch hacked']", "!!float x", "1e999",
    "!!int ''", ".nan", "-.inf", "[[[[[[", "{" * 2000, "? [a]", "<<: {a: 1}", "!!binary '!'", "0x", "1" * 6000, "0b2",
    "!!timestamp 9999-99-99", "1:99:99", "'\\", '"\\x"', "!!set {a}", "!!omap [a]", "|", "-1", "0", "1.5",
    "null", "[1, 2]",
    "true", "reram", "\t", "\x00", "%TAG", "- - - - -", "!!pairs [a: b]", "9" * 30,
)  # fmt: skip


def hardware() -> Target:
    from rapidnn.machine import hardware_names

    name = next(n for n in hardware_names() if n == "rapidnn-hpca20")
    import rapidnn

    lines = (Path(rapidnn.__file__).parent / "hardware" / f"{name}.yaml").read_text().splitlines()
    # Sections whole, but fewer of them, so that many can be tried: a file that lacks sections is refused late too.
    whole = "\n".join(lines).encode()
    laughs = "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9 if i else ['lol'] * 9)}]\n" for i in range(12)
    )

    def mutate(rng: Rng) -> bytes:
        first = int(rng.integers(len(lines)))
        part = list(lines) if rng.random() < 0.1 else lines[max(0, first - 15) : first + 15]
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(part)))
            token = _YAML[int(rng.integers(len(_YAML)))]
            words = part[at].split(":")
            words[int(rng.integers(len(words)))] = f" {token}"
            part[at] = ":".join(words)
        text = "\n".join(part)
        if rng.random() < 0.02:
            return (laughs + "rna:\n  rows: *a11\ncell: *a11\n").encode()
        data = text.encode()
        return damaged_bytes(data, rng, whole) if rng.random() < 0.2 else data

    return Target("hardware", "h.yaml", mutate, load_hardware, whole)


def journal() -> Target:
    from rapidnn.search.archive import JOURNAL

    whole = _study()
    lines = [json.loads(line) for line in whole.decode().splitlines()]

    def text(rows: list[Any]) -> bytes:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()

    def mutate(rng: Rng) -> bytes:
        if rng.random() < 0.3:
            return damaged_bytes(whole, rng, whole)
        return text(damaged_json(lines, rng))

    return Target("journal", f"study/{JOURNAL}", mutate, open_journal, whole)


def _study() -> bytes:
    """The journal of a search of two trials, one of them still running."""
    import tempfile

    import optuna

    from rapidnn.search.archive import JOURNAL, Archive, Kind
    from rapidnn.search.study import make_sampler

    with tempfile.TemporaryDirectory() as folder:
        archive = Archive.open(Path(folder), None, 2, lambda: make_sampler("tpe", 0))
        archive.describe(
            Kind(("loss", "energy"), {"w": (4, 16)}, "none", "a network", 10, {}), [], {"trials": 2}
        )
        choices = {"w": optuna.distributions.CategoricalDistribution([4, 16])}
        trial = archive.study.ask(choices)
        attributes = {"figures": {"loss": 0.1, "energy": 2.0}, "samples": 10, "refused": None}
        for name, value in {**attributes, "verified": True, "noise": None}.items():
            trial.set_user_attr(name, value)
        archive.study.tell(trial, [0.1, 2.0])
        archive.study.ask(choices)
        archive.flush()
        return (Path(folder) / JOURNAL).read_bytes()


def open_journal(path: Path) -> object:
    """What a study holds, as ``explore --front`` and ``--resume`` read it."""
    from rapidnn.search.archive import read_study

    for leftover in path.parent.glob("*.lock*"):
        leftover.unlink()
    return read_study(path.parent)
