"""A composed network as a Python module file that needs nothing but torch: fake quantisation that goes on training."""
