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
    output wire logic                 listens,  // takes tap and code in this cycle
    output logic        [15:0]        position, // how many it has taken
    output logic                      done,
    output logic        [31:0]        cycles,
    output logic signed [N-1:0]       accumulator,
    output wire logic signed [KW-1:0] value,    // activated
    output wire logic [7:0]           result    // code
);
    localparam int RB = $clog2(ROWS);
    localparam int PAIRS = W * U;
    localparam int PB = PAIRS > 1 ? $clog2(PAIRS) : 1;
    localparam int COUNTED = LOOKUP != 0 ? 2 : PAIRS;  // a looked-up product has nothing to count
    localparam int QB = COUNTED > 1 ? $clog2(COUNTED) : 1;
    localparam int ROW_N = RESIDUALS + 1;
    localparam int LOOKUPS = LOOKUP != 0 ? 2 : 0;
    localparam int ADDRESSING = RESIDUALS + LOOKUPS;  // codes behind those that are counted
    localparam int IW = 4 + N + 4 * (RB + 1) + 2 + FIRST;
    localparam int CB = CHANNELS > 1 ? $clog2(CHANNELS) : 1;
    localparam int XB = C4 > 1 ? $clog2(C4) : 1;
    localparam int WEIGHT_N = CHANNELS * TAPS;
    localparam int PRODUCT_N = PRODUCT_SETS * PAIRS;
    localparam int RESIDUAL_N = RESIDUALS > 0 ? RESIDUALS * CHANNELS * RESIDUAL_U : 1;
    localparam int WAB = WEIGHT_N > 1 ? $clog2(WEIGHT_N) : 1;
    localparam int PAB = PRODUCT_N > 1 ? $clog2(PRODUCT_N) : 1;
    localparam int RAB = RESIDUAL_N > 1 ? $clog2(RESIDUAL_N) : 1;
    localparam int ASB = ACTIVATION_SETS > 1 ? $clog2(ACTIVATION_SETS) : 1;
    localparam int ESB = ENCODING_SETS > 1 ? $clog2(ENCODING_SETS) : 1;
    localparam logic [2:0] IDLE = 0, DELIVER = 1, ADDS = 2, ACTIVATE = 3, FETCH = 4, ENCODE = 5;
    localparam logic [2:0] FROM_START = ADDRESSING != 0 ? DELIVER : ADDS;
    localparam logic [2:0] FROM_ACTIVATION = ENCODES != 0 && ENCODING_LEVELS > 0 ? ENCODE : IDLE;
    localparam logic [2:0] FROM_READ = ACTIVATION == 0 ? FROM_ACTIVATION
        : ACTIVATION == 3 && ACTIVATION_LEVELS == 0 ? FETCH : ACTIVATE;

    // What is done in this cycle.
    logic [2:0] phase;
    logic [15:0] t, pc_q, channel_q, taps_q, copied_n;
    logic added, ones_done;
    wire copies, moves, steps, more_lanes;
    wire [15:0] total;
    assign listens = phase == DELIVER;
    wire copying = phase == ADDS && copies;
    wire moving = phase == ADDS && moves;
    wire stepping = phase == ADDS && steps;
    wire adding = phase == ADDS && !copies && !moves && !steps && total == 16'd2 && !added;
    wire reading = phase == ADDS && !copies && !moves && !steps && !adding;
    wire [15:0] pc = t != 16'd0 ? pc_q : adding ? C3[15:0] : 16'd0;
    wire copy_last = copying && t + 16'd1 == COPY[15:0];
    wire move_last = moving && t + 16'd1 == COPY[15:0];
    wire read_last = reading && t + 16'd1 == READ[15:0];
    wire step_last = stepping && pc + 16'd1 == C3[15:0] && !more_lanes;
    wire add_last = adding && pc + 16'd1 == C4[15:0];

    // Delivery and counting.
    logic [7:0] left_q;
    wire [7:0] weight;
    wire [QB-1:0] digit_pair;
    wire [15:0] digits, negative, exponent;
    wire some, minus;
    wire [N-1:0] product;
    wire counting = listens && position < taps_q;
    wire [7:0] left = LOOKUP != 0 ? left_q : W > 1 ? weight : 8'd0;
    wire [PB-1:0] pair = PB'(32'(left) * U + 32'(code));
    wire [31:0] product_base = PRODUCT_SETS > 1 ? 32'(channel_q) * PAIRS : 32'd0;
    rna_table #(.WORDS(WEIGHT_N), .BITS(8), .FILE(WEIGHTS)) weights (
        .at(WAB'(32'(channel_q) * TAPS + 32'(tap))), .word(weight)
    );
    rna_table #(.WORDS(PRODUCT_N), .BITS(N), .FILE(PRODUCTS)) products (
        .at(PAB'(product_base + (listens ? 32'(pair) : 32'(digit_pair)))), .word(product)
    );
    rna_counters #(.PAIRS(COUNTED), .CW(CW)) counters (
        .clk, .clear(start), .count(counting), .pair(QB'(pair)), .adds(product != '0), .take(copy_last & some),
        .digits, .negative, .some, .at(digit_pair), .minus, .exponent
    );

    // Rows that are added: the bias, and one of each residual.
    logic [ROW_N-1:0] pending;
    logic [N-1:0] row_words[0:ROW_N-1];
    logic [15:0] rows_n;
    wire [N-1:0] residual, bias;
    wire [15:0] which = position - taps_q;
    wire one_extra = negative != 16'd0;  // all the +1s of complements in one addend
    rna_table #(.WORDS(RESIDUAL_N), .BITS(N), .FILE(RESIDUAL_ROWS)) residuals (
        .at(RESIDUALS > 0 ? RAB'((32'(which) * CHANNELS + 32'(channel_q)) * RESIDUAL_U + 32'(code)) : '0), .word(residual)
    );
    rna_table #(.WORDS(CHANNELS), .BITS(N), .FILE(BIAS)) biases (.at(CB'(channel)), .word(bias));
    logic [N-1:0] row_word;
    logic [ROW_N-1:0] row_at;
    always_comb begin
        row_at = pending & -pending;
        row_word = '0;
        for (int i = 0; i < ROW_N; i++) if (row_at[i]) row_word = row_words[i];
    end
    wire [N-1:0] placed = (minus ? ~product : product) << exponent;
    wire [N-1:0] filled = minus ? ~({N{1'b1}} << exponent) : '0;
    wire [N-1:0] addend = some ? placed | filled : one_extra && !ones_done ? N'(negative) : row_word;
    wire [15:0] waiting = digits + 16'(one_extra) + rows_n - copied_n;

    // Addends in lanes.
    logic [LANES-1:0] turn_q;
    wire [LANES-1:0] to_lane, from_lane, active;
    wire [RB-1:0] to_row, from_row, row_a, row_b, row_c, row_sum, row_carry;
    rna_lanes #(.LANES(LANES), .ROWS(ROWS), .FIRST(FIRST), .SLOTS(SLOTS), .AT_ONCE(AT_ONCE)) schedule (
        .clk, .clear(start), .waiting, .copied(copy_last), .moved(move_last), .stepped(step_last),
        .copies, .moves, .steps, .total, .to_lane, .to_row, .from_lane, .from_row, .active,
        .row_a, .row_b, .row_c, .row_sum, .row_carry
    );

    // Programmes on the crossbar.
    function automatic logic [RB-1:0] bound(
        input logic [RB:0] name, input logic [RB-1:0] a, input logic [RB-1:0] b, input logic [RB-1:0] c,
        input logic [RB-1:0] s, input logic [RB-1:0] k
    );
        bound = name[RB-1:0];
        if (name[RB])
            case (name[RB-1:0])
                RB'(1): bound = a;
                RB'(2): bound = b;
                RB'(3): bound = c;
                RB'(4): bound = s;
                default: bound = k;
            endcase
    endfunction
    wire [IW-1:0] instruction;
    rna_table #(.WORDS(C4), .BITS(IW), .FILE(PROGRAMME)) programme (.at(XB'(pc)), .word(instruction));
    wire [2:0] operation;
    wire whole, sets_carry, sets_sum;
    wire [N-1:0] positions;
    wire [RB:0] name_0, name_1, name_2, name_out;
    wire [FIRST-1:0] sets;
    assign {operation, whole, positions, name_0, name_1, name_2, name_out, sets_carry, sets_sum, sets} = instruction;
    wire writes = copy_last | move_last;
    wire in_turn = stepping && C2 > C1 && pc >= C1[15:0] && pc < C2[15:0];
    wire [LANES-1:0] turn_lanes = t == 16'd0 ? active : turn_q;
    wire [LANES-1:0] later_lanes = turn_lanes & (turn_lanes - LANES'(1));
    assign more_lanes = stepping && C2 > C1 && pc + 16'd1 == C2[15:0] && later_lanes != '0;
    wire [LANES-1:0] lanes = in_turn ? turn_lanes & ~later_lanes : stepping ? active : adding ? LANES'(1) : to_lane;
    wire [RB-1:0] result_row = added ? RB'(SUM_ROW) : total == 16'd1 ? row_a : '0;
    wire [N-1:0] read_word;
    rna_crossbar #(.ROWS(ROWS), .FIRST(FIRST), .N(N), .LANES(LANES)) crossbar (
        .clk, .rst, .op(writes ? 3'd5 : stepping | adding ? operation : 3'd0),
        .in0(bound(name_0, row_a, row_b, row_c, row_sum, row_carry)),
        .in1(bound(name_1, row_a, row_b, row_c, row_sum, row_carry)),
        .in2(bound(name_2, row_a, row_b, row_c, row_sum, row_carry)),
        .out(writes ? to_row : bound(name_out, row_a, row_b, row_c, row_sum, row_carry)),
        .sets, .sets_sum, .sets_carry, .row_sum, .row_carry, .lanes, .positions, .whole, .word(moving ? read_word : addend),
        .read_row(reading ? result_row : from_row), .read_lane(reading ? LANES'(1) : from_lane), .read_word
    );

    // Activation and encoding.
    wire table_last, encode_last;
    wire [7:0] found;
    wire signed [KW-1:0] key = {{(KW - N) {accumulator[N-1]}}, accumulator};
    wire signed [KW-1:0] cap, table_value;
    wire signed [KW-1:0] floored = key < 0 ? '0 : key;
    wire signed [KW-1:0] clipped = ACTIVATION == 2 && floored > cap ? cap : floored;
    assign value = ACTIVATION == 3 ? table_value : ACTIVATION != 0 ? clipped : key;
    assign result = ENCODES != 0 ? found : 8'd0;
    wire activate_last = ACTIVATION == 3 ? table_last : t + 16'd1 == ACTIVATION[15:0];
    rna_table #(.WORDS(CHANNELS), .BITS(KW), .FILE(CAPS)) caps (.at(CB'(channel_q)), .word(cap));
    rna_search #(
        .LEVELS(ACTIVATION_LEVELS), .CPL(CPL), .KW(KW), .VW(KW), .SETS(ACTIVATION_SETS), .MIDPOINTS(Z), .VALUES(G)
    ) activation (
        .clk, .clear(start), .step(phase == ACTIVATE), .set(ACTIVATION_SETS > 1 ? ASB'(channel_q) : '0), .key,
        .value(table_value), .last(table_last)
    );
    rna_search #(
        .LEVELS(ENCODING_LEVELS), .CPL(CPL), .KW(KW), .VW(8), .SETS(ENCODING_SETS), .MIDPOINTS(MIDPOINTS), .VALUES(CODES)
    ) encoding (
        .clk, .clear(start), .step(phase == ENCODE), .set(ENCODING_SETS > 1 ? ESB'(channel_q) : '0), .key(value),
        .value(found), .last(encode_last)
    );

    always_ff @(posedge clk) begin
        if (rst) begin
            phase <= IDLE;
            done <= 1'b0;
        end else if (start) begin
            phase <= taps != 16'd0 ? DELIVER : FROM_START;
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
            pending <= ROW_N'(bias != '0);
            rows_n <= 16'(bias != '0);
        end else if (phase != IDLE) begin
            cycles <= cycles + 32'd1;
            t <= t + 16'd1;
            pc_q <= more_lanes ? C1[15:0] : pc + 16'd1;
            turn_q <= more_lanes ? later_lanes : turn_lanes;
            if (listens) begin
                position <= position + 16'd1;
                left_q <= code;
                if (RESIDUALS > 0 && !counting) begin
                    for (int i = 1; i < ROW_N; i++)
                        if (16'(i) == which + 16'd1) begin
                            row_words[i] <= residual;
                            pending[i] <= residual != '0;
                        end
                    if (residual != '0) rows_n <= rows_n + 16'd1;
                end
                if (position + 16'd1 == taps_q + ADDRESSING[15:0]) begin
                    phase <= ADDS;
                    t <= 16'd0;
                    if (LOOKUP != 0) accumulator <= product;
                end
            end
            if (copy_last) begin
                copied_n <= copied_n + 16'd1;
                if (!some && one_extra && !ones_done) ones_done <= 1'b1;
                else if (!some) pending <= pending & ~row_at;
            end
            if (writes || step_last || add_last || read_last) t <= 16'd0;
            if (add_last) added <= 1'b1;
            if (read_last) begin
                if (LOOKUP == 0) accumulator <= read_word;
                phase <= FROM_READ;
                done <= FROM_READ == IDLE;
            end
            if (phase == ACTIVATE && activate_last) begin
                t <= 16'd0;
                phase <= ACTIVATION == 3 ? FETCH : FROM_ACTIVATION;
                done <= ACTIVATION != 3 && FROM_ACTIVATION == IDLE;
            end
            if (phase == FETCH && t + 16'd1 == READ[15:0]) begin
                phase <= FROM_ACTIVATION;
                done <= FROM_ACTIVATION == IDLE;
            end
            if (phase == ENCODE && encode_last) begin
                phase <= IDLE;
                done <= 1'b1;
            end
        end
    end
endmodule
`default_nettype wire
