"""The test bench of one layer."""

from __future__ import annotations

from collections.abc import Sequence

from rapidnn.handoff.verilog.layer import Block
from rapidnn.handoff.verilog.neurons import Vector

_MEMORIES = {
    "WEIGHTS": "weights",
    "PRODUCTS": "products",
    "BIAS": "bias",
    "RESIDUAL_ROWS": "residual",
    "PROGRAMME": "programme",
    "CAPS": "caps",
    "Z": "z",
    "G": "g",
    "MIDPOINTS": "midpoints",
    "CODES": "codes",
}
_BENCH = """\
// {count} neurons of layer {layer} on real inputs, against the integers and cycles of rapidnn's micro-simulator.
`timescale 1ns / 1ps
`default_nettype none
module tb;
    localparam int N = {N}, KW = {KW};
    logic clk = 1'b0, rst = 1'b1, start = 1'b0;
    logic [15:0] channel = 16'd0, taps = 16'd0;
    logic [31:0] first = 32'd0, cycles;
    logic listens, done;
    logic [15:0] position;
    logic signed [N-1:0] accumulator;
    logic signed [KW-1:0] value;
    logic [7:0] result;
    logic [23:0] stream[0:{last_code}];
    // channel, codes counted, first code, cycles, code, accumulator, value
    logic [231:0] vectors[0:{last_vector}];
    logic [231:0] v;
    logic [23:0] arriving;
    integer wrong = 0;
    logic [31:0] waited = 32'd0;
    assign arriving = stream[first + {{16'd0, position}} <= 32'd{last_code} ? first + {{16'd0, position}} : 32'd0];
    rna_block #({parameters}) block (
        .clk(clk), .rst(rst), .start(start), .channel(channel), .taps(taps), .tap(arriving[23:8]), .code(arriving[7:0]),
        .listens(listens), .position(position), .done(done), .cycles(cycles),
        .accumulator(accumulator), .value(value), .result(result)
    );
    always #1 clk = !clk;
    initial begin
        $readmemh("stream.hex", stream);
        $readmemh("vectors.hex", vectors);
        repeat (2) @(negedge clk);
        rst = 1'b0;
        for (int i = 0; i <= {last_vector}; i++) begin
            v = vectors[i];
            channel = v[231:216];
            taps = v[215:200];
            first = v[199:168];
            start = 1'b1;
            @(negedge clk);
            start = 1'b0;
            waited = 32'd0;
            while (!done && waited < 32'd1000000) begin
                @(negedge clk);
                waited = waited + 32'd1;
            end
            if (!done || accumulator != v[64+:N] || cycles != v[167:136]{compared}) begin
                wrong = wrong + 1;
                $display("neuron %0d: %0d, value %0d, code %0d in %0d cycles; wanted %0d, code %0d in %0d",
                    i, accumulator, value, result, cycles, $signed(v[64+:N]), v[135:128], v[167:136]);
            end
        end
        if (wrong == 0) $display("PASS {count} neurons");
        else $display("FAIL %0d of {count} neurons", wrong);
        $finish;
    end
endmodule
`default_nettype wire
"""


def bench_files(layer: str, block: Block, vectors: Sequence[Vector]) -> dict[str, str]:
    """``tb.sv``, ``stream.hex`` and ``vectors.hex``."""
    codes = [code for vector in vectors for code in vector.stream] or [(0, 0)]
    parameters = block.parameters
    words, first = [], 0
    for vector, channel in zip(vectors, block.channels, strict=True):
        words.append(_word(vector, channel, first))
        first += len(vector.stream)
    shown = [f".{name}({value})" for name, value in parameters.items()]
    shown += [f'.{name}("{file}.hex")' for name, file in _MEMORIES.items()]
    coded = parameters["ENCODES"]
    compared = " || result != v[135:128]" if coded else " || value != v[0+:KW]"
    text = _BENCH.format(
        count=len(vectors),
        layer=layer.encode("ascii", "replace").decode().replace("\n", " "),
        N=parameters["N"],
        KW=parameters["KW"],
        last_code=len(codes) - 1,
        last_vector=len(vectors) - 1,
        parameters=", ".join(shown),
        compared=compared,
    )
    return {
        "tb.sv": text,
        "stream.hex": "".join(f"{tap:04x}{code:02x}\n" for tap, code in codes),
        "vectors.hex": "".join(f"{word:058x}\n" for word in words),
    }


def _word(vector: Vector, channel: int, first: int) -> int:
    fields = [
        (channel, 16),
        (vector.taps, 16),
        (first, 32),
        (vector.cycles, 32),
        (vector.code, 8),
        (vector.accumulator, 64),
        (vector.value, 64),
    ]
    word = 0
    for value, bits in fields:
        word = word << bits | value & (1 << bits) - 1
    return word
