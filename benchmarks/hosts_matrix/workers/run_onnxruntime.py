"""ONNX Runtime's Python interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort
from job import Arrays, serve


def opened(path: Path) -> Any:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]

    def compute(inputs: Arrays) -> Mapping[str, Any]:
        return dict(zip(names, session.run(None, inputs), strict=True))

    return compute


if __name__ == "__main__":
    serve(opened)
