"""A composed network as C99 without multiplication, without floating point, and without a library."""
