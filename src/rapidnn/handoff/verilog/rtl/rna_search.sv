// Nearest-distance search: halving over the sorted midpoints between rows, CPL cycles a level; a tie goes to the lower row.
`default_nettype none
module rna_search #(
    parameter int LEVELS = 4,
    parameter int CPL = 1,
    parameter int KW = 16,  // key and midpoints
    parameter int VW = 8,   // what a row stands for
    parameter int SETS = 1,
    parameter int SB = SETS > 1 ? $clog2(SETS) : 1,
    parameter MIDPOINTS = "",
    parameter VALUES = ""
) (
    input  wire logic                 clk,
    input  wire logic                 clear,
    input  wire logic                 step,  // a cycle of the search
    input  wire logic        [SB-1:0] set,
    input  wire logic signed [KW-1:0] key,
    output wire logic        [VW-1:0] value,
    output wire logic                 last   // cycle
);
    localparam int PLACES = 1 << LEVELS;
    localparam int AB = SETS * PLACES > 1 ? $clog2(SETS * PLACES) : 1;
    logic [LEVELS:0] place, half;
    logic [15:0] wait_q;
    logic signed [KW-1:0] midpoint;
    wire [AB-1:0] base = AB'(AB'(set) << LEVELS);
    wire [AB-1:0] place_at = base + AB'(place);
    wire [AB-1:0] at = place_at + AB'(half) - AB'(1);
    wire above = key > midpoint;
    wire decides = wait_q + 16'd1 == CPL[15:0];
    rna_table #(.WORDS(SETS * PLACES), .BITS(KW), .FILE(MIDPOINTS)) midpoints (.at, .word(midpoint));
    rna_table #(.WORDS(SETS * PLACES), .BITS(VW), .FILE(VALUES)) values (.at(place_at), .word(value));
    assign last = decides && half >> 1 == '0;
    always_ff @(posedge clk) begin
        if (clear) begin
            place <= '0;
            wait_q <= 16'd0;
            half <= (LEVELS + 1)'(PLACES / 2);
        end else if (step) begin
            wait_q <= decides ? 16'd0 : wait_q + 16'd1;
            if (decides) begin
                if (above) place <= place + half;
                half <= half >> 1;
            end
        end
    end
endmodule
`default_nettype wire
