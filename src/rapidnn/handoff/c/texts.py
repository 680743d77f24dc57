"""The fixed parts of the C export."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rapidnn import __version__
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.handoff.c.source import Source

ENCODE_INPUT = """\
/* Floats compare as their bits do, once those below zero are turned round. */
static int encode_input(const uint32_t *input)
{{
    uint8_t *const out = {place};
    for (uint32_t i = 0; i < {count}u; ++i) {{
        const uint32_t bits = input[i];
        const uint32_t magnitude = bits & 0x7fffffffu;
        int32_t key = (int32_t)magnitude;
        if (magnitude > 0x7f800000u) {{
            return -1;
        }}
        if (bits != magnitude) {{
            key = -1 - key;
        }}
        out[i] = {code};
    }}
    return 0;
}}
"""
_STDIN = """\
/* Runs the network on float32 values from stdin and prints its integers, a sample a line. */
#include <stdio.h>

#include "{name}.h"

int main(void)
{{
    static uint32_t input[{NAME}_INPUTS];
    static int32_t output[{NAME}_OUTPUTS];
    while (fread(input, sizeof input, 1, stdin) == 1) {{
        if ({name}_run(input, output) != 0) {{
            fputs("the input holds NaN\\n", stderr);
            return 1;
        }}
        for (int i = 0; i < {NAME}_OUTPUTS; ++i) {{
            printf("%ld%c", (long)output[i], i + 1 < {NAME}_OUTPUTS ? ' ' : '\\n');
        }}
    }}
    return 0;
}}
"""


@dataclass(frozen=True)
class Sizes:
    """Static memory: elements of each array, and bytes of constants and of buffers."""

    codes: int
    sums: int
    patch: int
    inside: int
    flash_bytes: int
    ram_bytes: int


def source_file(name: str, source: Source, sizes: Sizes, calls: list[str]) -> str:
    """``<name>.c``."""
    buffers = [("uint8_t codes", sizes.codes), ("int32_t sums", sizes.sums)]
    buffers += [("uint8_t patch", sizes.patch), ("int8_t inside", sizes.inside)]
    lines = [
        f"/* Written by rapidnn {__version__}: neither multiplication nor floating point, no library. */",
        f'#include "{name}.h"',
        "",
        "/* Loops stay loops, no call of memcpy or memset takes their place; and additions stay additions. */",
        "#if defined(__GNUC__) && !defined(__clang__)",
        '#pragma GCC optimize("no-tree-loop-distribute-patterns", "no-ivopts", "no-tree-scev-cprop")',
        "#endif",
        "",
        source.tables,
        *(f"static {kind}[{count}];" for kind, count in buffers if count),
        "",
        "\n".join(source.functions),
        f"int {name}_run(const uint32_t *input, int32_t *output)",
        "{",
        "    if (encode_input(input) != 0) {",
        "        return -1;",
        "    }",
        *(f"    {call}" for call in calls),
        "    return 0;",
        "}",
    ]
    return "\n".join(lines) + "\n"


def header(name: str, composed: ComposedNetwork, sizes: Sizes) -> str:
    """``<name>.h``."""
    program, upper = composed.program, name.upper()
    scales = composed.output_scales().reshape(-1)
    softmax = (
        ""
        if program.host_tail is None
        else "\n * The network ends in a softmax, which is left to the caller."
    )
    given, made = ("x".join(map(str, shape)) for shape in (program.input_shape, program.output_shape))
    scale = (
        f"#define {upper}_SCALE {float(scales[0])!r}"
        if len(scales) == 1
        else f"#define {upper}_SCALES {{{', '.join(repr(float(s)) for s in scales)}}}"
    )
    return f"""\
/* Written by rapidnn {__version__}: {sizes.flash_bytes} bytes of constants, {sizes.ram_bytes} of static buffers. */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

/* Input {given}, output {made}, the last axis fastest. */
#define {upper}_INPUTS {math.prod(program.input_shape)}
#define {upper}_OUTPUTS {math.prod(program.output_shape)}

/* The real value of one unit of the output; not needed to compare outputs of one scale. */
{scale}

/*
 * One inference. input: the bits of {upper}_INPUTS preprocessed IEEE float32 values; output: {upper}_OUTPUTS integers.
 * Returns 0, or -1 if the input holds NaN. Not reentrant: the buffers are static.{softmax}
 */
int {name}_run(const uint32_t *input, int32_t *output);

#endif
"""


def stdin_file(name: str) -> str:
    """``stdin.c``, a program to try the network with."""
    return _STDIN.format(name=name, NAME=name.upper())


def readme(name: str, composed: ComposedNetwork, sizes: Sizes) -> str:
    """``README.md``."""
    return f"""\
# {composed.info.get("network", "network")} as C99

`{name}.c` and `{name}.h` are the whole network: {sizes.flash_bytes} bytes of constants, {sizes.ram_bytes} bytes of
static buffers, no multiplication, no floating point, no library. `stdin.c` runs it on float32 values:

    cc -std=c99 -O2 -o net {name}.c stdin.c
    head -c {4 * math.prod(composed.program.input_shape)} /dev/zero | ./net

The values are preprocessed as `export.json` tells; the integers are those of `composed.accumulators(x)`.
"""
