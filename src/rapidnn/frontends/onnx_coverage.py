"""The ONNX project's own node tests through our float graph: ``python -m rapidnn.frontends.onnx_coverage``.

Writes the table of ``docs/onnx.md`` anew: for every operator we take, how many of its tests pass, how many are refused
and why.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import ModelError, RapidnnError
from rapidnn.frontends.builder import Constant, SequenceValue
from rapidnn.frontends.layout import Layout
from rapidnn.frontends.parse import Walk
from rapidnn.frontends.quiet import quiet
from rapidnn.frontends.registry import REFUSED, handler_table
from rapidnn.graph.float_exec import run_float
from rapidnn.graph.ir import Graph
from rapidnn.graph.ops import Input, Reshape, Slice
from rapidnn.graph.passes import run_passes

if TYPE_CHECKING:
    import onnx_ir as ir

BEGIN, END = "<!-- coverage: begin -->", "<!-- coverage: end -->"
_PAGE = Path("docs/onnx.md")


@dataclass(frozen=True)
class Outcome:
    """What became of one node test: ``result`` is ``passes``, ``refused`` or ``fails``."""

    test: str
    operator: str
    result: str
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """A node test of one operator: its ONNX model and arrays."""

    name: str
    operator: str
    model: Any
    inputs: tuple[NDArray[Any], ...]
    outputs: tuple[NDArray[Any], ...]
    rtol: float
    atol: float


def cases(operators: Iterable[str] | None = None) -> list[Case]:
    """The node tests of these operators (default: of all that have a handler), in order of operator and name.

    Tests of several operators in one model, and ONNX's expansions of functions, are left out.
    """
    from onnx.backend.test.case.node import collect_testcases

    wanted = set(handler_table() if operators is None else operators)
    with quiet():
        found: list[Any] = list(collect_testcases(None))
    result = []
    for case in found:
        kinds = {node.op_type for node in case.model.graph.node}
        if len(case.model.graph.node) == 1 and kinds <= wanted and "_expanded" not in case.name:
            inputs, outputs = (tuple(map(_array, values)) for values in case.data_sets[0])
            (operator,) = kinds
            result.append(Case(case.name, operator, case.model, inputs, outputs, case.rtol, case.atol))
    return sorted(result, key=lambda case: (case.operator, case.name))


def run_case(case: Case) -> Outcome:
    """Run a test in the first of several readings that is not refused.

    Its first input is a batch and the others are constants; all inputs are batches, cut from one; the first input
    is one sample, its batch of one merged with any of its axes.
    """
    reasons = []
    for packed, axis in _readings(case):
        try:
            wrong = _run(case, packed, axis)
        except RapidnnError as error:
            reasons.append(_reason(str(error)))
            continue
        except Exception as error:  # a test that breaks us is what this module is to find
            return Outcome(case.name, case.operator, "fails", f"{type(error).__name__}: {error}")
        return Outcome(case.name, case.operator, "fails" if wrong else "passes", wrong)
    return Outcome(case.name, case.operator, "refused", reasons[0])


def table(outcomes: Sequence[Outcome]) -> str:
    """The Markdown table: one row an operator, refusals with their reasons."""
    rows = ["| operator | pass | refused | why refused |", "|---|---|---|---|"]
    for operator in sorted({outcome.operator for outcome in outcomes}):
        mine = [outcome for outcome in outcomes if outcome.operator == operator]
        reasons = Counter(outcome.reason for outcome in mine if outcome.result == "refused")
        shown = "; ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items()))
        counts = Counter(outcome.result for outcome in mine)
        rows.append(f"| {operator} | {counts['passes']} | {counts['refused']} | {shown} |")
        rows += [f"| | | | FAILS {o.test}: {o.reason} |" for o in mine if o.result == "fails"]
    total = Counter(outcome.result for outcome in outcomes)
    rows.append(f"| **all** | **{total['passes']}** | **{total['refused']}** | |")
    rows += ["", "Refused whatever their attributes:", ""]
    rows += [f"- `{operator}`: {reason}." for operator, reason in sorted(REFUSED.items())]
    return "\n".join(rows)


def updated(page: str, content: str) -> str:
    """The page with the part between its markers replaced.

    Raises
    ------
    ModelError
        If the page has no markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ModelError(f"the page has no markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{content}\n{END}{after}"


class _TestWalk(Walk):
    """A walk over a test's model, whose inputs are given as constants and activations."""

    case: Case
    packed: bool
    axis: int

    def begin(self) -> None:
        """One input of the graph for all activations, constants for the rest."""
        sources = list(self.model.graph.inputs)
        start, edge = 0, self.builder.add("samples", Input(self.sample_shape), ())
        for k, (value, array) in enumerate(zip(sources, self.case.inputs, strict=True)):
            if not self.packed and k == 0:
                if self.axis:
                    self.builder.layouts[edge] = Layout(self.axis, self.axis, self.axis + 1)
                self.learn(value, edge)
            elif self.packed:
                size = int(np.prod(array.shape[1:], dtype=np.int64))
                piece = self.builder.add(f"piece{k}", Slice((start,), (start + size,), (1,)), (edge,))
                self.learn(value, self.builder.add(f"input{k}", Reshape(array.shape[1:]), (piece,)))
                start += size
            else:
                self.known[value] = Constant(value.name or "constant", array)


def _run(case: Case, packed: bool, axis: int) -> str:
    """Empty, or what is wrong with the result."""
    import onnx_ir as ir

    if not case.inputs or not all(isinstance(array, np.ndarray | np.generic) for array in case.inputs):
        raise ModelError("a network's input is one tensor, not a sequence or nothing")
    first = case.inputs[0]
    if any(array.dtype != np.float32 for array in case.inputs[: None if packed else 1]):
        raise ModelError("activations must be float32")
    if not first.ndim:
        raise ModelError("a single number has no batch")
    x = first if not packed else np.concatenate([a.reshape(len(a), -1) for a in case.inputs], axis=1)
    if not x.size:
        raise ModelError("empty values are not supported")
    x = x[np.newaxis] if axis else x
    model = ir.serde.deserialize_model(case.model)
    if case.operator not in ("Split",):
        while len(model.graph.outputs) > 1:
            model.graph.outputs.pop()
    walk = _TestWalk(model, len(x), x.shape[1:])
    walk.case, walk.packed, walk.axis = case, packed, axis
    walk.run()
    for visit in walk.visits:
        if visit.refused:
            raise ModelError(visit.refused)
    for value, wanted in zip(model.graph.outputs, case.outputs, strict=False):
        wrong = _compare(walk, value, x, wanted, case)
        if wrong:
            return wrong
    return ""


def _compare(
    walk: _TestWalk, value: ir.Value, x: NDArray[np.float32], wanted: NDArray[Any], case: Case
) -> str:
    known = walk.known.get(value)
    if isinstance(known, SequenceValue):
        raise ModelError("a network's output is one tensor, not a sequence")
    if isinstance(known, Constant):
        found = known.array
    elif walk.axis:
        assert isinstance(known, str)
        graph = run_passes(Graph(tuple(walk.builder.nodes), known))
        found = run_float(graph, x).reshape(walk.builder.full_shape(known))
    else:
        found = run_float(run_passes(walk.parsed_for(value).graph), x)
    if found.shape != wanted.shape:
        return f"shape {found.shape} instead of {wanted.shape}"
    if not np.allclose(found, wanted, rtol=case.rtol, atol=max(case.atol, 1e-6)):
        return f"off by {np.abs(found - wanted).max():.3g}"
    return ""


def _readings(case: Case) -> list[tuple[bool, int]]:
    """(all inputs are activations, axis the batch is merged with; 0: the first axis is the batch)."""
    arrays = case.inputs
    readings = [(False, 0)]
    if not all(isinstance(a, np.ndarray) for a in arrays):
        return readings
    if len(arrays) > 1 and all(
        a.dtype == np.float32 and a.ndim and len(a) == len(arrays[0]) and a.size for a in arrays
    ):
        readings.append((True, 0))
    return readings + [(False, axis) for axis in range(1, arrays[0].ndim if arrays else 0)]


def _array(value: Any) -> Any:
    """A test's value as an array, where it is a tensor."""
    import onnx

    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _reason(message: str) -> str:
    """A refusal without the names and numbers of the test."""
    message = re.sub(r"^operator '\w+' at node '[^']*': ", "", message)
    message = re.sub(r"^node '[^']*' \(\w+\) ", "", message)
    message = re.sub(r"(tensor|divisor|its input) '[^']*'( of node '[^']*')?", r"\1", message)
    message = re.sub(r"[(\[][-\d., ]*[)\]]", "(..)", message)
    return re.sub(r"(?<![\w.])-?\d[\d.e+-]*", "n", message).replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    """Run all tests and rewrite the page given (default ``docs/onnx.md``); 1 if a test fails."""
    page = Path(arguments[0]) if arguments else _PAGE
    outcomes = [run_case(case) for case in cases()]
    page.write_text(updated(page.read_text(encoding="utf-8"), table(outcomes)), encoding="utf-8")
    failed = [outcome for outcome in outcomes if outcome.result == "fails"]
    for outcome in failed:
        print(f"{outcome.test}: {outcome.reason}", file=sys.stderr)
    counts = Counter(outcome.result for outcome in outcomes)
    print(f"{page}: {counts['passes']} pass, {counts['refused']} refused, {len(failed)} fail")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
