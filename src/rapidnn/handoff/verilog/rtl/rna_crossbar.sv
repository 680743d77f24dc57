// The crossbar of an RNA block: cells that compute NOR in place. Behavioural; a chip has an array of memory cells here.
// Bit lane * N + k of a row is position k of the word in that lane. Row 0 holds zeros.
`default_nettype none
module rna_crossbar #(
    parameter int ROWS = 32,
    parameter int N = 16,
    parameter int LANES = 4,
    parameter int RB = $clog2(ROWS)
) (
    input  wire logic             clk,
    input  wire logic             rst,
    input  wire logic [2:0]       op,         // 0 nothing, 1 NOR, 2 NOR one column to the left, 3 set, 4 reset, 5 write
    input  wire logic [RB-1:0]    in0,
    input  wire logic [RB-1:0]    in1,
    input  wire logic [RB-1:0]    in2,
    input  wire logic [RB-1:0]    out,
    input  wire logic [ROWS-1:0]  set_rows,
    input  wire logic [LANES-1:0] lanes,
    input  wire logic [N-1:0]     positions,  // of every lane
    input  wire logic             whole,      // all positions: with a shift the top one leaves, the lowest is not computed
    input  wire logic [N-1:0]     word,       // written to the lanes
    input  wire logic [RB-1:0]    read_row,
    input  wire logic [LANES-1:0] read_lane,  // one bit
    output logic      [N-1:0]     read_word
);
    localparam int COLUMNS = N * LANES;
    logic [COLUMNS-1:0] cells[0:ROWS-1];
    logic [COLUMNS-1:0] columns, lowest, given, high, written;

    always_comb begin
        for (int l = 0; l < LANES; l++) begin
            columns[l*N+:N] = lanes[l] ? positions : '0;
            lowest[l*N+:N] = lanes[l] ? {{(N - 1) {1'b0}}, 1'b1} : '0;
            written[l*N+:N] = lanes[l] ? word : '0;
        end
        given = (cells[in0] | cells[in1] | cells[in2]) & columns;
        if (op != 3'd2) high = given;
        else if (whole) high = ((given << 1) & ~lowest & columns) | lowest;
        else high = given << 1;
    end

    always_comb begin
        read_word = '0;
        for (int l = 0; l < LANES; l++) if (read_lane[l]) read_word = cells[read_row][l*N+:N];
    end

    always_ff @(posedge clk) begin
        if (rst) cells[0] <= '0;
        else
            case (op)
                3'd1, 3'd2: cells[out] <= cells[out] & ~high;  // a gate only switches its output cell to 0
                3'd3: for (int r = 0; r < ROWS; r++) if (set_rows[r]) cells[r] <= cells[r] | columns;
                3'd4: cells[out] <= cells[out] & ~columns;
                3'd5: cells[out] <= (cells[out] & ~columns) | written;
                default: ;
            endcase
    end
endmodule
`default_nettype wire
