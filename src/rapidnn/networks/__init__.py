"""Built-in benchmark networks, networks by ``package.module:factory``, their weights, and training.

torch is imported only when a network is built, read or trained.
"""

from rapidnn.networks.registry import build, data_set, input_shape, names, skeleton
from rapidnn.networks.resolve import Network, resolve
from rapidnn.networks.weights import load_weights, save_weights

__all__ = [
    "Network",
    "build",
    "data_set",
    "input_shape",
    "load_weights",
    "names",
    "resolve",
    "save_weights",
    "skeleton",
]
