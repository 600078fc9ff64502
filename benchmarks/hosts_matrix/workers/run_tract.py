"""tract on the processor: a file is read anew for each run, with the sizes of its inputs, and settings as constants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tract
from job import Arrays, serve
from onnx import numpy_helper

FACTS = {"float32": "f32", "int64": "i64", "bool": "bool"}


def opened(path: Path) -> Any:
    file = onnx.load(path)
    del file.graph.value_info[:]  # tract takes a named size there for another one than the number that it has in a run.
    for output in file.graph.output:
        output.type.tensor_type.ClearField("shape")

    def compute(inputs: Arrays) -> Mapping[str, Any]:
        fixed = path.with_name("fixed.onnx")
        onnx.save(_with_settings(file, inputs), fixed)
        model = tract.onnx().load(fixed)
        names = [model.input_name(i) for i in range(model.input_count())]
        for place, name in enumerate(names):
            array = inputs[name]
            model.set_input_fact(place, ",".join([*map(str, array.shape), FACTS[array.dtype.name]]))
        outputs = [output.name for output in file.graph.output]
        results = model.into_model().into_runnable().run([inputs[name] for name in names])
        return dict(zip(outputs, [np.asarray(each.to_numpy()) for each in results], strict=True))

    return compute


def _with_settings(file: onnx.ModelProto, inputs: Arrays) -> onnx.ModelProto:
    """The file with those inputs that have no axes as constants."""
    other = onnx.ModelProto()
    other.CopyFrom(file)
    settings = [name for name, array in inputs.items() if not array.ndim]
    kept = [each for each in other.graph.input if each.name not in settings]
    del other.graph.input[:]
    other.graph.input.extend(kept)
    other.graph.initializer.extend(numpy_helper.from_array(inputs[name], name) for name in settings)
    return other


serve(opened)
