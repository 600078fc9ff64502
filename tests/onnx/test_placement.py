"""Where CUDA computes: the table of kernels, nodes and copies of small graphs, and what each example's loops copy at a turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from benchmarks.placement.__main__ import differences, files
from benchmarks.placement.stand_in import missing
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.onnx.placement.assignment import place
from mai.compiler.onnx.placement.copies import Copies, count
from mai.compiler.onnx.placement.kernels import has_kernel
from mai.compiler.onnx.placement.report import Report, optimised, report
from mai.compiler.program import Program

node = helper.make_node
FLOAT, INT64, BOOL = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.BOOL
GROWING = (7, 6)  # Of a text's turn: what its conditions and the sizes of its caches copy; it was (71, 57).
PARTS = (6, 3)  # Of attention that takes its rows in blocks, whose places are counted on the host.


@pytest.mark.parametrize(
    ("operator", "opset", "inputs", "outputs", "there"),
    [
        ("Add", 23, ["int64", "int64"], ["int64"], True),
        ("BitwiseXor", 23, ["int32", "int32"], ["int32"], False),
        ("ArgMax", 23, ["float"], ["int64"], True),
        ("ArgMax", 23, ["int32"], ["int64"], False),
        ("InstanceNormalization", 21, ["float"] * 3, ["float"], True),
        ("InstanceNormalization", 23, ["float"] * 3, ["float"], False),
        ("DFT", 23, ["float", None, "int64"], ["float"], False),
        ("Attention", 23, ["float", "float", "float", "bool"], ["float"], True),
    ],
)
def test_the_table_of_kernels(
    operator: str, opset: int, inputs: list[str | None], outputs: list[str], there: bool
) -> None:
    assert has_kernel(operator, opset, inputs, outputs) is there


def looped(body: list[onnx.NodeProto], outer: tuple[onnx.NodeProto, ...] = (), going: str = "on") -> onnx.ModelProto:
    """A loop of n turns that doubles x; `body` and `outer` are nodes beside that, `going` what says whether it goes on."""
    port = helper.make_tensor_value_info
    doubled = node("Add", ["state", "state"], ["next"])
    inside = helper.make_graph(
        [*body, doubled],
        "body",
        [port("turn", INT64, []), port("again", BOOL, []), port("state", FLOAT, [2])],
        [port(going, BOOL, []), port("next", FLOAT, [2])],
        [helper.make_tensor("on", BOOL, [], [True])] if going == "on" else [],
    )
    graph = helper.make_graph(
        [*outer, node("Loop", ["n", "", "x"], ["y"], body=inside)],
        "graph",
        [port("x", FLOAT, [2]), port("n", INT64, []), port("k", INT64, [2])],
        [port("y", FLOAT, [2])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)


# What ONNX Runtime 1.31.1 copied a turn, counted by a stand-in for CUDA's runtime as the loop ran.
@pytest.mark.parametrize(
    ("model", "turn"),
    [
        (looped([]), (0, 0)),
        (looped([node("Identity", ["again"], ["told"])], going="told"), (1, 1)),
        (looped([node("Cast", ["turn"], ["t"], to=FLOAT), node("Sin", ["t"], ["u"])]), (0, 1)),
        (looped([node("Cast", ["j"], ["f"], to=FLOAT)], (node("BitwiseXor", ["k", "k"], ["j"]),)), (0, 1)),
        (looped([node("BitwiseXor", ["j", "j"], ["f"])], (node("Add", ["k", "k"], ["j"]),)), (1, 0)),
        (looped([node("Cast", ["k"], ["f"], to=FLOAT)]), (0, 0)),
    ],
)
def test_what_a_turn_copies(model: onnx.ModelProto, turn: tuple[int, int]) -> None:
    counted = {c.placed.path: c.copies for c in count(place(model))}
    assert counted["Loop"] == Copies(*turn)


def test_what_follows_from_a_shape_stays_on_the_host() -> None:
    port = helper.make_tensor_value_info
    nodes = [
        node("Shape", ["x"], ["sizes"]),
        node("Add", ["sizes", "sizes"], ["twice"]),
        node("Cast", ["twice"], ["reals"], to=FLOAT),
        node("Sin", ["x"], ["wave"]),
        node("Mul", ["reals", "wave"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "graph", [port("x", FLOAT, ["n"])], [port("y", FLOAT, ["n"])])
    placed = place(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10))
    assert placed.on_device == {0, 3, 4}
    assert next(count(placed)).copies == Copies(0, 1)


NOISE = """export f(steps: int = 9) -> [2] {
  x ~ normal([2])
  repeat steps {
    z ~ normal([2])
    x = 0.5 * x + z
  }
  return x
}
"""


@pytest.mark.parametrize(("cuda", "turn"), [(False, (64, 53)), (True, (0, 1))])
def test_draws_of_every_turn_stay_on_the_device(
    cuda: bool, turn: tuple[int, int], program: Callable[[str], Program], tmp_path: Path
) -> None:
    placed = _report(program(NOISE), tmp_path, cuda=cuda)
    assert placed.worst_turn == Copies(*turn)
    assert set(placed.without_kernel) == (set() if cuda else {"BitwiseAnd", "BitwiseXor"})


def test_group_norm_is_the_same_by_kernels_of_cuda(program: Callable[[str], Program], tmp_path: Path) -> None:
    """Compared with torch by the gate, and here with the usual file."""
    from mai.runtime import load

    text = "net f(x: [6, 4, 4]) -> [6, 4, 4] { return group_norm(x, 3) }\nexport g(x: [6, 4, 4]) -> [6, 4, 4] { return f(x) }\n"
    x = np.random.default_rng(0).normal(3, 2, (5, 6, 4, 4)).astype(np.float32)
    results = []
    for cuda in (False, True):
        compiled = program(text)
        path = _exported(compiled, tmp_path / str(cuda), cuda=cuda, verify=True)
        results.append(load(path, providers="cpu")(x=x))
        assert ("InstanceNormalization" in report(path).without_kernel) is not cuda
    np.testing.assert_allclose(*results, atol=2e-6)


def test_weights_in_a_file_beside_change_nothing(program: Callable[[str], Program], tmp_path: Path) -> None:
    """As the files above 2 GB have them, which no graph of ONNX Runtime's holds: it is read without the numbers of its weights."""
    compiled = program("export g(x: [256]) -> [256] { return linear(tanh(x), 256) }\n")
    inside, beside = (_exported(compiled, tmp_path / str(k), cuda=False, beside=k) for k in (False, True))
    assert beside.with_suffix(".onnx.data").exists()
    assert report(beside) == report(inside)
    for path in (beside, inside):
        assert max(len(weight.raw_data) for weight in optimised(path).graph.initializer) <= 1024


