"""What an export cannot take along, said before anything is written."""

from __future__ import annotations

from rapidnn.errors import ModelError
from rapidnn.graph import ops
from rapidnn.tables.program import EncodeReal, Host, Program


def refuse_host(program: Program, kind: str) -> None:
    """Raise ModelError if an operator runs on the host: its float arithmetic has no table form."""
    for step in program.steps:
        if isinstance(step, Host | EncodeReal):
            name = ops.op_name(step.op) if isinstance(step, Host) else "an encoding of its result"
            raise ModelError(
                f"step {step.name!r} ({name}) runs on the host in floating point, which --to {kind} cannot hold; "
                f"export the network without it, or use --to onnx-float"
            )
