"""The headline study on stand-ins of the six applications: what it says follows from what it found."""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import geometric_mean

import jsonschema
import pytest

from rapidnn.cli import schemas
from rapidnn.cli.main import exit_code
from rapidnn.reproduction import headline
from rapidnn.reproduction.applications import DIGITS, SIX
from rapidnn.reproduction.claims import HEADLINE
from rapidnn.reproduction.headline import LookupPoint, front, shares
from rapidnn.reproduction.headline_page import page
from rapidnn.reproduction.lookup import Design


@pytest.fixture(scope="module")
def found(folder):
    with pytest.MonkeyPatch.context() as patch:
        stand_ins = (replace(DIGITS, in_paper=True), replace(SIX[2], data=None))
        patch.setattr(headline, "applications", lambda: stand_ins)
        patch.setattr(headline, "SIZES", ((4, 4), (16, 16)))
        patch.setattr(headline, "LEVERS", {"rna.columns": (128, 256), "delivery.mode": ("gather",)})
        patch.setattr(headline, "GROUPS", (1, 2))
        patch.setattr(headline, "NEURONS", (16,))
        patch.setattr(headline, "SHARED", (1, 8))
        return folder, headline.study(folder / "out", weights=folder / "weights")


def test_the_descent_only_gains(found):
    _, study = found
    scores = [step.score for step in study.path]
    assert scores == sorted(scores)
    assert study.best.score == scores[-1]
    assert study.path[0] == study.default
    assert study.default.score == pytest.approx(geometric_mean(shares(study.default.ratios)))


def test_cost_only_takes_the_sizes_of_the_trained(found):
    _, study = found
    digits, har = study.chosen
    assert (har.weights, har.inputs) == (digits.weights, digits.inputs)
    assert har.loss is None
    assert not har.met
    assert digits.met == (digits.validation_loss <= 0.005)


def test_a_chip_for_each_layer_is_no_worse_than_its_own_idea_taken_away(found):
    _, study = found
    ideas = {step.change: step for step in study.lookup_levers}
    assert ideas["all ideas"].ratios == pytest.approx(study.laid_out.ratios)
    assert ideas["zeros looked up like other codes"].score < ideas["all ideas"].score
    assert sum(study.lookup_components.values()) == pytest.approx(1)


def test_the_page_holds_what_was_found(found):
    _, study = found
    text = page(study, quick=True)
    for ratio in (*study.best.ratios, *study.laid_out.ratios):
        assert f"{ratio:.3g}x" in text
    assert "quick run" in text
    assert "digits" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120


def test_the_front_has_no_beaten_point():
    points = [LookupPoint(Design(), (e, 1.0, s, 1.0)) for e, s in ((3, 1), (2, 2), (2, 1), (1, 3), (3, 0.5))]
    assert [(p.ratios[0], p.ratios[2]) for p in front(points)] == [(3, 1), (2, 2), (1, 3)]


def test_the_claims_are_in_the_order_of_the_ratios():
    assert [claim.stated for claim in HEADLINE] == [68.4, 49.5, 48.1, 10.9]
    assert shares((68.4, 99.0, 48.1, 5.45)) == pytest.approx((1, 2, 1, 0.5))


def test_the_command_writes_the_page(found, monkeypatch, capsys, tmp_path):
    folder, study = found
    monkeypatch.setattr(headline, "study", lambda *args, **more: study)
    target = tmp_path / "page.md"
    assert exit_code(["reproduce", "--headline", "-o", str(folder), "--page", str(target), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((schemas.folder() / "reproduce-headline.json").read_text())
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    assert target.read_text() == page(study, quick=False)
