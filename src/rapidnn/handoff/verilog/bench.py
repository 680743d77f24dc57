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
`default_nettype none
module tb;
    localparam int N = {N}, KW = {KW};
    logic clk = 1'b0, rst = 1'b1, start = 1'b0;
    logic [15:0] channel = 16'd0, taps = 16'd0;
    logic [31:0] first = 32'd0, right = 32'd0, waited = 32'd0;
    wire [31:0] cycles;
    wire listens, done;
    wire [15:0] position;
    wire signed [N-1:0] accumulator;
    wire signed [KW-1:0] value;
    wire [7:0] result;
    logic [23:0] stream[0:{last_code}];  // place among the weights, code
    logic [95+N+{width}:0] vectors[0:{last_vector}];
    logic [31:0] wanted_cycles = 32'd0;
    logic signed [N-1:0] wanted = '0;
    logic {signed}[{width}-1:0] wanted_{result} = '0;
    wire [31:0] next = first + 32'(position);
    wire [23:0] arriving = listens && next <= 32'd{last_code} ? stream[next] : 24'd0;
`ifdef NETLIST
    rna_block block (
`else
    rna_block #(
        {parameters}
    ) block (
`endif
        .clk, .rst, .start, .channel, .taps, .tap(arriving[23:8]), .code(arriving[7:0]),
        .listens, .position, .done, .cycles, .accumulator, .value, .result
    );
    initial forever #1 clk = !clk;
    initial begin
        $readmemh("stream.hex", stream);
        $readmemh("vectors.hex", vectors);
        repeat (2) @(negedge clk);
        rst = 1'b0;
        for (int i = 0; i <= {last_vector}; i++) begin
            {{channel, taps, first, wanted_cycles, wanted, wanted_{result}}} = vectors[i];
            start = 1'b1;
            @(negedge clk);
            start = 1'b0;
            waited = 32'd0;
            while (!done && waited < 32'd1000000) begin
                @(negedge clk);
                waited = waited + 32'd1;
            end
            if (done && accumulator === wanted && cycles === wanted_cycles && {result} === wanted_{result})
                right = right + 32'd1;
            else
                $display("neuron %0d: %0d, value %0d, code %0d in %0d cycles; wanted %0d, {result} %0d in %0d",
                    i, accumulator, value, result, cycles, wanted, wanted_{result}, wanted_cycles);
        end
        if (right == 32'd{count}) $display("PASS {count} neurons");
        else $fatal(0, "FAIL %0d of {count} neurons", 32'd{count} - right);
        $finish;
    end
endmodule
`default_nettype wire
"""


def bench_files(layer: str, block: Block, vectors: Sequence[Vector]) -> dict[str, str]:
    """``tb.sv``, ``stream.hex`` and ``vectors.hex``."""
    codes = [code for vector in vectors for code in vector.stream] or [(0, 0)]
    parameters = block.parameters
    coded, n = parameters["ENCODES"], parameters["N"]
    width = 8 if coded else parameters["KW"]
    words, first = [], 0
    for vector, channel in zip(vectors, block.channels, strict=True):
        fields = [(channel, 16), (vector.taps, 16), (first, 32), (vector.cycles, 32), (vector.accumulator, n)]
        words.append(_word([*fields, (vector.code if coded else vector.value, width)]))
        first += len(vector.stream)
    shown = [f".{name}({value})" for name, value in parameters.items()]
    shown += [f'.{name}("{file}.hex")' for name, file in _MEMORIES.items()]
    text = _BENCH.format(
        count=len(vectors),
        layer=layer.encode("ascii", "replace").decode().replace("\n", " "),
        N=n,
        KW=parameters["KW"],
        last_code=len(codes) - 1,
        last_vector=len(vectors) - 1,
        parameters=",\n        ".join(", ".join(shown[i : i + 6]) for i in range(0, len(shown), 6)),
        result="result" if coded else "value",
        width=width,
        signed="" if coded else "signed ",
    )
    digits = -(-(96 + n + width) // 4)
    return {
        "tb.sv": text,
        "stream.hex": "".join(f"{tap:04x}{code:02x}\n" for tap, code in codes),
        "vectors.hex": "".join(f"{word:0{digits}x}\n" for word in words),
    }


def _word(fields: Sequence[tuple[int, int]]) -> int:
    word = 0
    for value, bits in fields:
        word = word << bits | value & (1 << bits) - 1
    return word
