"""Operator handlers, one module a family; importing this package registers all of them."""

from rapidnn.frontends.handlers import (
    activations,
    arithmetic,
    join,
    norms,
    pool,
    resize,
    select,
    shape,
    transposed,
    weighted,
)

__all__ = [
    "activations",
    "arithmetic",
    "join",
    "norms",
    "pool",
    "resize",
    "select",
    "shape",
    "transposed",
    "weighted",
]
