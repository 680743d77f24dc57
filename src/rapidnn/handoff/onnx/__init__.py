"""A composed network as ONNX in standard operators: exact integers, or floats with the codebooks' values."""
