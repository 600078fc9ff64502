"""Running compiled `.onnx` files: numpy, pydantic and onnxruntime only.

>>> from mai.runtime import load
>>> model = load("moons_flow.sample.onnx")
>>> x = model(batch=1000, seed=0, steps=20)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mai.runtime.errors import ModelError

if TYPE_CHECKING:
    from mai.runtime.model.model import Model

__all__ = ["Model", "ModelError", "load"]


def __getattr__(name: str) -> Any:
    """`load` and `Model` are imported when they are asked for: the command line starts faster without them."""
    if name in ("load", "Model"):
        from mai.runtime.model import model

        return getattr(model, name)
    raise AttributeError(f"module 'mai.runtime' has no attribute {name!r}")
