"""A composed network as one Python file and its tensors."""

from __future__ import annotations

import ast
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from rapidnn import __version__
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.graph import ops
from rapidnn.graph.shapes import infer_shape
from rapidnn.handoff.names import identifier
from rapidnn.handoff.records import Content
from rapidnn.handoff.support import refuse_host
from rapidnn.handoff.torch import layers
from rapidnn.handoff.torch.layers import Layer
from rapidnn.handoff.torch.names import module_name, python_names
from rapidnn.tables.program import (
    Activate,
    Carry,
    CodeGroup,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    Join,
    PooledSum,
    Program,
    Step,
    WeightedSum,
    sources_of,
)

_RUNTIME = ("books", "moves", "sums", "activations", "network")
_WIDE = 110
_LOAD = '''def load(weights: str | Path | None = None) -> Network:
    """The network in evaluation mode; ``weights`` are the safetensors file beside this one if not given."""
    model = Network()
    tensors = read_tensors(Path(__file__).with_suffix(".safetensors") if weights is None else weights)
    model.load_state_dict(tensors, assign=True)
    return model.eval()
'''


def write_torch(composed: ComposedNetwork) -> Content:
    """``<name>.py`` with ``load()``, ``<name>.safetensors`` beside it, and a ``README.md``.

    Raises
    ------
    ModelError
        If an operator runs on the host, or a layer's tables cannot be told by its weights' values.
    """
    refuse_host(composed.program, "torch")
    name = module_name(identifier(composed))
    network = _Network(composed)
    text = _head(name, composed) + "\n\n\n".join([_runtime(), network.source(), _LOAD])
    tensors = {
        key: np.ascontiguousarray(value).reshape(value.shape) for key, value in network.tensors.items()
    }
    files: dict[str, str | bytes] = {
        f"{name}.py": text,
        f"{name}.safetensors": save(dict(sorted(tensors.items()))),
        "README.md": _readme(name, composed),
    }
    return Content(files)


class _Network:
    """The network's class and its tensors."""

    def __init__(self, composed: ComposedNetwork) -> None:
        program = self.program = composed.program
        self.books = python_names(group.name for group in program.groups)
        self.names = python_names(step.name for step in program.steps)
        self.tensors: dict[str, NDArray[Any]] = {"unit": composed_unit(composed)}
        self.made = [f'            "{self.books[g.name]}": {self._book(g)},' for g in program.groups]
        self.modules = [_assignment(self.names[s.name], self._module(s)) for s in program.steps]
        self.lines = self._lines()

    def source(self) -> str:
        """``class Network(Composed)``."""
        edges = {self.names[s.name]: (s.name, self._book_of(s.name)) for s in self.program.steps}
        return "\n".join(
            [
                "class Network(Composed):",
                '    """The network: what it is made of, and the way through it."""',
                "",
                f"    INPUT = {self.program.input_shape!r}",
                "    EDGES: ClassVar = {",
                *(f"        {name!r}: {edge!r}," for name, edge in edges.items()),
                "    }",
                "",
                "    def __init__(self) -> None:",
                "        super().__init__()",
                "        books = {",
                *self.made,
                "        }",
                "        self.codebooks = nn.ModuleDict(books)",
                *self.modules,
                f"        self.tail = nn.Sequential({', '.join(self._tail())})",
                f'        self.register_buffer("unit", torch.ones({self.tensors["unit"].shape}, dtype=torch.float64))',
                "",
                "    def run(self, x: Tensor) -> Tensor:",
                '        """The last edge; an accumulator that only its encoding reads has no name."""',
                "        books: Any = self.codebooks",
                *self.lines,
            ]
        )

    def _book(self, group: CodeGroup) -> str:
        return self._keep(f"codebooks.{self.books[group.name]}", layers.group_codebook(group))

    def _module(self, step: Step) -> str:
        return self._keep(self.names[step.name], _layer(self.program, step))

    def _keep(self, name: str, layer: Layer) -> str:
        self.tensors |= {f"{name}.{key}": value for key, value in layer.tensors.items()}
        return layer.constructor

    def _book_of(self, edge: str) -> str | None:
        group = self.program.group_of.get(edge)
        return None if group is None else self.books[group.name]

    def _tail(self) -> list[str]:
        shape, found = self.program.shapes[self.program.output], []
        for op in self.program.tail:
            after = infer_shape("the end", op, [shape])
            found.append(layers.move(op, shape, after).constructor)
            shape = after
        return found

    def _lines(self) -> list[str]:
        """A line for every edge that has a name."""
        program = self.program
        readers: dict[str, list[Step]] = {step.name: [] for step in program.steps}
        for step in program.steps:
            for source in sources_of(step):
                readers[source].append(step)
        value: dict[str, str] = {}
        lines = []
        for step in program.steps:
            name, read = self.names[step.name], readers[step.name]
            value[step.name] = f"self.{name}({', '.join(self._arguments(step, value))})"
            alone = len(read) == 1 and isinstance(read[0], Encode | Activate)
            if step.name == program.output or not alone:
                lines.append(f"        {name} = {value[step.name]}")
                value[step.name] = name
        return [*lines, f"        return {self.names[program.output]}"]

    def _arguments(self, step: Step, value: dict[str, str]) -> list[str]:
        """What a module's call takes, as Python."""

        def book(edge: str) -> str:
            return f"books.{self._book_of(edge)}"

        def pair(edge: str) -> str:
            return f"({value[edge]}, {book(edge)})"

        match step:
            case EncodeInput():
                return ["x", book(step.name)]
            case WeightedSum():
                terms = [pair(term.source) for term in step.residuals]
                return [value[step.source], book(step.source), *terms]
            case PooledSum():
                return [value[step.source], book(step.source)]
            case CodeSum() | CodeProduct():
                return [pair(edge) for edge in sources_of(step)]
            case Encode():
                return [value[step.source], book(step.name)]
            case Join():
                return [book(step.name), *(pair(edge) for edge in step.sources)]
            case Carry():
                pooled = isinstance(step.op, ops.MaxPool)
                return [value[step.source], *([book(step.name)] if pooled else [])]
            case _:
                return [value[edge] for edge in sources_of(step)]


