"""The search for a design: codebook sizes and machine parameters for accuracy, energy, latency, area and lifetime."""
