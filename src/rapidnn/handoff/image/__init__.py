"""A composed network as what a neuron-to-memory chip is loaded with."""
