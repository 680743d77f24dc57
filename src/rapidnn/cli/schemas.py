"""The JSON Schemas of ``--json`` output, one per command, shipped in ``rapidnn/schemas``.

``python -m rapidnn.cli.schemas`` writes them anew from the types the commands return; a test checks that they are
current and that real output keeps them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from rapidnn.bench.cluster_records import Clustering
from rapidnn.bench.records import Simulation
from rapidnn.composer.baseline import Comparison
from rapidnn.composer.budget import BudgetReport
from rapidnn.composer.finetune import FinetuneReport
from rapidnn.composer.fixed_point import FixedPoint
from rapidnn.composer.recover import RecoveryReport
from rapidnn.execute.evaluate import Evaluation
from rapidnn.frontends.support import NodeSupport
from rapidnn.handoff.records import Export
from rapidnn.machine import Cost
from rapidnn.machine.micro.trace import NeuronTrace
from rapidnn.machine.records import Choice, Constant
from rapidnn.reliability.result import FaultStudy, WearStudy
from rapidnn.report.facts import LayerFacts
from rapidnn.report.rivals import Explanation
from rapidnn.reproduction.headline import Study
from rapidnn.reproduction.result import Reproduction
from rapidnn.rivals.figures import ComparedMachine
from rapidnn.rivals.measured import MeasuredMachine
from rapidnn.search.objectives import Constraint
from rapidnn.search.result import KNOWN_BY, TrialRecord

_GROUP = {"name": str, "bits": int, "values": list[float], "pad_code": int | None, "edges": list[str]}


def result_schemas() -> dict[str, dict[str, Any]]:
    """Schema of ``result`` by command."""
    return _made() | _run() | _weighed() | _told()


def _made() -> dict[str, dict[str, Any]]:
    """Of what makes a network and composes it."""
    return {
        "demo": _object(
            extra={"weights": str, "artifact": str, "report": str},
            evaluation=_object(Evaluation),
            cost=_object(Cost),
        ),
        "train": _object(
            extra={
                "network": str,
                "data": str,
                "weights": str,
                "epochs": int,
                "seed": int,
                "threads": int,
                "samples": int,
                "train_loss": float,
                "train_accuracy": float,
            }
        ),
        "compose": _object(
            extra={
                "artifact": str,
                "size_kib": float,
                "network": str,
                "data": str,
                "seed": int,
                "random_weights": bool,
                "rapidnn": str,
                "settings": dict[str, Any],
                "calibration_samples": int,
                "levels": dict[str, Any] | None,
                "study": dict[str, Any] | None,
            },
            validation=_object(Evaluation),
            max_loss={"anyOf": [_object(BudgetReport), {"type": "null"}]},
            finetune={"anyOf": [_object(FinetuneReport), {"type": "null"}]},
            recovery={"anyOf": [_object(RecoveryReport), {"type": "null"}]},
        ),
    }


def _run() -> dict[str, dict[str, Any]]:
    """Of what runs a network or tells what it costs."""
    return {
        "evaluate": _object(
            Evaluation,
            extra={
                "artifact": str,
                "data": str,
                "split": str,
                "backend": str,
                "device": str | None,
                "level": int | None,
            },
            baseline={"anyOf": [_object(Comparison), {"type": "null"}]},
            fixed_point={"anyOf": [_object(FixedPoint), {"type": "null"}]},
        ),
        "run": _object(
            extra={
                "artifact": str,
                "input": str,
                "output": str,
                "samples": int,
                "output_shape": list[int],
                "backend": str,
                "device": str | None,
                "level": int | None,
            }
        ),
        "cost": _object(
            Cost,
            extra={
                "artifact": str,
                "data": str,
                "samples": int,
                "lifetime_at": dict[str, float | None] | None,
            },
        ),
        "trace": _object(
            NeuronTrace, extra={"artifact": str, "data": str, "split": str, "exact": bool, "plot": str | None}
        ),
        "faults": _object(
            extra={
                "artifact": str,
                "data": str,
                "split": str,
                "study": FaultStudy | None,
                "wear": WearStudy | None,
            }
        ),
    }


def _weighed() -> dict[str, dict[str, Any]]:
    """Of what weighs machines and searches them."""
    return {
        "compare": _object(
            extra={
                "artifact": str,
                "data": str,
                "samples": int,
                "hardware": str,
                "basis": str,
                "node_nm": float | None,
                "macs": int,
                "accuracy": float | None,
                "machines": list[ComparedMachine],
                "eight_bit": list[ComparedMachine],
                "measured": MeasuredMachine | None,
                "dense": bool,
                "explained": Explanation | None,
            }
        ),
        "explore": _object(
            extra={
                "network": str,
                "objectives": list[str],
                "units": dict[str, str],
                "constraints": list[Constraint],
                "hardware": str,
                "space_size": int,
                "finished": int,
                **dict.fromkeys(KNOWN_BY, int),
                "front": list[TrialRecord],
                "commands": dict[str, str],
                "files": dict[str, str],
            }
        ),
        "reproduce": _object(Reproduction, extra={"files": dict[str, str]}),
        "reproduce headline": _object(extra={"page": str, "study": Study}),
        "hardware list": _object(extra={"hardware": list[str]}),
        "hardware show": _object(
            extra={"hardware": str, "title": str},
            constants={
                "type": "object",
                "additionalProperties": {"anyOf": [_object(Constant[Any]), _object(Choice[Any])]},
            },
        ),
    }


def _told() -> dict[str, dict[str, Any]]:
    """Of what looks into files, writes others, or measures this program."""
    return {
        "inspect": {
            "anyOf": [
                _object(
                    extra={
                        "artifact": str,
                        "info": dict[str, Any],
                        "preprocess": dict[str, Any],
                        "input_shape": list[int],
                        "output_shape": list[int],
                    },
                    layers={"type": "array", "items": _object(LayerFacts)},
                    groups={"type": "array", "items": _object(extra=_GROUP)},
                ),
                _object(
                    extra={
                        "model": str,
                        "input_shape": list[int],
                        "supported": bool,
                        "macs": int,
                        "parameters": int,
                        "weight_code_bits": int,
                        "input_code_bits": int,
                    },
                    nodes={
                        "type": "array",
                        "items": _object(NodeSupport, extra={"memory_bytes": float | None}),
                    },
                ),
            ]
        },
        "export": _object(Export, extra={"artifact": str, "level": int | None}),
        "report": _object(extra={"source": str, "kind": str, "report": str, "size_kib": float}),
        "plot": _object(extra={"figure": str, "artifact": str, "output": str}),
        "bench cluster": _object(Clustering),
        "bench simulate": _object(Simulation),
    }


def documents() -> dict[str, str]:
    """Every schema file's name and text."""
    return {
        f"{command.replace(' ', '-')}.json": json.dumps(_document(command, schema), indent=1, sort_keys=True)
        + "\n"
        for command, schema in result_schemas().items()
    }


