"""IREE on the processor."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from iree import compiler, runtime
from job import Arrays, serve


def opened(path: Path) -> Any:
    model = onnx.load(path)
    initialized = {i.name for i in model.graph.initializer}
    names = [i.name for i in model.graph.input if i.name not in initialized]
    outputs = [o.name for o in model.graph.output]
    imported = path.with_suffix(".mlir")
    tool = Path(sys.executable).with_name("iree-import-onnx")
    done = subprocess.run(
        [tool, path, "-o", imported, "--opset-version", "21"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    raw = compiler.compile_file(str(imported), input_type="onnx", target_backends=["llvm-cpu"])
    module = runtime.load_vm_flatbuffer(raw, driver="local-sync")
    function = module[model.graph.name] if model.graph.name in module.vm_module.function_names else module["main_graph"]

    def compute(inputs: Arrays) -> Mapping[str, Any]:
        results = function(*(inputs[name] for name in names))
        several = results if isinstance(results, (list, tuple)) else [results]
        return dict(zip(outputs, [np.asarray(r) for r in several], strict=True))

    return compute


serve(opened)
