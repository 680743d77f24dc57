// A table of an RNA block, loaded once and read in the cycle that addresses it. Behavioural: synthesis takes it for a black
// box.
`default_nettype none
module rna_table #(
    parameter int WORDS = 2,
    parameter int BITS = 8,
    parameter int AB = WORDS > 1 ? $clog2(WORDS) : 1,
    parameter FILE = ""
) (
    input  wire logic [AB-1:0]   at,
    output wire logic [BITS-1:0] word
);
    logic [BITS-1:0] words[0:WORDS-1];
    generate
        if (FILE != "") begin : loaded
            initial $readmemh(FILE, words);
        end
    endgenerate
    assign word = words[at];
endmodule
`default_nettype wire
