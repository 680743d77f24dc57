from __future__ import annotations

from pathlib import Path

import pytest

from rapidnn.errors import ModelError
from rapidnn.frontends import onnx_coverage
from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.registry import handler_table
from rapidnn.graph import ops

PAGE = Path(__file__).parents[2] / "docs" / "onnx.md"
QUICK = ("Conv", "ConvTranspose", "Gather", "Gelu", "Reshape", "Softmax", "Transpose")


def rows(table: str) -> dict[str, str]:
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return {line.split("|")[1].strip(): line for line in lines}


def test_the_page_is_up_to_date_for_some_operators() -> None:
    outcomes = [onnx_coverage.run_case(case) for case in onnx_coverage.cases(QUICK)]
    assert not [outcome for outcome in outcomes if outcome.result == "fails"]
    page = rows(PAGE.read_text(encoding="utf-8"))
    found = rows(onnx_coverage.table(outcomes))
    assert {name: page.get(name) for name in QUICK} == {name: found[name] for name in QUICK}


@pytest.mark.slow
def test_the_whole_page_is_up_to_date() -> None:
    outcomes = [onnx_coverage.run_case(case) for case in onnx_coverage.cases()]
    assert not [outcome for outcome in outcomes if outcome.result == "fails"]
    page = PAGE.read_text(encoding="utf-8")
    assert onnx_coverage.updated(page, onnx_coverage.table(outcomes)) == page
    tested = {outcome.operator for outcome in outcomes if outcome.result == "passes"}
    elsewhere = {
        "Cast",
        "CastLike",
        "ConcatFromSequence",
        "Pad",
        "SequenceAt",
        "SequenceConstruct",
        "SplitToSequence",
    }
    assert set(handler_table()) - tested <= elsewhere | {"Tile"}  # these have tests of our own


def test_a_wrong_handler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(ctx: NodeContext) -> str:
        return ctx.emit(ops.Activation("relu"), ctx.edge(0))

    monkeypatch.setitem(handler_table(), "HardSwish", wrong)
    (case,) = onnx_coverage.cases(["HardSwish"])
    outcome = onnx_coverage.run_case(case)
    assert (outcome.result, outcome.reason[:6]) == ("fails", "off by")
    assert f"FAILS {case.name}" in onnx_coverage.table([outcome])


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ModelError, match="no markers"):
        onnx_coverage.updated("text", "table")
