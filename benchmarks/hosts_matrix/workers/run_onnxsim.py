"""onnxsim, and ONNX Runtime on what it makes of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnxsim
from job import serve
from run_onnxruntime import opened


def simplified(path: Path) -> Any:
    model, _ = onnxsim.simplify(onnx.load(path))
    smaller = path.with_name("simplified.onnx")
    onnx.save(model, smaller)
    return opened(smaller)


serve(simplified)