def folder() -> Path:
    """Where the shipped schemas lie."""
    return Path(__file__).parents[1] / "schemas"


def _document(command: str, result: dict[str, Any]) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"rapidnn {command} --json",
        "type": "object",
        "properties": {
            "schema": {"const": f"rapidnn/{command.replace(' ', '-')}/1"},
            "command": {"const": command},
            "version": {"type": "string"},
            "result": _hoist(result, definitions),
        },
        "required": ["schema", "command", "version", "result"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _hoist(schema: Any, definitions: dict[str, Any]) -> Any:
    """Move the ``$defs`` of every part to the document, where references look for them."""
    if isinstance(schema, dict):
        definitions.update({k: _hoist(v, definitions) for k, v in schema.get("$defs", {}).items()})
        return {key: _hoist(value, definitions) for key, value in schema.items() if key != "$defs"}
    if isinstance(schema, list):
        return [_hoist(item, definitions) for item in schema]
    return schema


def _object(
    of: Any = None, *, extra: dict[str, Any] | None = None, **parts: dict[str, Any]
) -> dict[str, Any]:
    """An object with the fields of a dataclass or model, fields of plain types, and fields of given schemas."""
    found: dict[str, Any] = {} if of is None else TypeAdapter(of).json_schema()
    properties = dict(found.get("properties", {}))
    properties |= {name: TypeAdapter(kind).json_schema() for name, kind in (extra or {}).items()}
    properties |= parts
    result = {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }
    return result | ({"$defs": found["$defs"]} if "$defs" in found else {})


def write() -> None:
    """Write all schema files."""
    folder().mkdir(exist_ok=True)
    for name, text in documents().items():
        (folder() / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
