"""Operator handlers, one module a family; importing this package registers all of them."""

from rapidnn.frontends.handlers import elementwise, pool, shape, weighted

__all__ = ["elementwise", "pool", "shape", "weighted"]
