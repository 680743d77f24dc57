"""A reproduction of a small application that is always at hand, without training and without the other networks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rapidnn.networks import build, save_weights
from rapidnn.reproduction import applications, run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with weights for the digits network: quickly made, so not good ones."""
    from rapidnn.data import load_data
    from rapidnn.networks import train as training

    place = tmp_path_factory.mktemp("reproduction")
    module = build("digits-cnn", 0)
    how = replace(training.recipe("digits-cnn"), epochs=2)
    training.train(module, load_data("digits"), how, seed=0)
    (place / "weights").mkdir()
    save_weights(module, place / "weights" / "digits-cnn.safetensors")
    return place


FEW = ("adc_mw", "cycle", "crossbar.write_pj_32b", "rna.cycle_ns", "logic.nor_fj")


@pytest.fixture(scope="session", autouse=True)
def few_constants():
    """The tornado of a few constants: each of the two hundred ends takes some ten milliseconds."""
    from rapidnn.reproduction import sensitivity

    own, rivals = sensitivity._own, sensitivity._rivals
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sensitivity, "_own", lambda base: [job for job in own(base) if job[1] in FEW])
        patch.setattr(sensitivity, "_rivals", lambda: [job for job in rivals() if job[1] in FEW])
        yield own, rivals


@pytest.fixture
def small(monkeypatch):
    """Digits count as one of the six, at two sizes, beside HAR's network, which is cost only."""
    digits = replace(applications.DIGITS, in_paper=True)
    unknown = replace(applications.SIX[2], data=None)
    monkeypatch.setattr(applications, "applications", lambda names=None: (digits, unknown))
    monkeypatch.setattr(run, "applications", lambda names=None: (digits, unknown))
    monkeypatch.setattr(run, "SIZES", ((4, 4), (16, 16)))
    monkeypatch.setattr(run, "SHARED", (1, 8))
    return digits, unknown
