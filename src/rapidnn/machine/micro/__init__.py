"""One RNA block executed gate by gate: the truth that the macro model is held to (SPEC section 3)."""
