"""OpenVINO, in float32."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from job import Arrays, serve

EXACT = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}


def opened(path: Path) -> Any:
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", EXACT)

    def compute(inputs: Arrays) -> Mapping[str, Any]:
        return {name: np.array(x) for output, x in compiled(inputs).items() for name in output.get_names()}

    return compute


serve(opened)
