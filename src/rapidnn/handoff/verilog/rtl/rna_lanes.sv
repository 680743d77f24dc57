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
    localparam int TB = $clog2((AT_ONCE > LANES ? AT_ONCE : LANES) + SLOT_N);  // at least HB
    logic [LANES*HB-1:0] held;
    logic [RB-1:0] rows[0:SLOT_N-1];
    logic [HB-1:0] rows_n, turn;
    logic filling_q;
    logic [ROWS-1:0] free, free_next;
    logic stray, stray_too;  // the second only behind the first
    logic [LANES-1:0] stray_lane, stray_lane_too;
    logic [RB-1:0] stray_row, stray_row_too;

    // What is next: copies until the lanes are full, then moves, then steps.
    wire [LANES-1:0] lacking, spare, fuller, over_two;
    wire [LANES*HB-1:0] left;
    wire stay;
    wire [15:0] all = total + waiting;
    wire [TB-1:0] target = all < AT_ONCE[15:0] ? TB'(all) : AT_ONCE[TB-1:0];
    wire filling = filling_q | (total <= 16'd2 && turn == '0);
    assign copies = filling && waiting != 16'd0;
    assign moves = !copies && total > 16'd2 && turn == '0 && lacking != '0;
    assign steps = !copies && !moves && total > 16'd2;

    // Groups of three that lanes form now, and when they are full.
    wire [TB-1:0] groups = TB'(total) / TB'(3);
    wire [TB-1:0] groups_full = target / TB'(3);
    wire [HB-1:0] each = HB'(groups / TB'(LANES));
    wire [HB-1:0] each_full = HB'(groups_full / TB'(LANES));
    wire [TB-1:0] one_more = groups % TB'(LANES);
    wire [TB-1:0] one_more_full = groups_full % TB'(LANES);
    wire [HB-1:0] most = each + HB'(one_more != '0);
    wire ends = turn + HB'(1) == most;

    // Lane by lane: what it forms, lacks and has over. Two rows are left over at most once moves are done.
    generate
        for (genvar l = 0; l < LANES; l++) begin : lane
            wire [HB-1:0] holds = held[l*HB+:HB];
            wire [HB-1:0] forms = each + HB'(fuller[l]);
            wire [HB-1:0] fills = HB'(3) * (each_full + HB'(TB'(l) < one_more_full)) + (l == 0 ? HB'(target % TB'(3)) : '0);
            wire [HB-1:0] takes = HB'(3) * forms;
            assign fuller[l] = TB'(l) < one_more;
            assign lacking[l] = holds < (copies ? fills : takes);
            assign spare[l] = holds > takes;
            assign over_two[l] = spare[l] && holds - takes != HB'(1);
            assign active[l] = forms > turn;
            assign left[l*HB+:HB] = stay ? holds - forms : HB'(2) * forms;
        end
    endgenerate
    assign stay = !stray && (one_more == '0 || (spare & ~fuller) == '0);
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

    // The at most two addends that are left over as a stage steps, and the strays that they become in no common slot.
    wire becomes = stepped && ends && !stay;
    wire [LANES-1:0] over_lane = spare & -spare;
    wire twice = (over_two & over_lane) != '0;
    wire [LANES-1:0] over_lane_too = twice ? over_lane : spare & ~over_lane;
    wire over = spare != '0;
    wire over_too = over_lane_too != '0;
    wire [HB-1:0] over_slot = HB'(3) * (each + HB'((fuller & over_lane) != '0));
    wire [HB-1:0] over_slot_too = HB'(3) * (each + HB'((fuller & over_lane_too) != '0)) + HB'(twice);
    wire [RB-1:0] over_row = rows[over_slot];
    wire [RB-1:0] over_row_too = rows[over_slot_too];
    wire next = moved && stray;

    logic [ROWS-1:0] freed;
    always_comb begin
        free_next = free;
        if (appends) free_next[row_sum] = 1'b0;
        if (next && !(stray_too && stray_row_too == stray_row)) free_next[stray_row] = 1'b1;
        if (stepped) begin
            free_next[row_sum] = 1'b0;
            free_next[row_carry] = 1'b0;
        end
        freed = '0;
        for (int s = 0; s < SLOTS; s++)
            if (stepped && HB'(s) >= first && HB'(s) < (ends ? rows_n : first + HB'(3)))
                if (!(over && over_slot == HB'(s)) && !(over_too && over_slot_too == HB'(s)))
                    freed = freed | ROWS'(1) << rows[s];
        free_next = free_next | freed;
    end

    always_ff @(posedge clk) begin
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
            if (next) begin
                stray <= stray_too;
                stray_lane <= stray_lane_too;
                stray_row <= stray_row_too;
                stray_too <= 1'b0;
            end else if (becomes && stray && over) begin
                stray_too <= 1'b1;
                stray_lane_too <= over_lane;
                stray_row_too <= over_row;
            end else if (becomes && over) begin
                stray <= 1'b1;
                stray_lane <= over_lane;
                stray_row <= over_row;
                stray_too <= over_too;
                stray_lane_too <= over_lane_too;
                stray_row_too <= over_row_too;
            end
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
                filling_q <= total + 16'd1 != 16'(target);
            end
            if (stepped) begin
                rows[HB'(2)*turn] <= row_sum;
                rows[HB'(2)*turn+HB'(1)] <= row_carry;
                turn <= ends ? '0 : turn + HB'(1);
                if (ends) begin
                    total <= total - 16'(groups);
                    rows_n <= HB'(2) * most + (stay ? most_over : '0);
                    if (stay && most_over > HB'(0)) rows[HB'(2)*most] <= rows[HB'(3)*most];
                    if (stay && most_over > HB'(1)) rows[HB'(2)*most+HB'(1)] <= rows[HB'(3)*most+HB'(1)];
                end
            end
        end
    end
endmodule
`default_nettype wire
