"""Syntax tree to IR: names, types, dimensions and lead axes, settled by running the program abstractly."""

from mai.compiler.elaborate.declarations import elaborate

__all__ = ["elaborate"]
