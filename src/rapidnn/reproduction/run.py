"""reproduce(): the paper's evaluation from end to end, each piece made once and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean

from rapidnn.bench.store import Store
from rapidnn.errors import DataError, HardwareError
from rapidnn.machine.description import load_hardware
from rapidnn.machine.network import DEFAULT_HARDWARE
from rapidnn.machine.peak import peak_points
from rapidnn.reproduction.applications import Application, applications
from rapidnn.reproduction.claims import HEADLINE, MAX_LOSS, OTHERS, Achieved, beside
from rapidnn.reproduction.evaluation import RIVALS, Gain, Judged, gains, judge, means, rival_costs
from rapidnn.reproduction.points import Point, point
from rapidnn.reproduction.result import Reproduction, Row, Sharing
from rapidnn.reproduction.sensitivity import tornado
from rapidnn.reproduction.subject import Progress, prepare

SIZES = tuple((w, u) for w in (4, 16, 64) for u in (4, 16, 64))
QUICK_SIZES = ((4, 4), (16, 16), (64, 64))
QUICK_COST_ONLY = ((16, 16), (64, 64))
SHARED = (1, 2, 4, 8, 16, 32, 64)
"""Channels a block that RNA sharing is tried with."""
STORE = "store"


def reproduce(
    folder: str | Path = "reproduction",
    *,
    quick: bool = False,
    only: Sequence[str] | None = None,
    weights: str | Path | None = None,
    hardware: str | Path = DEFAULT_HARDWARE,
    overrides: Mapping[str, str | float] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Reproduction:
    """The paper's six applications, its claims beside what comes out, RNA sharing, and what the ratios hang on.

    Nothing is fetched: applications whose data set is not at hand (``RAPIDNN_DATA``, or the cache) are cost only.

    Parameters
    ----------
    folder
        Keeps what was trained, composed and counted under the digest of all that decides it; a run that was
        interrupted, however rudely, goes on from there.
    quick
        Shorter trainings on fewer samples and codebooks of equal sizes only: a few minutes on two cores.
    only
        Names of applications; default digits and the paper's six.
    weights
        A folder with weights ``NETWORK.safetensors`` to take instead of training.

    Raises
    ------
    DataError, HardwareError
        If an application or a constant is unknown, the folder cannot be written, or a machine cannot run.
    """
    report = progress or (lambda stage, done, total: None)
    chosen_apps = applications(None if only is None else tuple(only))
    described = load_hardware(hardware, overrides)
    store = make_store(Path(folder))
    given = None if weights is None else Path(weights)
    points = [
        p for a in chosen_apps for p in _points(a, store, given, quick=quick, seed=seed, progress=report)
    ]
    theirs = {p.subject.application.name: rival_costs(p.work) for p in points}
    judged = [judge(p, described) for p in points]
    rows = tuple(_row(j, gains(j.figures, theirs[_name(j.point)], _name(j.point))) for j in judged)
    picked = pick(rows)
    best = {_name(j.point): j for j in judged if picked[_name(j.point)] == (j.point.weights, j.point.inputs)}
    six = [j for j in best.values() if j.point.subject.application.in_paper]
    found = [
        g for row in rows if (row.weights, row.inputs) == picked[row.application] for g in row.gains
        if any(_name(j.point) == row.application for j in six)
    ]  # fmt: skip
    mean_gains = tuple(_mean(found, name) for name in RIVALS) if six else ()
    return Reproduction(
        hardware=str(hardware),
        quick=quick,
        rows=rows,
        chosen=picked,
        mean_gains=mean_gains,
        claims=_claims(rows, picked, found, described),
        sharing=tuple(s for j in best.values() for s in _sharing(j.point, hardware, overrides)),
        tornado=tornado([j.point for j in six], hardware, overrides, report) if six else (),
        notes=_notes(rows, quick=quick),
    )


def pick(rows: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """Codebook sizes by application: least energy within the bound on held-out data; else the least loss.

    An application without quality takes the sizes of the largest product w x u that a trained one took, or the
    largest there are.
    """
    found: dict[str, tuple[int, int]] = {}
    for name in dict.fromkeys(row.application for row in rows):
        judged = [(row.quality, row) for row in rows if row.application == name and row.quality is not None]
        if not judged:
            continue
        meeting = [row for quality, row in judged if quality.validation_loss <= MAX_LOSS]
        least = min(judged, key=lambda pair: pair[0].validation_loss)[1]
        row = min(meeting, key=lambda row: row.energy_pj) if meeting else least
        found[name] = (row.weights, row.inputs)
    largest = max(found.values(), key=lambda pair: pair[0] * pair[1], default=(64, 64))
    for name in dict.fromkeys(row.application for row in rows):
        sizes = [(row.weights, row.inputs) for row in rows if row.application == name]
        found.setdefault(name, largest if largest in sizes else max(sizes))
    return found


def make_store(folder: Path) -> Store:
    """The folder's store of pieces.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    try:
        (folder / STORE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from None
    return Store(folder / STORE)


def _points(
    application: Application,
    store: Store,
    weights: Path | None,
    *,
    quick: bool,
    seed: int,
    progress: Progress,
) -> list[Point]:
    progress(f"prepare {application.name}", 0, 1)
    subject = prepare(application, store, quick=quick, weights=weights, seed=seed, progress=progress)
    sizes = SIZES if not quick else QUICK_SIZES if subject.trained else QUICK_COST_ONLY
    return [point(subject, w, u, store, progress) for w, u in sizes]


def _name(found: Point) -> str:
    return found.subject.application.name


def _row(judged: Judged, found: tuple[Gain, ...]) -> Row:
    p, cost = judged.point, judged.cost
    application = p.subject.application
    return Row(
        application=application.name,
        network=application.network,
        data=application.data or "normal random" if p.subject.trained else "normal random",
        trained=p.subject.trained,
        weights=p.weights,
        inputs=p.inputs,
        quality=p.quality,
        macs=p.work.macs,
        energy_pj=cost.energy_pj,
        energy_pj_per_mac=cost.energy_pj / p.work.macs,
        latency_ns=cost.latency_ns,
        interval_ns=judged.figures.interval_ns,
        area_mm2=judged.figures.area_mm2,
        chips=cost.chips,
        blocks_used=cost.blocks_used,
        kib_per_neuron=cost.kib_per_neuron,
        gains=found,
    )


def _mean(found: Sequence[Gain], rival: str) -> Gain:
    chosen = [gain for gain in found if gain.rival == rival]
    kinds = (
        geometric_mean(getattr(g, kind) for g in chosen)
        for kind in ("speed", "energy", "latency", "capacity_speed")
    )
    return Gain(f"mean of {len(chosen)}", rival, *kinds)


def _claims(
    rows: Sequence[Row], picked: Mapping[str, tuple[int, int]], found: Sequence[Gain], described: object
) -> tuple[Achieved, ...]:
    from rapidnn.machine.comparison import compared
    from rapidnn.machine.records import Hardware

    assert isinstance(described, Hardware)
    result = []
    for claim in (*HEADLINE, *OTHERS):
        kind, _, rival = claim.name.partition(" over ")
        speed, energy = means(found, rival) if found else (None, None)
        result.append(beside(claim, speed if kind == "speed" else energy))
    losses = [
        row.quality.loss for row in rows
        if row.quality is not None and (row.weights, row.inputs) == picked[row.application]
    ]  # fmt: skip
    if losses:
        worst = max(losses)
        result.append(
            Achieved(
                "largest loss",
                "share",
                MAX_LOSS,
                worst,
                worst / MAX_LOSS,
                "seen",
                "abstract, HPCA 2020: < 0.5 %",
            )
        )
    peak = peak_points(described)
    figures = {"kib_per_neuron": max(row.kib_per_neuron for row in rows)}
    if peak:
        figures |= {"peak_gops_per_s_mm2": peak[0].gops_per_s_mm2, "peak_gops_per_s_w": peak[0].gops_per_s_w}
    for stated in compared(described, figures):
        result.append(
            Achieved(
                stated.name,
                stated.unit,
                stated.stated,
                stated.achieved,
                stated.ratio,
                stated.confidence,
                stated.source,
            )
        )
    return tuple(result)


def _sharing(
    found: Point, hardware: str | Path, overrides: Mapping[str, str | float] | None
) -> list[Sharing]:
    result = []
    for shared in SHARED:
        name = _name(found)
        try:
            changed = load_hardware(hardware, {**(overrides or {}), "rna.neurons_per_block": shared})
            cost = judge(found, changed).cost
        except HardwareError as error:
            result.append(Sharing(name, shared, 0, 0.0, 0.0, 0.0, 0.0, 0.0, str(error)))
            continue
        result.append(
            Sharing(
                name,
                shared,
                cost.blocks_used,
                cost.latency_ns,
                cost.throughput_per_s,
                cost.energy_pj,
                cost.used_area_um2 / 1e6,
                cost.kib_per_neuron,
                None,
            )
        )
    return result


def _notes(rows: Sequence[Row], *, quick: bool) -> tuple[str, ...]:
    untrained = sorted({row.application for row in rows if not row.trained})
    notes = []
    if untrained:
        notes.append(
            f"cost only, random weights on random inputs: {', '.join(untrained)}; their quality is not known"
        )
    if quick:
        notes.append(
            "quick: short trainings on fewer samples, so float accuracies are below what the recipes reach"
        )
    notes.append("speed is throughput on the same silicon, whole chips, each machine at its own node")
    return tuple(notes)
