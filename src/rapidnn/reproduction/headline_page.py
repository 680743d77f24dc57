"""The headline study as a Markdown page: every number on it comes from the study."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import asdict

from rapidnn.reproduction.claims import HEADLINE
from rapidnn.reproduction.headline import Ratios, Step, Study, shares

_WIDTH = 118
COMMAND = "rapidnn reproduce --headline"
_NAMES = ("energy / ISAAC", "energy / PipeLayer", "speed / ISAAC", "speed / PipeLayer")


def page(found: Study, *, quick: bool) -> str:
    """The whole page."""
    parts = [
        _opening(found),
        "## Networks\n\n" + _networks(found),
        "## The RNA machine\n\n" + _rna(found),
        "## A machine that looks sums up\n\n" + _lookup(found),
        "## What it does not show\n\n" + _limits(found, quick=quick),
    ]
    return "\n\n".join(_filled(block) for part in parts for block in part.split("\n\n")) + "\n"


def _filled(block: str) -> str:
    """Prose and list items in lines of even length; tables, headings and commands as they are."""
    if block.startswith(("|", "#", "```")):
        return block
    items = block.split("\n- ") if block.startswith("- ") else [block]
    wrapped = (textwrap.fill(" ".join(item.removeprefix("- ").split()), _WIDTH) for item in items)
    return "\n".join(
        f"- {item}".replace("\n", "\n  ") if block.startswith("- ") else item for item in wrapped
    )


def _opening(found: Study) -> str:
    rows = [
        ("claimed", *(f"{claim.stated:g}x" for claim in HEADLINE)),
        ("RNA machine as described", *_cells(found.default.ratios)),
        ("RNA machine, best design choices found", *_cells(found.best.ratios)),
        ("look-up machine, one design for all", *_cells(found.balanced.ratios)),
        ("look-up machine, laid out for each layer", *_cells(found.laid_out.ratios)),
        ("of the claim", *(f"{share:.0%}" for share in shares(found.laid_out.ratios))),
    ]
    least = min(shares(found.laid_out.ratios))
    return f"""# The headline ratios

The paper claims 68.4 and 49.5 times ISAAC's and PipeLayer's energy efficiency and 48.1 and 10.9 times their
speed, at less than 0.5 % loss.
This page searches for designs that get there. It is written by

```text
{COMMAND} --page docs/headline.md
```

Only design choices move; every constant keeps its source (`rapidnn hardware show rapidnn-hpca20`,
`src/rapidnn/hardware/rivals/*.yaml`). Ratios are geometric means over the six applications. Speed is
throughput of a stream on the same
silicon: whole chips, each machine at its own node (RAPIDNN at 45 nm, ISAAC at 32 nm). Rivals are charged as
in [rivals.md](rivals.md).

{_table(("", *_NAMES), rows)}

**The claims are not reached.** With the RNA block as it is described (counters, copies, carry-save additions
in the crossbar) no choice
comes near: counting areas and addition cycles put it behind ISAAC in speed by a factor of
{1 / found.best.ratios[2]:.3g} at best. A machine that
looks up sums of products in small SRAM tables instead reaches {least:.0%} or more of all four at once."""


def _networks(found: Study) -> str:
    rows = [
        (
            c.application,
            "trained" if c.trained else "cost only",
            f"{c.weights} / {c.inputs}",
            "" if c.float_accuracy is None else f"{100 * c.float_accuracy:.2f}",
            "" if c.validation_loss is None else f"{100 * c.validation_loss:.2f}",
            "" if c.loss is None else f"{100 * c.loss:.2f}",
            ("yes" if c.met else "no") if c.trained else "not known",
            f"{c.zero:.0%}",
        )
        for c in found.chosen
    ]
    heads = (
        "application",
        "weights",
        "w / u",
        "float %",
        "loss, held out",
        "loss, test",
        "within 0.5",
        "zero inputs",
    )
    return (
        "Cheapest of the sizes 4 / 4, 8 / 8, 16 / 16, 32 / 32 and 64 / 64 that loses at most 0.5 points of "
        "top-1 accuracy on held-out training data; where none does, the one that misses it by least. Recovery "
        "without labels, no fine-tuning. Cost-only networks have random weights and take the middle one of the sizes "
        "(the larger of two) that the trained ones took. Zero inputs: share of the multiply-accumulates whose "
        "input code stands for 0.\n\n" + _table(heads, rows)
    )


def _rna(found: Study) -> str:
    helpful = [step for step in found.single if step.score > found.default.score]
    return f"""Geometric mean of achieved over claimed, the four ratios together: {found.default.score:.4f}
as described. One choice at a time:

{_steps([found.default, *helpful[:10]])}

Always the choice that gains most, on top of those before, until none gains 1 %:

{_steps(found.path)}