def _exported(compiled: Program, folder: Path, *, cuda: bool, verify: bool = False, beside: bool = False) -> Path:
    from mai.compiler.training.initial_weights import load_weights

    name = next(iter(compiled.exports))
    trained = Trained(load_weights(compiled, None)[0])
    return export(compiled, name, trained, folder, CompileOptions(cuda=cuda, verify=verify, external_data=beside)).path


def _report(compiled: Program, folder: Path, *, cuda: bool) -> Report:
    return report(_exported(compiled, folder, cuda=cuda))


@pytest.mark.slow
def test_what_the_loops_of_the_examples_copy_at_a_turn(tmp_path: Path) -> None:
    """With `--cuda` a turn copies its number to the device at most, and what its text or its attention says is known."""
    most: dict[str, Any] = {"char_gpt.generate": GROWING, "llama.generate": GROWING, "char_gpt.score": PARTS}
    most |= {"ot_flow.energy": (2, 1), "normalizing_flow.density": (0, 2)}
    for path in files(tmp_path, cuda=True):
        placed, (to_host, from_host) = report(path), most.get(path.stem, (0, 1))
        assert placed.worst_turn.to_host <= to_host, path.stem
        assert placed.worst_turn.from_host <= from_host, path.stem
        assert not placed.without_kernel, path.stem


@pytest.mark.slow
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_the_provider_itself_assigns_the_same(tmp_path: Path) -> None:
    """ONNX Runtime's CUDA provider, beside libraries that stand in for CUDA's: each node on the CPU, each copy in each graph."""
    only = ("char_gpt", "deep_equilibrium", "fourier_operator", "ot_flow", "score")
    assert not differences(
        [*files(tmp_path / "a", cuda=False, only=only), *files(tmp_path / "b", cuda=True, only=only)]
    )
