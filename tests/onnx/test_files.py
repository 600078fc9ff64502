"""Compiled files: the gate, sunk weights, optional settings, opsets, chunks, unrolled graphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.text import to_text
from mai.compiler.onnx.export import export, model_of
from mai.compiler.onnx.layout.chunks import CHUNK
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.ops.elementwise import Silu
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value
from mai.runtime import ModelError, load
from mai.spec.diagnostics import MaiError

Maker = Callable[..., Program]


def weights(program: Program) -> dict[str, Any]:
    return {name: first_value(w, 1) for name, w in program.weights.items()}


def session(path: Path, threads: int = 1) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.mark.slow
@pytest.mark.parametrize("opset", [21, 23])
@pytest.mark.parametrize("unroll", [False, True])
def test_one_graph_is_the_plain_loop(opset: int, unroll: bool, example: Maker, tmp_path: Path) -> None:
    program = example("digits_unet", c="8")
    exported = export(
        program, "sample", Trained(weights(program)), tmp_path, CompileOptions(opset=opset, unroll=unroll)
    )
    assert exported.error is not None
    assert exported.error < 1e-4
    model = load(exported.path, providers="cpu")
    settings: dict[str, Any] = {"seed": 4, "guidance": 1.5} | ({} if unroll else {"steps": 20})
    labels = np.array([1, 7, 3])
    (wanted,) = evaluate(
        forms.prepare(program.exports["sample"]), {"y": labels}, {**settings, "steps": 20}, weights(program)
    )
    np.testing.assert_allclose(model(y=labels, **settings), wanted, rtol=1e-3, atol=1e-4)
    proto = onnx.load(exported.path)
    assert {o.domain: o.version for o in proto.opset_import} == {"": opset}
    assert any(n.op_type in ("Loop", "Scan") for n in proto.graph.node) is not unroll


def test_the_gate_refuses_and_names_the_node(example: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Silu, "onnx", staticmethod(lambda op, x: op.Mul(x, op.Sigmoid(op.Mul(x, 2.0)))))
    program = example("moons_flow", width="16")
    with pytest.raises(MaiError) as caught:
        export(program, "sample", Trained(weights(program)), tmp_path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "compile-mismatch"
    assert "`silu`" in diagnostic.label
    assert diagnostic.span is not None
    assert diagnostic.span.line == 9
    assert not list(tmp_path.iterdir())


def test_settings_may_be_left_out(example: Maker, tmp_path: Path) -> None:
    program = example("moons_flow", width="16")
    path = export(program, "sample", Trained(weights(program)), tmp_path).path
    opened = session(path)
    assert not opened.get_inputs()
    assert {i.name for i in opened.get_overridable_initializers()} == {"seed", "steps", "batch", CHUNK}
    (first,) = opened.run(None, {})
    (same,) = opened.run(None, {"steps": np.array(20), "seed": np.array(0), "batch": np.array(1)})
    assert first.shape == (1, 2)
    np.testing.assert_array_equal(first, same)
    (other,) = opened.run(None, {"batch": np.array(3)})
    np.testing.assert_allclose(other[:1], first, rtol=1e-5)


def test_weights_of_a_body_live_in_the_body(example: Maker, tmp_path: Path) -> None:
    program = example("digits_unet", c="8")
    proto = onnx.load(export(program, "sample", Trained(weights(program)), tmp_path).path)
    (scan,) = [n for n in proto.graph.node if n.op_type == "Scan"]
    chunk = next(a.g for a in scan.attribute if a.name == "body")
    (blocks,) = [n for n in chunk.node if n.op_type == "Loop"]
    block = next(a.g for a in blocks.attribute if a.name == "body")
    (loop,) = [n for n in block.node if n.op_type == "Loop"]
    outside = {t.name for t in proto.graph.initializer}
    used = {name for n in proto.graph.node for name in n.input} | {o.name for o in proto.graph.output}
    settings = {i.name for i in proto.graph.input}
    assert outside <= used | settings
    body = next(a.g for a in loop.attribute if a.name == "body")
    convolutions = [n for n in body.node if n.op_type == "Conv"]
    assert convolutions
    assert {n.input[1] for n in convolutions} <= {t.name for t in body.initializer}


def test_a_host_may_choose_the_chunk(example: Maker, tmp_path: Path) -> None:
    program = example("digits_unet", c="8")
    opened = session(export(program, "sample", Trained(weights(program)), tmp_path).path)
    labels, steps = np.arange(5), np.array(2)
    (whole,) = opened.run(None, {"y": labels, "steps": steps, CHUNK: np.array(2**31)})
    for size in (1, 2, 5):
        (result,) = opened.run(None, {"y": labels, "steps": steps, CHUNK: np.array(size)})
        np.testing.assert_allclose(result, whole, rtol=1e-4, atol=1e-5)


def test_chunks_are_the_whole_batch(example: Maker, tmp_path: Path) -> None:
    program = example("moons_flow", width="16")
    path = export(program, "sample", Trained(weights(program)), tmp_path).path
    assert any(n.op_type == "Scan" for n in onnx.load(path).graph.node)
    model = load(path, providers="cpu")
    for size in (1, 255, 256, 257, 1000):
        (wanted,) = evaluate(
            forms.prepare(program.exports["sample"]), {}, {"batch": size, "steps": 3}, weights(program)
        )
        result = model(batch=size, steps=3)
        assert result.shape == (size, 2)
        np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-5)


def test_names_and_lines_survive(example: Maker) -> None:
    spec = example("moons_flow", width="16")
    model = model_of(spec, prepare_export(spec, "sample"), Trained(weights(spec)))
    nodes = list(model.graph.all_nodes())
    names = [n.name for n in nodes]
    assert len(set(names)) == len(names)
    assert any("velocity/repeat_1/2/linear_1" in n or "velocity/repeat_1" in n for n in names if n)
    assert any("moons_flow.mai:9" in (n.doc_string or "") for n in nodes)


def test_a_project_compiles_to_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    """Notes name an imported file by its path from the folder of the spec, also through an import of an import."""
    texts = {
        "a.mai": 'import "parts/b.mai"\nexport f(x: [2]) -> [2] { return g(x) }\n',
        "parts/b.mai": 'import "../c.mai"\nnet g(x: [2]) -> [2] { return h(x) + 1 }\n',
        "c.mai": "net h(x: [2]) -> [2] { return 2 * x }\n",
    }
    files = []
    for folder in (tmp_path / "here", tmp_path / "there" / "deeper"):
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        program = check(folder / "a.mai").program
        assert program is not None
        files.append(export(program, "f", Trained({}), folder))
    one, other = (file.path for file in files)
    assert one.read_bytes() == other.read_bytes()
    notes = {node.doc_string.partition(":")[0] for node in onnx.load(one).graph.node}
    assert notes >= {"parts/b.mai", "c.mai"}
    assert str(tmp_path).encode() not in one.read_bytes()
    assert "# parts/b.mai:2" in to_text(program.exports["f"])


def test_draws_are_the_same_integers_on_every_thread_and_batch(program: Maker, tmp_path: Path) -> None:
    spec = program("export f() -> [3] {\n  k ~ integers([3], 0, 1000000)\n  return k\n}\n")
    path = export(spec, "f", Trained({}), tmp_path).path
    wide = session(path).run(None, {"batch": np.array(1000), "seed": np.array(9)})[0]
    for threads, size in ((1, 1), (1, 7), (2, 7), (2, 1000)):
        ours = session(path, threads).run(None, {"batch": np.array(size), "seed": np.array(9)})[0]
        np.testing.assert_array_equal(ours, wide[:size])
    (wanted,) = evaluate(forms.prepare(spec.exports["f"]), {}, {"batch": 1000, "seed": 9}, {})
    np.testing.assert_array_equal(wide, wanted)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("export f(x: [P, 2]) -> [P - 3, 2] { return x[3:] }", {"P": 3}, {}),
        ("export f(x: [1, H, 5]) -> [2, 1] { return mean(conv(x, 2, 4, stride = 2, padding = 0), axis = 1) }", {"H": 4}, {}),
        ("export f(x: [P, 2]) -> [P, 2] {\n  param place: [9, 2] ~ normal(0, 1)\n  return x + place[:P]\n}", {}, {"P": 9}),
        ("export f(x: [P, 2], y: [Q, 2]) -> [P, Q] { return x @ y' }", {}, {}),
    ],
)  # fmt: skip
def test_a_file_says_how_large_its_inputs_may_be(
    text: str, least: dict[str, int], most: dict[str, int], program: Maker, tmp_path: Path
) -> None:
    spec = program(text)
    model = load(export(spec, "f", Trained(weights(spec)), tmp_path).path, providers="cpu")
    assert (model.manifest.least, model.manifest.most) == (least, most)
    for name, size in least.items():
        shape = [size if s == name else s for s in model.inputs["x"].shape]
        assert np.isfinite(model(x=np.ones(shape))).all()
        with pytest.raises(ModelError, match=f"`{name}` is at least {size}, `x` has {size - 1}"):
            model(x=np.ones([size - 1 if s == name else s for s in model.inputs["x"].shape]))
