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
    output logic signed      [VW-1:0] value,
    output logic                      last   // cycle
);
    localparam int PLACES = 1 << LEVELS;
    localparam int AB = $clog2(SETS * PLACES) + 1;
    logic signed [KW-1:0] midpoints[0:SETS*PLACES-1];
    logic signed [VW-1:0] values[0:SETS*PLACES-1];
    initial begin
        $readmemh(MIDPOINTS, midpoints);
        $readmemh(VALUES, values);
    end
    logic [15:0] place, half, wait_q;
    logic [AB-1:0] base, at, found;
    logic above, decides;
    assign base = {{(AB - SB) {1'b0}}, set} << LEVELS;
    assign at = base + place[AB-1:0] + half[AB-1:0] - 1'b1;
    assign found = base + place[AB-1:0];
    /* verilator lint_off WIDTH */
    assign above = key > midpoints[at];
    assign value = values[found];
    assign decides = wait_q == CPL - 1;
    /* verilator lint_on WIDTH */
    assign last = decides & (half <= 16'd1);
    always_ff @(posedge clk) begin
        if (clear) begin
            place <= 16'd0;
            wait_q <= 16'd0;
            half <= LEVELS > 0 ? 16'(PLACES / 2) : 16'd0;
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
