"""Running compiled `.onnx` files: numpy, pydantic and onnxruntime only.

>>> from mai.runtime import load
>>> model = load("moons_flow.sample.onnx")
>>> x = model(batch=1000, seed=0, steps=20)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.runtime.errors import ModelError

if TYPE_CHECKING:
    from mai.runtime.model.loader import load
    from mai.runtime.model.model import Model

__all__ = ["Model", "ModelError", "load"]


def __getattr__(name: str) -> object:
    """Import `load` and `Model` when they are first asked for: the command line starts faster without ONNX Runtime."""
    if name == "load":
        from mai.runtime.model.loader import load

        return load
    if name == "Model":
        from mai.runtime.model.model import Model

        return Model
    raise AttributeError(f"module 'mai.runtime' has no attribute {name!r}")
