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
    output logic                  copies,   // what is to be done next, none of them when two rows or less are left
    output logic                  moves,
    output logic                  steps,
    output logic      [15:0]      total,
    output logic      [LANES-1:0] to_lane,
    output logic      [RB-1:0]    to_row,
    output logic      [LANES-1:0] from_lane,
    output logic      [RB-1:0]    from_row,
    output logic      [LANES-1:0] active,
    output logic      [RB-1:0]    row_a,
    output logic      [RB-1:0]    row_b,
    output logic      [RB-1:0]    row_c,
    output logic      [RB-1:0]    row_sum,
    output logic      [RB-1:0]    row_carry
);
    localparam int HB = $clog2(SLOTS + 4);
    logic [15:0] held[0:LANES-1], formed[0:LANES-1], want[0:LANES-1];
    logic [RB-1:0] slots[0:SLOTS+3];
    logic [15:0] slots_n, turn, groups, most, target, target_groups, most_over;
    logic filling_q, filling, stay, ends;
    logic [ROWS-1:0] free, free_next;
    logic [SLOTS+3:0] hosts;  // slots in which addends over stand
    logic [1:0] stray, stray_next;
    logic [LANES-1:0] stray_lane[0:1], stray_lane_next[0:1];
    logic [RB-1:0] stray_row[0:1], stray_row_next[0:1];
    logic [15:0] to_slot, from_slot;

    // Lanes: what a stage forms, and who lacks and who has too many.
    assign groups = total / 16'd3;
    assign most = (groups + LANES[15:0] - 16'd1) / LANES[15:0];
    assign target = total + waiting < AT_ONCE[15:0] ? total + waiting : AT_ONCE[15:0];
    assign target_groups = target / 16'd3;
    assign filling = filling_q | (total <= 16'd2 && turn == 16'd0);
    assign copies = filling && waiting != 16'd0;
    always_comb begin
        moves = 1'b0;
        to_lane = '0;
        to_slot = 16'd0;
        from_lane = '0;
        from_slot = 16'd0;
        for (int l = LANES - 1; l >= 0; l--) begin
            formed[l] = groups / LANES[15:0] + (l[15:0] < groups % LANES[15:0] ? 16'd1 : 16'd0);
            want[l] = 16'd3 * (target_groups / LANES[15:0] + (l[15:0] < target_groups % LANES[15:0] ? 16'd1 : 16'd0));
            if (l == 0) want[l] = want[l] + target % 16'd3;
            active[l] = formed[l] > turn;
            if (copies ? held[l] < want[l] : held[l] < 16'd3 * formed[l]) begin
                moves = !copies && total > 16'd2 && turn == 16'd0;
                to_lane = '0;
                to_lane[l] = 1'b1;
                to_slot = held[l];
            end
        end
        for (int l = 0; l < LANES; l++)
            if (held[l] > 16'd3 * formed[l]) begin
                from_lane = '0;
                from_lane[l] = 1'b1;
                from_slot = held[l] - 16'd1;
            end
        if (stray[0]) from_lane = stray_lane[0];
    end
    assign steps = !copies && !moves && total > 16'd2;
    assign ends = turn + 16'd1 == most;

    // Rows.
    always_comb begin
        row_sum = '0;
        row_carry = '0;
        for (int r = ROWS - 1; r >= 0; r--)
            if (free[r]) begin
                row_carry = row_sum;
                row_sum = r[RB-1:0];
            end
    end
    assign row_a = slots[steps ? 3 * turn[HB-1:0] : '0];
    assign row_b = slots[steps ? 3 * turn[HB-1:0] + 1'b1 : {{(HB - 1) {1'b0}}, 1'b1}];
    assign row_c = slots[3*turn[HB-1:0]+2'd2];
    assign to_row = to_slot == slots_n ? row_sum : slots[to_slot[HB-1:0]];
    assign from_row = stray[0] ? stray_row[0] : slots[from_slot[HB-1:0]];

    always_comb begin
        hosts = '0;
        stay = !stray[0];
        most_over = 16'd0;
        for (int l = 0; l < LANES; l++) begin
            for (int i = 0; i < 2; i++)
                if (16'd3 * formed[l] + i[15:0] < held[l]) hosts[16'd3*formed[l]+i[15:0]] = 1'b1;
            if (held[l] > 16'd3 * formed[l]) begin
                if (formed[l] != most) stay = 1'b0;
                if (held[l] - 16'd3 * formed[l] > most_over) most_over = held[l] - 16'd3 * formed[l];
            end
        end
    end

    // Addends over in no common slot are strays; those there were come first.
    always_comb begin
        stray_next = stray;
        for (int k = 0; k < 2; k++) begin
            stray_lane_next[k] = stray_lane[k];
            stray_row_next[k] = stray_row[k];
        end
        if (moved && stray[0]) begin
            stray_next = {1'b0, stray[1]};
            stray_lane_next[0] = stray_lane[1];
            stray_row_next[0] = stray_row[1];
        end else if (stepped && ends && !stay)
            for (int l = 0; l < LANES; l++)
                for (int i = 0; i < 2; i++)
                    if (16'd3 * formed[l] + i[15:0] < held[l]) begin
                        stray_lane_next[stray_next[0]] = '0;
                        stray_lane_next[stray_next[0]][l] = 1'b1;
                        stray_row_next[stray_next[0]] = slots[16'd3*formed[l]+i[15:0]];
                        stray_next = {stray_next[0], 1'b1};
                    end
    end

    always_comb begin
        free_next = free;
        if ((copied || moved) && to_slot == slots_n) free_next[row_sum] = 1'b0;
        if (moved && stray[0] && !(stray[1] && stray_row[1] == stray_row[0])) free_next[stray_row[0]] = 1'b1;
        if (stepped) begin
            free_next[row_sum] = 1'b0;
            free_next[row_carry] = 1'b0;
            for (int s = 0; s < SLOTS; s++)
                if (!hosts[s] && s[15:0] >= 16'd3 * turn && s[15:0] < slots_n)
                    if (ends || s[15:0] < 16'd3 * turn + 16'd3) free_next[slots[s]] = 1'b1;
        end
    end

    always_ff @(posedge clk) begin
        stray_lane[0] <= stray_lane_next[0];
        stray_lane[1] <= stray_lane_next[1];
        stray_row[0] <= stray_row_next[0];
        stray_row[1] <= stray_row_next[1];
        if (clear) begin
            for (int l = 0; l < LANES; l++) held[l] <= 16'd0;
            for (int r = 0; r < ROWS; r++) free[r] <= r >= FIRST;
            stray <= 2'b00;
            total <= 16'd0;
            turn <= 16'd0;
            slots_n <= 16'd0;
            filling_q <= 1'b1;
        end else begin
            free <= free_next;
            stray <= stray_next;
            if (copied || moved) begin
                for (int l = 0; l < LANES; l++) begin
                    if (to_lane[l]) held[l] <= held[l] + 16'd1;
                    else if (moved && !stray[0] && from_lane[l]) held[l] <= held[l] - 16'd1;
                end
                if (to_slot == slots_n) begin
                    slots[to_slot[HB-1:0]] <= row_sum;
                    slots_n <= slots_n + 16'd1;
                end
            end
            if (copied) begin
                total <= total + 16'd1;
                filling_q <= total + 16'd1 != target;
            end
            if (stepped) begin
                slots[2*turn[HB-1:0]] <= row_sum;
                slots[2*turn[HB-1:0]+1'b1] <= row_carry;
                turn <= ends ? 16'd0 : turn + 16'd1;
                if (ends) begin
                    total <= total - groups;
                    slots_n <= 16'd2 * most + (stay ? most_over : 16'd0);
                    for (int l = 0; l < LANES; l++)
                        held[l] <= stay ? held[l] - formed[l] : 16'd2 * formed[l];
                    for (int i = 0; i < 2; i++)
                        if (stay && i[15:0] < most_over)
                            slots[2*most[HB-1:0]+i[HB-1:0]] <= slots[3*most[HB-1:0]+i[HB-1:0]];
                end
            end
        end
    end
endmodule
`default_nettype wire
