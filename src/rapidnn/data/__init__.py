"""Data sets: by name, from an ``.npz`` or a folder of images; and the preprocessing an artifact stores."""

from rapidnn.data.dataset import DataSet
from rapidnn.data.datasets import load_data, names
from rapidnn.data.preprocess import Layout, Preprocess

__all__ = ["DataSet", "Layout", "Preprocess", "load_data", "names"]
