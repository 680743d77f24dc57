"""reproduce(): pieces are kept and taken again, gains follow from the costs, and what has no data is cost only."""

from __future__ import annotations

import json
from statistics import geometric_mean

import jsonschema
import pytest

import rapidnn
from rapidnn.cli import schemas
from rapidnn.cli.main import exit_code
from rapidnn.errors import DataError
from rapidnn.machine.description import load_hardware
from rapidnn.reproduction.applications import SIX, applications, available
from rapidnn.reproduction.claims import HEADLINE, MAX_LOSS
from rapidnn.reproduction.evaluation import judge
from rapidnn.reproduction.points import Quality
from rapidnn.reproduction.result import Row
from rapidnn.reproduction.run import pick


@pytest.fixture(scope="module")
def found(folder):
    with pytest.MonkeyPatch.context() as patch:
        from dataclasses import replace

        from rapidnn.reproduction import run
        from rapidnn.reproduction.applications import DIGITS

        apps = (replace(DIGITS, in_paper=True), replace(SIX[2], data=None))
        patch.setattr(run, "applications", lambda names=None: apps)
        patch.setattr(run, "SIZES", ((4, 4), (16, 16)))
        patch.setattr(run, "SHARED", (1, 8))
        return rapidnn.reproduce(folder / "out", weights=folder / "weights")


def test_what_has_data_is_judged_and_the_rest_is_cost_only(found):
    assert [(row.application, row.weights, row.trained) for row in found.rows] == [
        ("digits", 4, True),
        ("digits", 16, True),
        ("HAR", 4, False),
        ("HAR", 16, False),
    ]
    digits, har = found.rows[1], found.rows[3]
    assert digits.quality is not None
    assert digits.quality.loss == pytest.approx(digits.quality.float_accuracy - digits.quality.accuracy)
    assert har.quality is None
    assert any("cost only" in note and "HAR" in note for note in found.notes)


def test_gains_follow_from_the_figures(found):
    row = found.rows[1]
    isaac = next(gain for gain in row.gains if gain.rival == "isaac")
    composed_pj = isaac.energy * row.energy_pj
    assert composed_pj > 0
    chosen = [r for r in found.rows if found.chosen[r.application] == (r.weights, r.inputs)]
    energies = [next(g.energy for g in r.gains if g.rival == "isaac") for r in chosen]
    mean = next(g for g in found.mean_gains if g.rival == "isaac")
    assert mean.energy == pytest.approx(geometric_mean(energies))
    stated = {claim.name: claim for claim in found.claims}
    for claim in HEADLINE:
        assert stated[claim.name].ratio == pytest.approx(stated[claim.name].achieved / claim.stated)
    assert stated["energy over isaac"].achieved == pytest.approx(mean.energy)


def test_the_tornado_is_sorted_and_names_what_moves(found):
    spans = [swing.span for swing in found.tornado]
    assert spans == sorted(spans, reverse=True)
    assert min(spans) > 1
    named = {(swing.machine, swing.constant) for swing in found.tornado}
    assert ("isaac", "adc_mw") in named
    assert ("rapidnn-hpca20", "crossbar.write_pj_32b") in named
    # A claim is no assumption of the machine.
    assert not any(constant.startswith(("claims.", "recalled.")) for _, constant in named)
    cycle = next(s for s in found.tornado if s.constant == "rna.cycle_ns")
    # A longer cycle slows us and leaves the energy: speed gains fall in proportion.
    speeds = [at[0] for at in (cycle.at_low, cycle.at_high)]
    assert speeds[0] > speeds[1]


def test_every_constant_of_the_three_machines_is_tried(few_constants):
    own, rivals = few_constants
    base = load_hardware("rapidnn-hpca20")
    names = [name for _, name, _ in own(base)]
    assert {"wire.pj_per_bit_mm", "cell.area_f2", "counters.area_um2_32b", "logic.init_fj"} <= set(names)
    assert "compressors.magic-13.cycles" in names
    # A programme that is not used, a claim and a design choice are no assumptions of the result.
    assert not {"compressors.nor-10.cycles", "claims.peak_gops_per_s_w", "rna.rows"} & set(names)
    assert {machine for machine, _, _ in rivals()} == {"isaac", "pipelayer"}


