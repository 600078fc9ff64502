"""One token of a Mamba: the step file of `examples/zoo/mamba.mai` beside a graph by hand, in one run, on the same weights.

The graph by hand has what one token needs and nothing else: a batch of 1, no prompt, no text that ends, the largest logit taken. Its states are
laid out as suits one token best: the numbers of a channel behind each other, [m, inner]. The width is that of the smallest model of the paper
(Gu and Dao 2023), with fewer layers and tokens.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from benchmarks.measure import interleaved, medians, ratio, record, seconds, table
from mai.compiler.check import check_without_rules
from mai.compiler.compile_options import CompileOptions
from mai.compiler.onnx.lowering.build import build
from mai.compiler.passes import forms
from mai.compiler.torch.parameters import Weights
from mai.runtime.arrays import Array

SPEC = Path(__file__).parents[2] / "examples" / "zoo" / "mamba.mai"
SIZES = {"vocab": 8192, "d": 768, "depth": 6, "inner": 1536, "m": 16, "rank": 48}
ROUNDS = 200
Feed = dict[str, Array]


class Hand:
    """An ONNX graph being written by hand."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.numbers: list[Any] = []

    def __call__(self, op: str, *inputs: str, outputs: int = 1, **attributes: object) -> Any:
        """The result of an operator, or its results."""
        names = [f"{op}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def put(self, array: Array) -> str:
        """Numbers of the file."""
        name = f"number_{len(self.numbers)}"
        self.numbers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def by_hand(weights: Mapping[str, Array]) -> ort.InferenceSession:
    """A session on the graph by hand; inputs: ids, and `conv_i` [1, 3, inner] and `h_i` [1, m, inner] of each layer."""
    g, (m, inner, rank) = Hand(), (SIZES[n] for n in ("m", "inner", "rank"))
    row, column = g.put(np.array([1, 1, inner])), g.put(np.array([1, m, 1]))
    first, last, axis = (g.put(np.array([i])) for i in (1, 4, 1))
    flat, parts = g.put(np.array([1, inner])), g.put(np.array([rank, m, m]))
    query = g.put(np.array([1, 1, m]))
    token = weights["logits.token"]
    h = g("Gather", g.put(token), "ids")
    states = []
    for i in range(SIZES["depth"]):

        def weight(name: str, at: str = f"logits.repeat_1.{i}.") -> Array:
            return weights[at + name]

        n = g("RMSNormalization", h, g.put(weight("rms_norm_1.weight")), epsilon=1e-5)
        u, gate = g(
            "Split", g("MatMul", n, g.put(weight("mixer_1.linear_1.weight").T)), outputs=2, num_outputs=2, axis=-1
        )
        window = g("Concat", f"conv_{i}", g("Reshape", u, row), axis=1)
        kernel = g.put(weight("mixer_1.conv1d_1.weight")[:, 0].T)
        summed = g("ReduceSum", g("Mul", window, kernel), axis, keepdims=0)
        c = g("Add", summed, g.put(weight("mixer_1.conv1d_1.bias")))
        u = g("Mul", c, g("Sigmoid", c))
        z = g("MatMul", u, g.put(weight("mixer_1.selective_1.linear_1.weight").T))
        dt, key, read = g("Split", z, parts, outputs=3, axis=-1)
        dt = g("Gemm", dt, *(g.put(weight(f"mixer_1.selective_1.linear_2.{n}")) for n in ("weight", "bias")), transB=1)
        dt = g("Softplus", dt)
        rate = g.put(-np.exp(weight("mixer_1.selective_1.log_A")).T)
        a = g("Exp", g("Mul", dt, rate))
        b = g("Mul", g("Mul", dt, u), g("Reshape", key, column))
        state = g("Add", g("Mul", a, f"h_{i}"), b)
        y = g("Reshape", g("MatMul", g("Reshape", read, query), state), flat)
        y = g("Add", y, g("Mul", u, g.put(weight("mixer_1.selective_1.D"))))
        y = g("Mul", y, g("Mul", gate, g("Sigmoid", gate)))
        h = g("Add", h, g("MatMul", y, g.put(weight("mixer_1.linear_2.weight").T)))
        states += [g("Slice", window, first, last, first), state]
    h = g("RMSNormalization", h, g.put(weights["logits.rms_norm_1.weight"]), epsilon=1e-5)
    logits = g("Gemm", h, g.put(token), transB=1)
    real, whole = TensorProto.FLOAT, TensorProto.INT64
    shapes = {"conv": [1, 3, inner], "h": [1, m, inner]}
    inputs = [helper.make_tensor_value_info("ids", whole, [1])]
    inputs += [
        helper.make_tensor_value_info(f"{n}_{i}", real, s) for i in range(SIZES["depth"]) for n, s in shapes.items()
    ]
    results = [g("ArgMax", logits, axis=-1, keepdims=0), logits, *states]
    outputs = [helper.make_tensor_value_info(n, whole if i == 0 else real, None) for i, n in enumerate(results)]
    graph = helper.make_graph(g.nodes, "token", inputs, outputs, g.numbers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    return session_of(model.SerializeToString())


def session_of(raw: bytes) -> ort.InferenceSession:
    """A session on one core."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])


def compiled() -> tuple[ort.InferenceSession, dict[str, Array]]:
    """A session on the step file, and the weights."""
    text = SPEC.read_text(encoding="utf-8")
    for name, size in SIZES.items():
        text = re.sub(rf"const {name} = \d+", f"const {name} = {size}", text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mamba.mai"
        path.write_text(text, encoding="utf-8")
        program = check_without_rules(path).program
    assert program is not None
    graph = forms.step(forms.optimise(forms.prepare(program.exports["generate"], cache="concat")))
    assert graph is not None
    numbers = Weights(graph.weights).initialise(0).numpy()
    model = ir.serde.serialize_model(build(graph, numbers, CompileOptions()))
    return session_of(model.SerializeToString()), numbers


def feed_of(session: ort.InferenceSession, layers: int) -> tuple[Feed, Feed]:
    """What both are given: the same states, each in its layout."""
    rng, (m, inner) = np.random.default_rng(0), (SIZES[n] for n in ("m", "inner"))
    ours: Feed = {"ids": np.array([[5]]), "temperature": np.array(0.0, np.float32), "past": np.array(7)}
    theirs: Feed = {"ids": np.array([5])}
    for i in range(layers):
        conv, h = (rng.standard_normal((1, inner, n)).astype(np.float32) / 8 for n in (3, m))
        end = f"_{i}" if i else ""
        ours |= {f"conv{end}": conv, f"h{end}": h}
        theirs |= {f"conv_{i}": np.ascontiguousarray(conv.mT), f"h_{i}": np.ascontiguousarray(h.mT)}
    inputs = {x.name: x for x in session.get_inputs()}
    for name, x in inputs.items():
        if name not in ours and name in ("ended", "begins"):
            ours[name] = np.zeros([1], bool if "bool" in x.type else np.int64)
    return {n: v for n, v in ours.items() if n in inputs or n in ("temperature", "past")}, theirs


def main() -> None:
    """Measure, print and record the table."""
    ours, weights = compiled()
    theirs = by_hand(weights)
    feed, hand_feed = feed_of(ours, SIZES["depth"])
    logits, hand_logits = ours.run(["logits"], feed)[0], theirs.run(None, hand_feed)[1]
    np.testing.assert_allclose(logits, hand_logits, rtol=1e-3, atol=1e-5)
    calls: dict[str, Callable[[], Any]] = {
        "hand": lambda: theirs.run(None, hand_feed),
        "mai": lambda: ours.run(None, feed),
    }
    times = interleaved(calls, ROUNDS, time.process_time)
    middle, how = medians(times), ratio(times, "mai", "hand")
    what = f"Mamba, {SIZES['depth']} layers of {SIZES['d']}"
    row = [what, seconds(middle["hand"]), seconds(middle["mai"]), f"{how:.2f} ×"]
    record(
        "mamba_token",
        table(["one token", "a graph by hand", "mai's step file", "of its time"], [row]),
        {what: {**middle, "ratio": how}},
    )


if __name__ == "__main__":
    main()
