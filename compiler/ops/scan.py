"""Finds every operation: an operation is known because its file lies in this folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

import mai.compiler.ops


@cache
def load_operations() -> tuple[ModuleType, ...]:
    """Import every module of the rooms of this folder, in the order of their names, and so register its operations."""
    names = sorted(module.name for module in pkgutil.walk_packages(mai.compiler.ops.__path__, "mai.compiler.ops."))
    return tuple(importlib.import_module(name) for name in names)
