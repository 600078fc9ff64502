"""The reference evaluator of the package onnx."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from job import Arrays, serve
from onnx.reference import ReferenceEvaluator


def opened(path: Path) -> Any:
    evaluator = ReferenceEvaluator(onnx.load(path))

    def compute(inputs: Arrays) -> Mapping[str, Any]:
        return dict(zip(evaluator.output_names, evaluator.run(None, inputs), strict=True))

    return compute


serve(opened)
