// Working memory of an RNA block: a word is read and, at the end of the cycle, written. Behavioural: synthesis takes it for
// a black box.
`default_nettype none
module rna_store #(
    parameter int WORDS = 2,
    parameter int BITS = 8,
    parameter int AB = WORDS > 1 ? $clog2(WORDS) : 1
) (
    input  wire logic            clk,
    input  wire logic            writes,
    input  wire logic [AB-1:0]   at,
    input  wire logic [BITS-1:0] given,
    output wire logic [BITS-1:0] word
);
    logic [BITS-1:0] words[0:WORDS-1];
    assign word = words[at];
    always_ff @(posedge clk) if (writes) words[at] <= given;
endmodule
`default_nettype wire
