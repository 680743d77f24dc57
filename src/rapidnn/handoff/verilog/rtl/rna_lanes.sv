// Addends in the lanes of a block: where the next copy, move and 3:2 step go, until at most two rows are left in lane 0.
// A slot is the same row in every lane; lanes fill slots from the first on. A stage first gives every lane the addends
// of its groups of three, strays first, then from the last lanes that have too many; then its rounds go, and their sums
// and carries become the next slots. At most two addends stay over: in the next slots, or as strays in rows of their own.
`default_nettype none
module rna_lanes #(
    parameter int LANES = 4,
    parameter int ROWS = 64,
    parameter int FIRST = 14,    // row of the first slot
    parameter int SLOTS = 32,    // rows from there on
    parameter int AT_ONCE = 60,  // addends that stand in the block at once, at most
    parameter int RB = $clog2(ROWS)
) (
    input  wire logic             clk,
    input  wire logic             clear,
    input  wire logic [15:0]      waiting,  // addends still to be copied
    input  wire logic             copied,   // the last cycle of each
    input  wire logic             moved,
    input  wire logic             stepped,
    output wire logic             copies,   // what is to be done next, none of them when two rows or less are left
    output wire logic             moves,
    output wire logic             steps,
    output logic      [15:0]      total,
    output wire logic [LANES-1:0] to_lane,
    output wire logic [RB-1:0]    to_row,
    output wire logic [LANES-1:0] from_lane,
    output wire logic [RB-1:0]    from_row,
    output wire logic [LANES-1:0] active,
    output wire logic [RB-1:0]    row_a,
    output wire logic [RB-1:0]    row_b,
    output wire logic [RB-1:0]    row_c,
    output wire logic [RB-1:0]    row_sum,
    output wire logic [RB-1:0]    row_carry
);
    localparam int SLOT_N = SLOTS + 4;
    localparam int HB = $clog2(SLOT_N);
    logic [LANES*HB-1:0] held;
    logic [RB-1:0] rows[0:SLOT_N-1];
    logic [HB-1:0] rows_n, turn;
    logic filling_q;
    logic [ROWS-1:0] free, free_next;
    logic stray, stray_too;  // the second only behind the first
    logic [LANES-1:0] stray_lane, stray_lane_too;
    logic [RB-1:0] stray_row, stray_row_too;

    // What is next: copies until the lanes are full, then moves, then steps.
    wire [LANES-1:0] lacking, spare, idle, over_two;
    wire [LANES*HB-1:0] taken, left;
    wire stay;
    wire [15:0] all = total + waiting;
    wire [15:0] target = all < AT_ONCE[15:0] ? all : AT_ONCE[15:0];
    wire filling = filling_q | (total <= 16'd2 && turn == '0);
    assign copies = filling && waiting != 16'd0;
    assign moves = !copies && total > 16'd2 && turn == '0 && lacking != '0;
    assign steps = !copies && !moves && total > 16'd2;

    // Groups of three that lanes form now, and when they are full.
    wire [15:0] groups = total / 16'd3;
    wire [15:0] groups_full = target / 16'd3;
    wire [HB-1:0] each = HB'(groups / LANES[15:0]);
    wire [HB-1:0] each_full = HB'(groups_full / LANES[15:0]);
    wire [15:0] one_more = groups % LANES[15:0];
    wire [15:0] one_more_full = groups_full % LANES[15:0];
    wire [HB-1:0] most = each + HB'(one_more != 16'd0);
    wire ends = turn + HB'(1) == most;

    // Lane by lane: what it forms, lacks and has over. Two rows are left over at most once moves are done.
    generate
        for (genvar l = 0; l < LANES; l++) begin : lane
            wire [HB-1:0] holds = held[l*HB+:HB];
            wire [HB-1:0] forms = each + HB'(16'(l) < one_more);
            wire [HB-1:0] full = HB'(3) * (each_full + HB'(16'(l) < one_more_full)) + (l == 0 ? HB'(target % 16'd3) : '0);
            wire [HB-1:0] takes = HB'(3) * forms;
            assign lacking[l] = holds < (copies ? full : takes);
            assign spare[l] = holds > takes;
            assign over_two[l] = spare[l] && holds - takes != HB'(1);
            assign idle[l] = forms != most;
            assign active[l] = forms > turn;
            assign taken[l*HB+:HB] = takes;
            assign left[l*HB+:HB] = stay ? holds - forms : HB'(2) * forms;
        end
    endgenerate
    assign stay = !stray && (spare & idle) == '0;
    wire [HB-1:0] most_over = HB'(spare != '0) + HB'(over_two != '0);

    // A copy or move goes to the first lane that lacks an addend, a move comes from a stray or the last lane with too many.
    assign to_lane = lacking & -lacking;
    logic [LANES-1:0] last_spare;
    logic [HB-1:0] to_slot, from_slot;
    always_comb begin
        last_spare = '0;
        to_slot = '0;
        from_slot = '0;
        for (int l = 0; l < LANES; l++) begin
            if (spare[l]) begin
                last_spare = LANES'(1) << l;
                from_slot = held[l*HB+:HB] - HB'(1);
            end
            if (to_lane[l]) to_slot = held[l*HB+:HB];
        end
    end
    assign from_lane = stray ? stray_lane : last_spare;

    // Rows.
    wire [ROWS-1:0] free_rest = free & (free - ROWS'(1));
    function automatic logic [RB-1:0] first_of(input logic [ROWS-1:0] v);
        first_of = '0;
        for (int r = ROWS - 1; r >= 0; r--) if (v[r]) first_of = RB'(r);
    endfunction
    wire appends = (copied | moved) && to_slot == rows_n;
    wire [HB-1:0] first = steps ? HB'(3) * turn : '0;
    assign row_sum = first_of(free);
    assign row_carry = first_of(free_rest);
    assign row_a = rows[first];
    assign row_b = rows[first+HB'(1)];
    assign row_c = rows[first+HB'(2)];
    assign to_row = to_slot == rows_n ? row_sum : rows[to_slot];
    assign from_row = stray ? stray_row : rows[from_slot];

    // Slots in which an addend is left over, and the strays that addends over in no common slot become.
    wire becomes = stepped && ends && !stay;
    logic [SLOT_N-1:0] hosts;
    logic [HB-1:0] over;
    logic stray_next, stray_too_next;
    logic [LANES-1:0] stray_lane_next, stray_lane_too_next;
    logic [RB-1:0] stray_row_next, stray_row_too_next;
    always_comb begin
        hosts = '0;
        over = '0;
        stray_next = stray;
        stray_lane_next = stray_lane;
        stray_row_next = stray_row;
        stray_too_next = stray_too;
        stray_lane_too_next = stray_lane_too;
        stray_row_too_next = stray_row_too;
        if (moved && stray) begin
            stray_next = stray_too;
            stray_lane_next = stray_lane_too;
            stray_row_next = stray_row_too;
            stray_too_next = 1'b0;
        end
        for (int l = 0; l < LANES; l++)
            for (int i = 0; i < 2; i++)
                if (i == 0 ? spare[l] : over_two[l]) begin
                    over = taken[l*HB+:HB] + HB'(i);
                    hosts[over] = 1'b1;
                    if (becomes && !stray_next) begin
                        stray_next = 1'b1;
                        stray_lane_next = LANES'(1) << l;
                        stray_row_next = rows[over];
                    end else if (becomes) begin
                        stray_too_next = 1'b1;
                        stray_lane_too_next = LANES'(1) << l;
                        stray_row_too_next = rows[over];
                    end
                end
    end

    always_comb begin
        free_next = free;
        if (appends) free_next[row_sum] = 1'b0;
        if (moved && stray && !(stray_too && stray_row_too == stray_row)) free_next[stray_row] = 1'b1;
        if (stepped) begin
            free_next[row_sum] = 1'b0;
            free_next[row_carry] = 1'b0;
            for (int s = 0; s < SLOTS; s++)
                if (!hosts[s] && HB'(s) >= first && HB'(s) < rows_n)
                    if (ends || HB'(s) < first + HB'(3)) free_next[rows[s]] = 1'b1;
        end
    end

    always_ff @(posedge clk) begin
        stray_lane <= stray_lane_next;
        stray_lane_too <= stray_lane_too_next;
        stray_row <= stray_row_next;
        stray_row_too <= stray_row_too_next;
        if (clear) begin
            held <= '0;
            free <= {ROWS{1'b1}} << FIRST;
            stray <= 1'b0;
            stray_too <= 1'b0;
            total <= 16'd0;
            turn <= '0;
            rows_n <= '0;
            filling_q <= 1'b1;
        end else begin
            free <= free_next;
            stray <= stray_next;
            stray_too <= stray_too_next;
            if (stepped && ends) held <= left;
            else
                for (int l = 0; l < LANES; l++)
                    if ((copied | moved) && to_lane[l]) held[l*HB+:HB] <= held[l*HB+:HB] + HB'(1);
                    else if (moved && !stray && from_lane[l]) held[l*HB+:HB] <= held[l*HB+:HB] - HB'(1);
            if (appends) begin
                rows[to_slot] <= row_sum;
                rows_n <= rows_n + HB'(1);
            end
            if (copied) begin
                total <= total + 16'd1;
                filling_q <= total + 16'd1 != target;
            end
            if (stepped) begin
                rows[HB'(2)*turn] <= row_sum;
                rows[HB'(2)*turn+HB'(1)] <= row_carry;
                turn <= ends ? '0 : turn + HB'(1);
                if (ends) begin
                    total <= total - groups;
                    rows_n <= HB'(2) * most + (stay ? most_over : '0);
                    if (stay && most_over > HB'(0)) rows[HB'(2)*most] <= rows[HB'(3)*most];
                    if (stay && most_over > HB'(1)) rows[HB'(2)*most+HB'(1)] <= rows[HB'(3)*most+HB'(1)];
                end
            end
        end
    end
endmodule
`default_nettype wire
