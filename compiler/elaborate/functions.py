"""All functions that the language knows: each family registers its own when it is imported."""

from mai.compiler.elaborate import constructs, couplings, kernels  # noqa: F401
from mai.compiler.elaborate.builtins import BUILTINS

__all__ = ["BUILTINS"]
