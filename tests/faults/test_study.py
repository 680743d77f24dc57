"""Studies: repeatable, honest about what they counted, refused where they make no sense; remedies pay."""

import json

import jsonschema
import numpy as np
import pytest

import rapidnn
from rapidnn.cli import schemas
from rapidnn.errors import DataError
from rapidnn.reliability.adder import disturber
from rapidnn.reliability.models import KINDS
from rapidnn.reliability.remedy import REMEDIES, Remedy
from rapidnn.reliability.wear import wear
from tests.cli.conftest import demo, run_cli, run_json  # noqa: F401 - demo is a fixture
from tests.execute.test_with_products import residual_network


@pytest.fixture(scope="module")
def subject():
    composed, x = residual_network()
    return composed, x, composed(x).argmax(axis=1)


def test_a_study_repeats_itself(subject):
    first, second = (
        rapidnn.faults(*subject, rates=[1e-3, 1e-2], maps=4, remedies=["none", "permute"], by=["layer", "bit"], seed=5)
        for _ in range(2)
    )  # fmt: skip
    assert first.points == second.points
    assert first.by_layer == second.by_layer
    assert first.clean_accuracy == 1.0
    assert [p.remedy for p in first.points] == ["none", "none", "permute", "permute"]
    assert first.most_fragile in {p.layer for p in first.by_layer}
    assert len(first.by_bit) == 16
    none, permuted = first.points[1], first.points[3]
    assert permuted.wrong_mean < none.wrong_mean
    assert none.loss_low_95 <= none.loss_mean <= none.loss_high_95
    other = rapidnn.faults(*subject, rates=[1e-2], maps=4, seed=6)
    assert other.points[0] != none


def test_no_faults_no_loss(subject):
    for kind in KINDS:
        study = rapidnn.faults(*subject, kind=kind, rates=[0.0], maps=1)
        assert study.points[0].loss_mean == 0, kind


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_hurts_at_its_worst(subject, kind):
    study = rapidnn.faults(*subject, kind=kind, rates=[0.01 if kind == "adder" else 0.9], maps=2)
    assert study.points[0].loss_mean > 0.1


@pytest.mark.parametrize("name", sorted(set(REMEDIES) - {"none"}))
def test_remedies_restore_and_cost(subject, name):
    kind = REMEDIES[name].against[0]
    rate = {"block": 0.2}.get(kind, 0.002)
    parameter = {"spare-blocks": "=0.9", "spare-rows": "=20"}.get(name, "")
    study = rapidnn.faults(*subject, kind=kind, rates=[rate], maps=6, remedies=["none", name + parameter])
    none, with_it = study.points
    assert with_it.loss_mean <= none.loss_mean
    if name != "parity":  # what it notices is still wrong
        assert with_it.wrong_mean < none.wrong_mean
    free, price = study.costs
    assert free.energy_share == free.area_share == free.programming_pj == 0
    assert price.energy_share + price.area_share + price.programming_pj > 0


def test_refreshes_share_the_decay():
    left = Remedy.parse("refresh=9", "retention").residual_rate(0.1)
    assert 1 - (1 - left) ** 10 == pytest.approx(0.1)
    assert Remedy.parse("write-verify=3", "write").residual_rate(0.1) == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "cosmic"}, "fault kind 'cosmic' is unknown; known: stuck"),
        ({"rates": [2.0]}, "expected numbers from 0 to 1"),
        ({"rates": [float("nan")]}, "expected numbers from 0 to 1"),
        ({"rates": []}, "expected numbers from 0 to 1"),
        ({"maps": 0}, "at least one fault map"),
        ({"layers": ["nope"]}, "layer 'nope' has no product tables; there are"),
        ({"structures": ["nope"]}, "is no part of a block"),
        ({"remedies": ["prayer"]}, "remedy 'prayer' is unknown"),
        ({"remedies": ["refresh"]}, "does nothing against faults of kind 'stuck'; against it: permute"),
        ({"remedies": ["permute=2"]}, "takes no parameter"),
        ({"remedies": ["spare-rows=1.5"]}, "are a whole number"),
        ({"remedies": ["spare-rows=-1"]}, "above 0"),
        ({"kind": "search", "remedies": ["permute"]}, "there is none against it"),
        ({"by": ["colour"]}, "expected layer or bit"),
        ({"kind": "block", "by": ["bit"]}, "have no bits"),
    ],
)
def test_refusals(subject, options, message):
    with pytest.raises(DataError, match=message):
        rapidnn.faults(*subject, **options)


def test_wrong_gates_disturb_sums_within_the_word(subject):
    composed, _, _ = subject
    step = next(s for s in composed.program.steps if hasattr(s, "weight_codes"))
    edge = np.zeros((50, step.channels, 4, 4), np.int32)
    disturber(composed.program, {step.name: 100.0}, 1e-3, np.random.default_rng(0))(step.name, edge)
    changed = edge[edge != 0]
    assert abs(len(changed) - edge.size * 0.1) < 0.05 * edge.size
    half = 2 ** int(step.bound).bit_length()
    assert changed.min() >= -half
    assert changed.max() < half
    disturber(composed.program, {}, 1.0, np.random.default_rng(0))(step.name, edge)


def test_wear(subject):
    x = {"inputs_per_s": 1000.0, "maps": 3, "seed": 1}
    new, old = wear(*subject, years=[0, 1e6], **x).points
    assert (new.dead_share, new.loss_mean) == (0, 0)
    assert old.dead_share == 1
    assert old.loss_mean > 0.1
    worn = new_to_dead_years(subject)
    one, many = (wear(*subject, years=[worn], scratch_groups=n, **x).points[0].dead_share for n in (1, 20))
    assert one > many
    spared = wear(*subject, years=[worn], spare_blocks=1.0, **x).points[0]
    assert (spared.dead_share, spared.dead_share_after_spares) == (one, 0)
    # Without spread every block of a layer dies when its hottest cell has taken what it stands.
    study = wear(*subject, years=[0], endurance_sigma=0.0, **x)
    least = min(study.endurance_writes / w for w in study.writes_per_input.values()) / 1000 / 31557600
    early, late = wear(*subject, years=[0.99 * least, 1.01 * least], endurance_sigma=0.0, **x).points
    assert early.dead_share == 0 < late.dead_share
    with pytest.raises(DataError, match="years"):
        wear(*subject, years=[-1], inputs_per_s=1)


def new_to_dead_years(subject):
    """Years at 1000 inputs/s until the median cell of the busiest layer is worn out."""
    study = wear(*subject, years=[0], inputs_per_s=1000.0, maps=1)
    return study.endurance_writes / max(study.writes_per_input.values()) / 1000 / 31557600


def test_command(demo):  # noqa: F811
    artifact = demo[0] / "digits-cnn.rapidnn"
    schema = json.loads((schemas.folder() / "faults.json").read_text())
    common = ["faults", artifact, "--limit", "50", "--maps", "2"]
    document = run_json(*common, "--rates", "1e-3", "--remedies", "none,permute", "--by", "layer")
    jsonschema.validate(document, schema)
    assert document["result"]["study"]["samples"] == 50
    document = run_json(*common, "--years", "0.1,1")
    jsonschema.validate(document, schema)
    assert [p["years"] for p in document["result"]["wear"]["points"]] == [0.1, 1]
    shown = run_cli(*common, "--rates", "1e-3", "--by", "bit", check=0).stdout
    assert "one bit of every product word damaged" in shown
    assert "--rates 'x'" in run_cli(*common, "--rates", "x", check=2).stderr
