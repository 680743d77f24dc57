// The crossbar of an RNA block, a word of every lane in a row. Behavioural: a chip has an array of memory cells here, and
// synthesis takes it for a black box. Row 0 holds zeros.
`default_nettype none
module rna_crossbar #(
    parameter int ROWS = 32,
    parameter int FIRST = 14,  // rows below can be set one by one
    parameter int N = 16,
    parameter int LANES = 4,
    parameter int RB = $clog2(ROWS)
) (
    input  wire logic             clk,
    input  wire logic             rst,
    input  wire logic [2:0]       op,          // 0 nothing, 1 NOR, 2 NOR one column to the left, 3 set, 4 reset, 5 write
    input  wire logic [RB-1:0]    in0,
    input  wire logic [RB-1:0]    in1,
    input  wire logic [RB-1:0]    in2,
    input  wire logic [RB-1:0]    out,
    input  wire logic [FIRST-1:0] sets,        // rows that are set
    input  wire logic             sets_sum,    // and row_sum
    input  wire logic             sets_carry,  // and row_carry
    input  wire logic [RB-1:0]    row_sum,
    input  wire logic [RB-1:0]    row_carry,
    input  wire logic [LANES-1:0] lanes,
    input  wire logic [N-1:0]     positions,   // of every lane
    input  wire logic             whole,       // all positions: with a shift the top one leaves, the lowest is not computed
    input  wire logic [N-1:0]     word,        // written to the lanes
    input  wire logic [RB-1:0]    read_row,
    input  wire logic [LANES-1:0] read_lane,   // one bit
    output wire logic [N-1:0]     read_word
);
    wire [LANES*N-1:0] shown;
    generate
        for (genvar l = 0; l < LANES; l++) begin : lane
            rna_cells #(.ROWS(ROWS), .FIRST(FIRST), .N(N)) line (
                .clk, .rst, .op(lanes[l] ? op : 3'd0), .in0, .in1, .in2, .out, .sets, .sets_sum, .sets_carry, .row_sum,
                .row_carry, .positions, .whole, .word, .read_row, .read_word(shown[l*N+:N])
            );
        end
    endgenerate
    logic [N-1:0] read;
    always_comb begin
        read = '0;
        for (int l = 0; l < LANES; l++) if (read_lane[l]) read = shown[l*N+:N];
    end
    assign read_word = read;
endmodule
`default_nettype wire
