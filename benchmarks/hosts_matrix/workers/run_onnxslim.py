"""onnxslim, and ONNX Runtime on what it makes of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnxslim
from job import serve
from run_onnxruntime import opened


def slim(path: Path) -> Any:
    smaller = path.with_name("slim.onnx")
    onnx.save(onnxslim.slim(onnx.load(path)), smaller)
    return opened(smaller)


serve(slim)
