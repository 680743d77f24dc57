"""One small layer worked by hand in docs/rivals.md, for each rival: the models and the page say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rapidnn.rivals.machines import rival, rival_names
from rapidnn.rivals.work import LayerWork, Workload

PAGE = re.sub(r"\s+", " ", (Path(__file__).parents[2] / "docs" / "rivals.md").read_text(encoding="utf-8"))
SMALL = Workload((LayerWork("fc", 300, 20, 1, 1, 300, 20, 1.0),))

BY_HAND = {
    # units and copies, interval ns, latency ns, energy pJ, and what the page prints of them
    "isaac": (
        6,
        2688,
        0.59524,
        3800.0,
        39_172,
        ("16,128 / 6 = 2,688", "0.59524 ns", "6,190.5 pJ", "39,172 pJ"),
    ),
    "pipelayer": (3, 2341, 0.20032, 468.96, 171_979, ("7,024 / 3 = 2,341", "0.20032 ns", "171,979 pJ")),
    "dadiannao": (1, 1, 28.053, 28.053, 564_227, ("28.053 ns", "564,227 pJ")),
    "eyeriss": (1, 1, 563.32, 563.32, 139_663, ("563.32 ns", "139,663 pJ")),
    "gtx1080": (1, 1, 5.1719, 5079.0, 930_938, ("5.1719 ns", "5,079 ns", "930,938 pJ")),
    "h200": (1, 1, 0.086198, 5001.317, 60_339, ("0.086198 ns", "5,001.3 ns", "60,339 pJ")),
}


@pytest.mark.parametrize("name", rival_names())
def test_the_small_layer(name):
    units, copies, interval, latency, energy, printed = BY_HAND[name]
    cost = rival(name).estimate(SMALL)
    assert (cost.stages[0].units, cost.network_copies) == (units, copies)
    assert cost.interval_ns == pytest.approx(interval, rel=3e-5)
    assert cost.latency_ns == pytest.approx(latency, rel=1e-5)
    assert cost.energy_pj == pytest.approx(energy, rel=2e-5)
    for figure in printed:
        assert figure in PAGE