What holds it back does not move with these choices. Weight codes are read from the crossbar for every
multiply-accumulate (0.26 pJ a
bit); products are copied by a read and a write; a neuron's final addition takes hundreds of cycles; a block
that evaluates one neuron at a
time is larger than an adder by two orders of magnitude."""


def _lookup(found: Study) -> str:
    rows = [(*_design(point.design), *_cells(point.ratios)) for point in found.front]
    gains = [
        (g.application, g.rival, f"{g.energy:.3g}x", f"{g.speed:.3g}x", f"{g.latency:.3g}x")
        for g in found.lookup_gains
    ]
    parts = sorted(found.lookup_components.items(), key=lambda item: -item[1])
    return f"""The neuron need not count. Here a small SRAM holds, for a group of g inputs at a time, the
sums of their products for every combination of
g weight codes (w^g entries, built once from the product table and used by all channels of a column). A
channel reads one entry at the
address that its weight codes give and adds it to its accumulator: one look-up and one addition for g
multiply-accumulates, no counters, no
copies, no stateful writes, so no wear. A group whose codes all stand for zero is never looked up. Lanes on
several positions, or on
several inputs of a stream, share one store of weight codes. The integers are those of SPEC section 1, added
in another order.

Everything is charged: building the tables, table reads, additions, accumulator and pipeline registers,
weight-code reads and their wires,
input buffers and wires, searches, code output, max pools; and on every chip ISAAC's own HyperTransport link,
22.88 mm2 and 10.4 W. Constants are
Aladdin's logic and NVSim's SRAM and ReRAM (`hardware/rivals/lookup.yaml`). The model is
`rapidnn.reproduction.lookup`.

All {found.tried} designs of a grid were costed (g, channels a column, lanes a store, its memory, lanes
together or each at its own pace). Those no
other beats in both energy and speed over ISAAC:

{_table((*_DESIGN, *_NAMES), rows)}

The one whose worst ratio is best: {_described(found)}.

A chip may also be laid out for its network: then each layer has the design of least area x time x energy. That gives
{", ".join(_cells(found.laid_out.ratios))} in the order of the table, and by application:

{_table(("application", "rival", "energy", "speed", "latency"), gains)}

Where its energy goes, mean share over the applications:
{", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in parts if share >= 0.005)}.

What each idea gains: taken away, or changed, one at a time, each layer fitted anew:

{_steps(found.lookup_levers)}"""


def _limits(found: Study, *, quick: bool) -> str:
    lines = [
        "- Control, clock trees and leakage have no sourced figure and are charged nothing, as in the RNA "
        "model; ISAAC's and DaDianNao's powers "
        "contain theirs. The look-up machine is a study: nothing of it is built, and its 1 ns cycle is an "
        "assumption (0.66 to 2 ns).",
        "- ISAAC and PipeLayer compute with 16 bits. Scaled to 8 bits they are 2 to 4 times better (`rapidnn "
        "compare`), and every ratio falls by that.",
        "- Zeros are taken as independent of each other within a group, which is pessimistic; their share is "
        "measured on real codes, for cost-only "
        "networks on random ones.",
        "- The paper does not say on which basis its speeds are. On another one (`rapidnn compare --basis`) "
        "the ratios differ.",
    ]
    missed = [c.application for c in found.chosen if c.trained and not c.met]
    if missed:
        lines.append(
            f"- {', '.join(missed)}: no size tried keeps 0.5 points without fine-tuning; its ratios "
            "are at the size named above."
        )
    if quick:
        lines.append(
            "- This page is from a quick run: networks were trained for a few epochs on fewer samples."
        )
    return "\n".join(lines)


_DESIGN = ("g", "channels a column", "lanes a store", "weights in", "pace")


def _design(design: object) -> tuple[str, ...]:
    values = asdict(design)  # type: ignore[call-overload]
    pace = "own" if values["own_pace"] else "together"
    return str(values["group"]), str(values["neurons"]), str(values["shared"]), values["memory"], pace


def _described(found: Study) -> str:
    g, neurons, lanes, memory, pace = _design(found.balanced.design)
    return f"g = {g}, {neurons} channels a column, up to {lanes} lanes a store in {memory}, pace {pace}"


def _cells(ratios: Ratios) -> tuple[str, ...]:
    return tuple(f"{ratio:.3g}x" for ratio in ratios)


def _steps(steps: Iterable[Step]) -> str:
    rows = [
        (
            f"`{s.change}`" if "." in s.change and "=" in s.change else s.change,
            *_cells(s.ratios),
            f"{s.score:.3g}",
        )
        for s in steps
    ]
    return _table(("change", *_NAMES, "of the claims"), rows)


def _table(heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |"]
    lines.append("|" + "---|" * (lines[0].count("|") - 1))
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