def _assignment(name: str, constructor: str) -> str:
    """``self.name = Class(arguments)``, the arguments on a line of their own where it would be long."""
    line = f"        self.{name} = {constructor}"
    if len(line) <= _WIDE:
        return line
    cls, _, arguments = constructor[:-1].partition("(")
    return f"        self.{name} = {cls}(\n            {arguments}\n        )"


def composed_unit(composed: ComposedNetwork) -> NDArray[np.float64]:
    """The real value of one unit at every place of the last edge, before the operators at the end."""
    program = composed.program
    if program.output in program.group_of:
        return np.array([program.group_of[program.output].scale])
    scales = program.acc_scales(program.output)
    return scales if len(scales) == 1 else scales[program.unit_index(program.output)]


def _layer(program: Program, step: Step) -> Layer:
    match step:
        case EncodeInput():
            return layers.encode_input(step)
        case WeightedSum():
            return layers.weighted_sum(program, step)
        case PooledSum():
            return layers.pooled_sum(program, step)
        case CodeSum():
            return layers.code_sum(program, step)
        case CodeProduct():
            return layers.code_product(program, step)
        case Encode():
            return layers.encode(program, step)
        case Activate():
            return layers.activation(program, step)
        case Join():
            return layers.join(step)
        case Carry():
            return layers.move(step.op, program.shapes[step.source], program.shapes[step.name])
        case _:
            raise AssertionError(step)


def _runtime() -> str:
    """The runtime's modules one after the other, and before them, once, what they import."""
    whole: set[str] = set()
    parts: dict[str, set[str]] = {}
    bodies = []
    for name in _RUNTIME:
        text = resources.files("rapidnn.handoff.torch.runtime").joinpath(f"{name}.py").read_text("utf-8")
        nodes = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
        for node in nodes:
            if isinstance(node, ast.Import):
                whole.add(ast.unparse(node))
            elif node.module and not node.module.startswith(("rapidnn", "__future__")):
                parts.setdefault(node.module, set()).update(alias.name for alias in node.names)
        end = max(node.end_lineno or 0 for node in nodes)
        bodies.append("\n".join(text.splitlines()[end:]).strip())
    lines = sorted(whole) + [
        f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(parts.items())
    ]
    ours = [line for line in lines if "torch" in line]
    standard = [line for line in lines if "torch" not in line]
    return "\n\n\n".join(["\n".join([*standard, "", *ours]), *bodies])


def _head(name: str, composed: ComposedNetwork) -> str:
    """The file's docstring."""
    given, made = (
        "x".join(map(str, s)) for s in (composed.program.input_shape, composed.program.output_shape)
    )
    softmax = "" if composed.program.host_tail is None else "\nThe softmax at its end is left to the caller."
    return f'''"""{name}: a composed network, input {given}, output {made}; by rapidnn {__version__}.

It needs only torch. ``model = load()`` gives it in evaluation mode: its outputs are the artifact's, bit for bit.
``model.train()`` trains on: weights, biases and codebooks are parameters in real units, rounding passes gradients
straight through. Edges are integers held in floating point; ``model.edges(x)`` gives them all,
``model.accumulators(x)`` the last ones, ``model.plain()`` a float network with the codebooks' values for weights, to
compose again.{softmax}
"""

from __future__ import annotations

'''


def _readme(name: str, composed: ComposedNetwork) -> str:
    shape = ", ".join(map(str, composed.program.input_shape))
    return f"""\
# {name} for PyTorch

`{name}.py` and `{name}.safetensors` are the whole network; torch is all they need.

    import torch
    import {name}

    model = {name}.load()
    print(model(torch.zeros(1, {shape})))

Inputs are preprocessed as `export.json` tells. `model.train()` goes on training it like any `nn.Module`.
"""
