// Counters of (weight code, input code) pairs, and their counts as signed powers of two, one digit at a time.
`default_nettype none
module rna_counters #(
    parameter int PAIRS = 256,
    parameter int CW = 16,
    parameter int PB = PAIRS > 1 ? $clog2(PAIRS) : 1
) (
    input  wire logic          clk,
    input  wire logic          clear,
    input  wire logic          count,     // one more of `pair`
    input  wire logic [PB-1:0] pair,
    input  wire logic          adds,      // its product is not zero
    input  wire logic          take,      // the digit shown has been copied
    output logic      [15:0]   digits,    // in all
    output logic      [15:0]   negative,  // of them
    output wire logic          some,      // a digit is left
    output wire logic [PB-1:0] at,        // its pair
    output wire logic          minus,
    output wire logic [15:0]   exponent
);
    logic [PAIRS-1:0] seen, open;
    logic fresh, signed_q;
    logic [CW-1:0] held;

    function automatic logic [15:0] ones(input logic [CW+1:0] v);
        ones = 16'd0;
        for (int i = 0; i < CW + 2; i++) ones = ones + {15'd0, v[i]};
    endfunction
    // With h = 3n the non-adjacent form has a digit where h and n differ, a negative one where only n has a bit.
    function automatic logic [CW+1:0] tripled(input logic [CW-1:0] n);
        tripled = {2'b00, n} + {1'b0, n, 1'b0};
    endfunction
    function automatic logic shorter(input logic [CW-1:0] n);
        shorter = ones(tripled(n) ^ {2'b00, n}) < ones({2'b00, n});
    endfunction
    function automatic logic [15:0] digits_of(input logic [CW-1:0] n);
        digits_of = shorter(n) ? ones(tripled(n) ^ {2'b00, n}) : ones({2'b00, n});
    endfunction
    function automatic logic [15:0] negative_of(input logic [CW-1:0] n);
        negative_of = shorter(n) ? ones({2'b00, n} & ~tripled(n)) : 16'd0;
    endfunction
    function automatic logic [PB-1:0] first_of(input logic [PAIRS-1:0] v);
        first_of = '0;
        for (int i = PAIRS - 1; i >= 0; i--) if (v[i]) first_of = PB'(i);
    endfunction
    function automatic logic [15:0] lowest_of(input logic [CW-1:0] v);
        lowest_of = 16'd0;
        for (int i = CW - 1; i >= 0; i--) if (v[i]) lowest_of = 16'(i);
    endfunction

    // Counting and copying take turns, so one word is read and written at a time.
    wire [CW-1:0] old = seen[pair] ? held : '0;
    wire [CW-1:0] one_more = old + CW'(1);
    wire [CW-1:0] lowest = held & -held;
    wire signed_form = fresh ? shorter(held) : signed_q;
    wire [CW-1:0] rest = minus ? held + lowest : held & ~lowest;
    assign some = |open;
    assign at = first_of(open);
    assign exponent = lowest_of(held);
    assign minus = signed_form && (held & (lowest << 1)) != '0;
    rna_store #(.WORDS(PAIRS), .BITS(CW)) counts (
        .clk, .writes(count | take), .at(count ? pair : at), .given(count ? one_more : rest), .word(held)
    );

    always_ff @(posedge clk) begin
        if (clear) begin
            seen <= '0;
            open <= '0;
            fresh <= 1'b1;
            digits <= 16'd0;
            negative <= 16'd0;
        end else if (count) begin
            seen[pair] <= 1'b1;
            if (adds) begin
                open[pair] <= 1'b1;
                digits <= digits + digits_of(one_more) - digits_of(old);
                negative <= negative + negative_of(one_more) - negative_of(old);
            end
        end else if (take) begin
            signed_q <= signed_form;
            fresh <= rest == '0;
            if (rest == '0) open[at] <= 1'b0;
        end
    end
endmodule
`default_nettype wire
