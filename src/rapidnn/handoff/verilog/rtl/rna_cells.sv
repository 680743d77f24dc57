// The rows of one lane of the crossbar: cells that compute NOR in place, behavioural.
`default_nettype none
module rna_cells #(
    parameter int ROWS = 32,
    parameter int FIRST = 14,
    parameter int N = 16,
    parameter int RB = $clog2(ROWS)
) (
    input  wire logic             clk,
    input  wire logic             rst,
    input  wire logic [2:0]       op,  // as of rna_crossbar; 0 where the lane is not selected
    input  wire logic [RB-1:0]    in0,
    input  wire logic [RB-1:0]    in1,
    input  wire logic [RB-1:0]    in2,
    input  wire logic [RB-1:0]    out,
    input  wire logic [FIRST-1:0] sets,
    input  wire logic             sets_sum,
    input  wire logic             sets_carry,
    input  wire logic [RB-1:0]    row_sum,
    input  wire logic [RB-1:0]    row_carry,
    input  wire logic [N-1:0]     positions,
    input  wire logic             whole,
    input  wire logic [N-1:0]     word,
    input  wire logic [RB-1:0]    read_row,
    output wire logic [N-1:0]     read_word
);
    logic [N-1:0] cells[0:ROWS-1];
    wire [N-1:0] given = (cells[in0] | cells[in1] | cells[in2]) & positions;
    wire [N-1:0] shifted = whole ? (given << 1) | N'(1) : given << 1;
    wire [N-1:0] old = cells[out];
    assign read_word = cells[read_row];
    always_ff @(posedge clk) begin
        if (rst) cells[0] <= '0;
        else
            case (op)
                3'd1: cells[out] <= old & ~given;  // a gate only switches its output cell to 0
                3'd2: cells[out] <= old & ~shifted;
                3'd3: begin
                    for (int r = 0; r < FIRST; r++) if (sets[r]) cells[r] <= cells[r] | positions;
                    if (sets_sum) cells[row_sum] <= cells[row_sum] | positions;
                    if (sets_carry) cells[row_carry] <= cells[row_carry] | positions;
                end
                3'd4: cells[out] <= old & ~positions;
                3'd5: cells[out] <= word;
                default: ;
            endcase
    end
endmodule
`default_nettype wire