def test_sharing_trades_blocks_for_time(found):
    one, eight = (s for s in found.sharing if s.application == "digits")
    assert eight.blocks_used < one.blocks_used
    assert eight.latency_ns > one.latency_ns


def test_a_second_run_makes_nothing_anew(folder, found, small, monkeypatch):
    from rapidnn.reproduction import points

    def refuse(*args, **more):
        raise AssertionError("made anew")

    for name in ("compose", "collect_statistics", "evaluate"):
        monkeypatch.setattr(points, name, refuse)
    again = rapidnn.reproduce(folder / "out", weights=folder / "weights")
    assert again.to_json() == found.to_json()


def test_a_piece_that_is_lost_is_made_again(folder, found, small):
    store = folder / "out" / "store"
    for lost in store.glob("*.statistics.json"):
        lost.unlink()
    (store / ".half-written.part").write_bytes(b"what a killed run leaves")
    assert rapidnn.reproduce(folder / "out", weights=folder / "weights").to_json() == found.to_json()


def test_the_command_writes_what_it_prints(folder, small, capsys):
    command = ["reproduce", "-o", str(folder / "out"), "--weights", str(folder / "weights")]
    assert exit_code([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((schemas.folder() / "reproduce.json").read_text())
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    files = document["result"]["files"]
    assert json.loads((folder / "out" / "reproduction.json").read_text()) == document["result"]
    page = (folder / "out" / "reproduction.html").read_text()
    assert "Claimed beside achieved" in page
    assert "tornado-ends-spec" in page
    assert files["csv"].endswith("reproduction.csv")
    assert exit_code(command) == 0
    shown = capsys.readouterr().out
    assert "cost only" in shown
    assert "68.4" in shown


def test_bad_arguments_are_refused(tmp_path, capsys):
    with pytest.raises(DataError, match="application 'SVHN' is unknown"):
        rapidnn.reproduce(tmp_path / "x", only=["SVHN"])
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        rapidnn.reproduce(tmp_path / "file", only=["digits"])
    assert exit_code(["reproduce", "--page", "x.md"]) == 2
    assert "--headline" in capsys.readouterr().err
    assert exit_code(["reproduce", "--headline", "--only", "MNIST"]) == 2
    assert exit_code(["reproduce", "--weights", str(tmp_path / "none")]) == 2


def test_data_at_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("RAPIDNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RAPIDNN_DATA", str(tmp_path))
    assert available("digits")
    assert not available("mnist")
    assert not available(None)
    assert [a.network for a in applications(("har",))] == ["har-mlp"]
    (tmp_path / "har-inertial.npz").write_bytes(b"")
    assert [a.network for a in applications(("HAR",))] == ["har-inertial-mlp"]
    assert next(a.name for a in applications()) == "digits"
    assert sum(a.in_paper for a in applications()) == 6


def row(name, sizes, energy, loss):
    quality = None if loss is None else Quality(100, 0.9, 0.9 - loss, loss, loss, 100)
    return Row(
        name, "n", "d", loss is not None, *sizes, quality, 1, energy, 1.0, 1.0, 1.0, 1.0, 1, 1, 1.0, ()
    )


def test_sizes_are_picked_by_held_out_loss_and_energy():
    rows = [
        row("A", (4, 4), 1.0, 2 * MAX_LOSS),
        row("A", (16, 16), 2.0, MAX_LOSS),
        row("A", (64, 64), 3.0, 0.0),
        row("B", (4, 4), 1.0, 0.3),
        row("B", (16, 16), 2.0, 0.2),
        row("C", (4, 4), 1.0, None),
        row("C", (16, 16), 2.0, None),
        row("C", (64, 64), 2.0, None),
    ]
    assert pick(rows) == {"A": (16, 16), "B": (16, 16), "C": (16, 16)}


def test_judging_is_the_machine_model(folder, small, found):
    from rapidnn.bench.store import Store
    from rapidnn.reproduction.points import point
    from rapidnn.reproduction.subject import prepare

    store = Store(folder / "out" / "store")
    subject = prepare(small[0], store, weights=folder / "weights")
    judged = judge(point(subject, 16, 16, store), load_hardware("rapidnn-hpca20"))
    assert judged.cost.energy_pj == pytest.approx(found.rows[1].energy_pj)
