// One RNA block: a neuron's codes arrive and are counted, counts become addends, carry-save steps and a ripple addition
// of NOR programmes sum them, and searches find activation and code. One cycle is one cycle of the machine.
`default_nettype none
module rna_block #(
    parameter int N = 16,            // bits of a word
    parameter int LANES = 4,
    parameter int ROWS = 64,
    parameter int FIRST = 14,        // row of the first addend slot
    parameter int SUM_ROW = 13,
    parameter int SLOTS = 32,
    parameter int AT_ONCE = 60,
    parameter int W = 16,            // codebooks' sizes
    parameter int U = 16,
    parameter int CW = 16,           // bits of a counter
    parameter int TAPS = 9,          // weight codes of a channel
    parameter int CHANNELS = 1,      // that the block holds tables for
    parameter int PRODUCT_SETS = 1,
    parameter int RESIDUALS = 0,
    parameter int RESIDUAL_U = 1,
    parameter int LOOKUP = 0,        // the neuron is one row of the product table that two codes address
    parameter int COPY = 2,          // cycles
    parameter int READ = 1,
    parameter int C1 = 13,           // programme: 3:2 step of all lanes, lane after lane, all lanes again; final addition
    parameter int C2 = 13,
    parameter int C3 = 13,
    parameter int C4 = 210,
    parameter int ACTIVATION = 1,    // 0 identity, 1 ReLU, 2 ReLU with a cap, 3 a table
    parameter int ACTIVATION_LEVELS = 0,
    parameter int ACTIVATION_SETS = 1,
    parameter int ENCODES = 1,
    parameter int ENCODING_LEVELS = 4,
    parameter int ENCODING_SETS = 1,
    parameter int CPL = 1,           // cycles of a level of a search
    parameter int KW = 24,           // bits of search keys and rows
    parameter WEIGHTS = "weights.hex",
    parameter PRODUCTS = "products.hex",
    parameter BIAS = "bias.hex",
    parameter RESIDUAL_ROWS = "residual.hex",
    parameter PROGRAMME = "programme.hex",
    parameter CAPS = "caps.hex",
    parameter Z = "z.hex",
    parameter G = "g.hex",
    parameter MIDPOINTS = "midpoints.hex",
    parameter CODES = "codes.hex"
) (
    input  wire logic                 clk,
    input  wire logic                 rst,
    input  wire logic                 start,    // with the next three; not a cycle of the machine
    input  wire logic        [15:0]   channel,
    input  wire logic        [15:0]   taps,     // codes to be counted, padding left out
    input  wire logic        [15:0]   tap,      // with each code: its place among the weights
    input  wire logic        [7:0]    code,     // the code; behind the counted ones, one of each residual
    output logic                      listens,  // takes tap and code in this cycle
    output logic        [15:0]        position, // how many it has taken
    output logic                      done,
    output logic        [31:0]        cycles,
    output logic signed [N-1:0]       accumulator,
    output logic signed [KW-1:0]      value,    // activated
    output logic        [7:0]         result    // code
);
    localparam int RB = $clog2(ROWS);
    localparam int PAIRS = W * U;
    localparam int PB = PAIRS > 1 ? $clog2(PAIRS) : 1;
    localparam int ROW_N = RESIDUALS + 1;
    localparam int IW = 4 + N + 36 + 38;
    localparam int CB = CHANNELS > 1 ? $clog2(CHANNELS) : 1;
    localparam logic [3:0] IDLE = 0, DELIVER = 1, ADDS = 2, ACTIVATE = 3, ENCODE = 4;

    logic [7:0] weights[0:CHANNELS*TAPS-1];
    logic [N-1:0] products[0:PRODUCT_SETS*PAIRS-1];
    logic [N-1:0] biases[0:CHANNELS-1];
    logic [N-1:0] residuals[0:(RESIDUALS>0?RESIDUALS*CHANNELS*RESIDUAL_U:1)-1];
    logic [IW-1:0] programme[0:C4-1];
    logic signed [KW-1:0] caps[0:CHANNELS-1];
    initial begin
        $readmemh(WEIGHTS, weights);
        $readmemh(PRODUCTS, products);
        $readmemh(BIAS, biases);
        $readmemh(RESIDUAL_ROWS, residuals);
        $readmemh(PROGRAMME, programme);
        $readmemh(CAPS, caps);
    end

    // What is done in this cycle.
    logic [3:0] phase;
    logic [15:0] t, pc_q, pc, channel_q, taps_q, stream_n, copied_n, waiting;
    logic copies, moves, steps, copying, moving, stepping, adding, reading, added, lookup_q;
    logic copy_last, move_last, step_last, add_last, read_last, more_lanes, ones_done;
    logic [15:0] total;
    assign stream_n = taps_q + RESIDUALS[15:0] + (LOOKUP != 0 ? 16'd2 : 16'd0);
    assign listens = phase == DELIVER;
    assign copying = phase == ADDS && copies;
    assign moving = phase == ADDS && moves;
    assign stepping = phase == ADDS && steps;
    assign adding = phase == ADDS && !copies && !moves && !steps && total == 16'd2 && !added;
    assign reading = phase == ADDS && !copies && !moves && !steps && !adding;
    assign copy_last = copying && t + 16'd1 == COPY[15:0];
    assign move_last = moving && t + 16'd1 == COPY[15:0];
    assign read_last = reading && t + 16'd1 == READ[15:0];
    assign pc = t != 16'd0 ? pc_q : adding ? C3[15:0] : 16'd0;
    assign step_last = stepping && pc + 16'd1 == C3[15:0] && !more_lanes;
    assign add_last = adding && pc + 16'd1 == C4[15:0];

    // Delivery and counting.
    logic counting;
    logic [PB-1:0] pair, digit_pair;
    logic [15:0] digits, negative, exponent;
    logic some, minus;
    logic [7:0] weight, left_q;
    logic [N-1:0] met, product, shown;
    logic [31:0] product_base;
    assign counting = listens && position < taps_q;
    assign product_base = PRODUCT_SETS > 1 ? {16'd0, channel_q} * PAIRS : 32'd0;
    /* verilator lint_off WIDTH */
    assign weight = weights[channel_q*TAPS+tap];
    assign pair = LOOKUP != 0 ? left_q * U + code : (W > 1 ? weight : 8'd0) * U + code;
    assign met = products[product_base+pair];
    assign product = products[product_base+digit_pair];
    /* verilator lint_on WIDTH */
    rna_counters #(.PAIRS(PAIRS), .CW(CW)) counters (
        .clk, .clear(start), .count(counting), .pair, .adds(met != '0), .take(copy_last & some),
        .digits, .negative, .some, .at(digit_pair), .minus, .exponent
    );

    // Rows that are added: the bias, and one of each residual.
    logic [ROW_N-1:0] pending;
    logic [N-1:0] row_words[0:ROW_N-1], residual, bias, addend;
    logic [15:0] rows_n, row_at, which;
    assign which = position - taps_q;
    /* verilator lint_off WIDTH */
    assign residual = residuals[RESIDUALS>0?(which*CHANNELS+channel_q)*RESIDUAL_U+code:0];
    assign bias = biases[channel[CB-1:0]];
    /* verilator lint_on WIDTH */
    always_comb begin
        row_at = 16'd0;
        for (int i = ROW_N - 1; i >= 0; i--) if (pending[i]) row_at = i[15:0];
        addend = '0;
        for (int i = 0; i < ROW_N; i++) if (row_at == i[15:0]) addend = row_words[i];
        if (some) addend = minus ? (~product << exponent) | ~({N{1'b1}} << exponent) : product << exponent;
        else if (negative != 16'd0 && !ones_done) addend = wide(negative);
    end
    function automatic logic [N-1:0] wide(input logic [15:0] v);
        wide = '0;
        for (int i = 0; i < N && i < 16; i++) wide[i] = v[i];
    endfunction
    assign waiting = digits + (negative != 16'd0 ? 16'd1 : 16'd0) + rows_n - copied_n;

    // Addends in lanes, and the programmes on the crossbar.
    logic [LANES-1:0] to_lane, from_lane, active, turn_lanes, turn_q, lanes;
    logic [RB-1:0] to_row, from_row, row_a, row_b, row_c, row_sum, row_carry, read_row;
    logic [IW-1:0] instruction;
    logic [2:0] op;
    logic [ROWS-1:0] set_rows;
    logic [N-1:0] read_word, word;
    rna_lanes #(.LANES(LANES), .ROWS(ROWS), .FIRST(FIRST), .SLOTS(SLOTS), .AT_ONCE(AT_ONCE)) slots (
        .clk, .clear(start), .waiting, .copied(copy_last), .moved(move_last), .stepped(step_last),
        .copies, .moves, .steps, .total, .to_lane, .to_row, .from_lane, .from_row, .active,
        .row_a, .row_b, .row_c, .row_sum, .row_carry
    );
    function automatic logic [RB-1:0] bound(
        input logic [8:0] name, input logic [RB-1:0] a, input logic [RB-1:0] b, input logic [RB-1:0] c,
        input logic [RB-1:0] s, input logic [RB-1:0] k
    );
        bound = name[RB-1<8?RB-1:7:0];
        if (name[8])
            case (name[2:0])
                3'd1: bound = a;
                3'd2: bound = b;
                3'd3: bound = c;
                3'd4: bound = s;
                default: bound = k;
            endcase
    endfunction
    /* verilator lint_off WIDTH */
    assign instruction = programme[pc];
    /* verilator lint_on WIDTH */
    assign op = (copy_last || move_last) ? 3'd5 : (stepping || adding) ? instruction[IW-1-:3] : 3'd0;
    always_comb begin
        set_rows = '0;
        for (int r = 0; r < ROWS && r < 32; r++) set_rows[r] = instruction[r];
        if (instruction[32+4]) set_rows[row_sum] = 1'b1;
        if (instruction[32+5]) set_rows[row_carry] = 1'b1;
    end
    assign turn_lanes = t == 16'd0 ? active : turn_q;
    assign more_lanes = C2 > C1 && pc + 16'd1 == C2[15:0] && (turn_lanes & (turn_lanes - 1'b1)) != '0;
    always_comb begin
        lanes = to_lane;
        if (stepping) lanes = active;
        if (stepping && C2 > C1 && pc >= C1[15:0] && pc < C2[15:0]) lanes = turn_lanes & -turn_lanes;
        if (adding) lanes = {{(LANES - 1) {1'b0}}, 1'b1};
        read_row = from_row;
        if (reading) read_row = added ? SUM_ROW[RB-1:0] : total == 16'd1 ? row_a : '0;
        word = moving ? read_word : addend;
    end
    rna_crossbar #(.ROWS(ROWS), .N(N), .LANES(LANES)) crossbar (
        .clk, .rst, .op,
        .in0(bound(instruction[38+27+:9], row_a, row_b, row_c, row_sum, row_carry)),
        .in1(bound(instruction[38+18+:9], row_a, row_b, row_c, row_sum, row_carry)),
        .in2(bound(instruction[38+9+:9], row_a, row_b, row_c, row_sum, row_carry)),
        .out(op == 3'd5 ? to_row : bound(instruction[38+:9], row_a, row_b, row_c, row_sum, row_carry)),
        .set_rows, .lanes, .positions(op == 3'd5 ? '1 : instruction[38+36+:N]), .whole(instruction[IW-4]), .word,
        .read_row, .read_lane(reading ? {{(LANES - 1) {1'b0}}, 1'b1} : from_lane), .read_word
    );

    // Activation and encoding.
    logic signed [KW-1:0] key, activated, table_value, cap;
    logic signed [8:0] code_value;
    logic table_last, encode_last, activate_last, table_step;
    assign key = {{(KW - N) {accumulator[N-1]}}, accumulator};
    /* verilator lint_off WIDTH */
    assign cap = caps[channel_q];
    /* verilator lint_on WIDTH */
    assign table_step = phase == ACTIVATE && ACTIVATION == 3 && t < ACTIVATION_LEVELS[15:0] * CPL[15:0];
    rna_search #(.LEVELS(ACTIVATION_LEVELS), .CPL(CPL), .KW(KW), .VW(KW), .SETS(ACTIVATION_SETS), .MIDPOINTS(Z), .VALUES(G)) activation (
        .clk, .clear(start), .step(table_step), .set(ACTIVATION_SETS > 1 ? channel_q[(ACTIVATION_SETS>1?$clog2(ACTIVATION_SETS):1)-1:0] : '0), .key, .value(table_value), .last(table_last)
    );
    always_comb begin
        activated = key;
        if (ACTIVATION == 3) activated = table_value;
        else if (ACTIVATION != 0) begin
            if (key < 0) activated = '0;
            if (ACTIVATION == 2 && activated > cap) activated = cap;
        end
        if (ACTIVATION == 3) activate_last = t + 16'd1 == ACTIVATION_LEVELS[15:0] * CPL[15:0] + READ[15:0];
        else activate_last = t + 16'd1 == ACTIVATION[15:0];
    end
    rna_search #(.LEVELS(ENCODING_LEVELS), .CPL(CPL), .KW(KW), .VW(9), .SETS(ENCODING_SETS), .MIDPOINTS(MIDPOINTS), .VALUES(CODES)) encoding (
        .clk, .clear(start), .step(phase == ENCODE), .set(ENCODING_SETS > 1 ? channel_q[(ENCODING_SETS>1?$clog2(ENCODING_SETS):1)-1:0] : '0), .key(value), .value(code_value), .last(encode_last)
    );
    assign value = activated;
    assign result = ENCODES != 0 ? code_value[7:0] : 8'd0;

    localparam int AFTER_READ = ACTIVATION != 0 ? 3 : ENCODES != 0 && ENCODING_LEVELS > 0 ? 4 : 0;
    localparam int AFTER_ACTIVATION = ENCODES != 0 && ENCODING_LEVELS > 0 ? 4 : 0;
    always_ff @(posedge clk) begin
        if (rst) begin
            phase <= IDLE;
            done <= 1'b0;
        end else if (start) begin
            phase <= taps + RESIDUALS[15:0] + (LOOKUP != 0 ? 16'd2 : 16'd0) != 16'd0 ? DELIVER : ADDS;
            channel_q <= channel;
            taps_q <= taps;
            position <= 16'd0;
            cycles <= 32'd0;
            t <= 16'd0;
            copied_n <= 16'd0;
            ones_done <= 1'b0;
            added <= 1'b0;
            done <= 1'b0;
            row_words[0] <= bias;
            pending <= '0;
            pending[0] <= bias != '0;
            rows_n <= bias != '0 ? 16'd1 : 16'd0;
        end else if (phase != IDLE) begin
            cycles <= cycles + 32'd1;
            t <= t + 16'd1;
            pc_q <= more_lanes ? C1[15:0] : pc + 16'd1;
            turn_q <= more_lanes ? turn_lanes & (turn_lanes - 1'b1) : turn_lanes;
            if (listens) begin
                position <= position + 16'd1;
                left_q <= code;
                if (RESIDUALS > 0 && !counting) begin
                    for (int i = 1; i < ROW_N; i++)
                        if (i[15:0] == which + 16'd1) begin
                            row_words[i] <= residual;
                            pending[i] <= residual != '0;
                        end
                    if (residual != '0) rows_n <= rows_n + 16'd1;
                end
                if (position + 16'd1 == stream_n) begin
                    phase <= ADDS;
                    t <= 16'd0;
                    if (LOOKUP != 0) accumulator <= met;
                end
            end
            if (copy_last) begin
                copied_n <= copied_n + 16'd1;
                if (!some && negative != 16'd0 && !ones_done) ones_done <= 1'b1;
                else if (!some) for (int i = 0; i < ROW_N; i++) if (row_at == i[15:0]) pending[i] <= 1'b0;
            end
            if (copy_last || move_last || step_last || add_last || read_last) t <= 16'd0;
            if (add_last) added <= 1'b1;
            if (read_last) begin
                if (LOOKUP == 0) accumulator <= read_word;
                phase <= AFTER_READ[3:0];
                done <= AFTER_READ == 0;
            end
            if (phase == ACTIVATE && activate_last) begin
                t <= 16'd0;
                phase <= AFTER_ACTIVATION[3:0];
                done <= AFTER_ACTIVATION == 0;
            end
            if (phase == ENCODE && encode_last) begin
                phase <= IDLE;
                done <= 1'b1;
            end
        end
    end
endmodule
`default_nettype wire
