"""Files of two checkouts, compared: what differs is told with its place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.same_files.__main__ import SAID, compare
from benchmarks.same_files.differences import differences
from benchmarks.same_files.subjects import subjects
from mai.compiler.check import check
from mai.runtime.model.manifest import MANIFEST_KEY


def model(
    scale: float = 2.0, alpha: float = 0.5, inner: str = "Neg", extra: bool = False, name: str = "s"
) -> onnx.ModelProto:
    """x -> LeakyRelu(scale x), or an `If` whose branch has one more node."""
    x, y = (helper.make_tensor_value_info(port, TensorProto.FLOAT, ["n"]) for port in ("x", "y"))
    branch = helper.make_graph(
        [helper.make_node(inner, ["x"], ["b"])], "branch", [], [helper.make_empty_tensor_value_info("b")]
    )
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["h"]),
        *([helper.make_node("Abs", ["h"], ["g"])] if extra else []),
        helper.make_node("LeakyRelu", ["h"], ["l"], alpha=alpha),
        helper.make_node("If", ["c"], ["y"], name="choice", then_branch=branch, else_branch=branch),
    ]
    weights = [numpy_helper.from_array(np.float32(scale), "scale"), numpy_helper.from_array(np.bool_(True), "c")]
    result = helper.make_model(helper.make_graph(nodes, "g", [x], [y], weights))
    helper.set_model_props(
        result, {MANIFEST_KEY: json.dumps({"name": name, "settings": [{"default": 3}], "file": {"size": scale}})}
    )
    return result


def differences_of(folder: Path, **changes: object) -> list[str]:
    one, other = folder / "one.onnx", folder / "other.onnx"
    onnx.save(model(), one)
    onnx.save(model(**changes), other)  # type: ignore[arg-type]
    return differences(one, other)


def test_the_same_bytes_do_not_differ(tmp_path: Path) -> None:
    assert differences_of(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"scale": 3.0}, ["weight scale: float [] 2.0 | float [] 3.0"]),
        ({"alpha": 0.25}, ["LeakyRelu l.alpha"]),
        ({"extra": True}, ["at node 1: nothing | Abs"]),
        ({"name": "t"}, ["manifest name: s | t"]),
        ({"inner": "Exp"}, [f"If choice.{branch}/at node 0: Neg | Exp" for branch in ("else_branch", "then_branch")]),
    ],
)
def test_a_difference_is_told_with_its_place(changes: dict[str, object], lines: list[str], tmp_path: Path) -> None:
    assert differences_of(tmp_path, **changes) == lines


def test_what_one_file_has_not_is_nothing(tmp_path: Path) -> None:
    """On its own side of the bar."""
    paths = tmp_path / "one.onnx", tmp_path / "other.onnx"
    other = model()
    other.graph.initializer.append(numpy_helper.from_array(np.float32(1), "new"))
    del other.graph.node[1].attribute[:]
    for path, file in zip(paths, (model(), other), strict=True):
        onnx.save(file, path)
    assert differences(*paths) == ["weight new: nothing | float [] 1.0", "LeakyRelu l.alpha: given | nothing"]


def test_a_file_that_one_checkout_does_not_write_is_told_with_what_it_said(tmp_path: Path) -> None:
    one, other = tmp_path / "other", tmp_path / "this"
    for folder in (one / "mlp", other / "mlp", one / "vit", other / "vit"):
        folder.mkdir(parents=True)
        (folder / SAID).write_text("no trained weights\nerror: no\nmore", encoding="utf-8")
    onnx.save(model(), one / "mlp" / "mlp.f.onnx")
    assert list(compare(one, other)) == [
        ("mlp/mlp.f.onnx", ["only the other checkout writes it", "error: no"]),
        ("vit", ["no file is written", "error: no"]),
    ]


def test_a_spec_that_reads_weights_is_compiled_small_and_without_them(tmp_path: Path) -> None:
    (subject,) = subjects(tmp_path, ["zoo/llama"])
    program = check(subject.path, subject.constants).program
    assert program is not None and program.loading is None
    assert subject.words[1:3] == ["--set", "vocab=97"]
