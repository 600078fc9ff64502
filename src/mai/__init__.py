"""mai: from a text file that says what a model is to one self-contained ONNX file.

>>> import mai
>>> spec = mai.read("moons_flow.mai")
>>> run = spec.train(steps=500)
>>> points = spec.sample(batch=1000)

What compiles and trains is loaded when it is first asked for: `mai.load` needs numpy, pydantic and onnxruntime alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mai.compiler.interface.magics import load_ipython_extension
    from mai.compiler.interface.run import Run
    from mai.compiler.interface.spec import Spec, read
    from mai.runtime import Model, ModelError, load
    from mai.spec.diagnostics import MaiError

__version__ = "0.21.0"
__language__ = "1.0"  # The version of the language: docs/stability.md says what it promises.
__all__ = ["MaiError", "Model", "ModelError", "Run", "Spec", "load", "load_ipython_extension", "read"]
_HOMES = {
    "MaiError": "mai.spec.diagnostics", "Model": "mai.runtime", "ModelError": "mai.runtime", "Run": "mai.compiler.interface.run",
    "Spec": "mai.compiler.interface.spec", "load": "mai.runtime", "read": "mai.compiler.interface.spec",
    "load_ipython_extension": "mai.compiler.interface.magics",
}  # fmt: skip


def __getattr__(name: str) -> object:
    """What is public, from where it stands."""
    if name not in _HOMES:
        meant = next((f": did you mean `mai.{each}`?" for each in _HOMES if each.lower() == name.lower()), "")
        raise AttributeError(f"module 'mai' has no attribute {name!r}{meant}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """What completion shows: what is public."""
    return [*__all__, "__doc__", "__version__"]
