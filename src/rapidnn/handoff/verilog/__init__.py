"""An RNA block as SystemVerilog, with a test bench of real neurons for each layer."""
