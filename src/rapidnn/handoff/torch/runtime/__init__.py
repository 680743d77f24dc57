"""The steps of a composed network as torch modules: the text that every export's file begins with.

Edges are integers held in floating point: codes as the integers of their codebook, accumulators as sums. In evaluation
all is exact (sums in float64); in training sums are float32 where they fit 24 bits. Rounding and nearest search pass
gradients straight through, inside a codebook's range.
"""
