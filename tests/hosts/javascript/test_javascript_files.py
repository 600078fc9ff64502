"""Files that are damaged, changed, or made for other hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mai.runtime import ModelError, load
from tests.support.javascript import DRAWS, JavaScript, compiled

pytestmark = pytest.mark.slow


def test_files_that_another_program_has_changed(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    file = compiled(program(DRAWS), "draws", tmp_path)
    fixed, apart = onnx.load(file), onnx.load(file)
    del fixed.graph.input[:]
    tensor = apart.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="other.bin")
    calls = []
    for name, model in (("fixed", fixed), ("apart", apart)):
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
        calls.append({"file": str(tmp_path / f"{name}.onnx"), "values": {}})
    answers = javascript(calls)
    assert all(answer["type"] == "ModelError" for answer in answers)
    assert "can no longer be given `seed`, `batch`" in answers[0]["error"]
    assert f"the tensor `{tensor.name}` lies outside of the file" in answers[1]["error"]


def test_damaged_weights_are_refused_and_whole_numbers_are_whole(
    javascript: JavaScript, program: Any, tmp_path: Path
) -> None:
    text = "export f(seed: int, example: int, k: int) -> ([40], int) {\n  x ~ normal([40])\n  return (linear(x, 40), 3 * k)\n}\n"
    file, damaged = compiled(program(text), "f", tmp_path), tmp_path / "damaged.onnx"
    bits = bytearray(file.read_bytes())
    weights = max((bytes(t.raw_data) for t in onnx.load(file).graph.initializer), key=len)
    bits[bits.index(weights) + 123] ^= 1
    damaged.write_bytes(bits)
    right = {"seed": 1, "example": 2**32 - 1, "k": [{"bigint": str(2**60 + 1)}, 5]}
    calls = [{"file": str(file), "values": right | {"example": n}} for n in (2**32 - 1, 2**32, -1)]
    calls += [
        {"file": str(damaged), "values": right, "options": {"checkWeights": k}, "host": "right"} for k in (True, False)
    ]
    answer, *beyond, refused, taken = javascript(calls)
    assert [*map(int, answer["results"]["f_1"]["data"])] == [3 * (2**60 + 1), 15]
    assert [each["error"] for each in beyond] == [
        f"`example` is from 0 to {2**32 - 1}, this holds {n}" for n in (2**32, -1)
    ]
    assert "the weights of this file are not those that mai wrote" in refused["error"] and "results" in taken


def test_required_settings_have_no_default_in_the_file(program: Any, tmp_path: Path) -> None:
    """Any host sees them among the inputs; `load` knows what they usually are, and checks them."""
    import onnxruntime as ort

    spec = program(DRAWS)
    needed, free = (compiled(spec, "draws", tmp_path / k, required=k == "required") for k in ("required", "optional"))
    session = ort.InferenceSession(needed.read_bytes(), providers=["CPUExecutionProvider"])
    assert {i.name for i in session.get_inputs()} == {"seed", "batch"}
    assert not session.get_overridable_initializers()
    one, other = load(needed, providers="cpu"), load(free, providers="cpu")
    for values in ({}, {"seed": 5}, {"batch": 3, "seed": 5}):
        for a, b in zip(one(**values).values(), other(**values).values(), strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ModelError, match="at least 1"):
        one(batch=0)
