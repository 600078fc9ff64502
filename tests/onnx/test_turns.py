"""A file beside torch on the same steps: what is right passes, whatever its steps; a fault in a loop is caught; chaos is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from mai.compiler.compile_options import DEFAULTS, Trained
from mai.compiler.ir.evaluate import Evaluation
from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.structure import Constant, Nested
from mai.compiler.onnx.comparing.gate import Gate, Passed
from mai.compiler.onnx.comparing.roundings import are_roundings
from mai.compiler.onnx.comparing.trial import trial
from mai.compiler.onnx.export import export
from mai.compiler.onnx.lowering import compact_adaptive
from mai.compiler.onnx.lowering.backend import OnnxBackend
from mai.compiler.onnx.lowering.build import build, serialised
from mai.compiler.onnx.prepared import Prepared, prepare_export
from mai.compiler.onnx.turns.compare import starts
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.reductions import Sum
from mai.compiler.ops.reductions.statistics import Norm
from mai.compiler.passes.loops.tapes.replay import replayed
from mai.compiler.passes.loops.tapes.tape import taped, taped_loops
from mai.compiler.program import Program
from mai.compiler.solvers.adaptive import LARGEST, SAFETY
from mai.compiler.training.initial_weights import load_weights
from mai.runtime.arrays import Array
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
NET = (
    "net v(x: [2], s: []) -> [2] {{ return linear(tanh(3 * linear(concat(x, [s]), 16)), 2) * 3 - x }}\n"
    "export f(x: [2]) -> [2] {{ integrate s in 0..3 using {}(rtol = {}, atol = {}) {{ dx/ds = v(x, s) }}\n return x }}\n"
)
LORENZ = "concat([10 * (x[1] - x[0])], [x[0] * (28 - x[2]) - x[1]], [x[0] * x[1] - 8 / 3 * x[2]])"
# Systems whose runs part a rounding apart, or whose loops stand in each other.
IN_TURNS = (
    "net v(x: [2], s: []) -> [2] {\n  y = x\n  integrate r in 0..1 using bosh3(rtol = 1e-2, atol = 1e-2, %s) { dy/dr = sin(y) * s }\n"
    "  return y }\nexport f(x: [2]) -> [2] {\n"
    "  repeat 3 shared { integrate s in 0..1 using bosh3(rtol = 1e-2, atol = 1e-2) { dx/ds = v(x, s) } }\n  return x }"
)
SOUND = {
    "stiff": "export f(x: [2]) -> [2] { integrate s in 0..1 using dopri5(rtol = 1e-5, atol = 1e-5) { dx/ds = -500 * (x - cos(s)) }\n return x }",
    "noise": "export f(x: [2]) -> [2] { y = 0 * x\n integrate s in 0..2 using tsit5(rtol = 1e-8, atol = 1e-8) { dy/ds = sin(5 * y) + x * s }\n return y }",
    "a pole": "export f(x: [2]) -> [2] { integrate s in 0..10 using dopri5(max_steps = 60) { dx/ds = x^2 }\n return x }",
    "rest": "export f(x: [2]) -> [2] { integrate s in 0..2 using bosh3() { dx/ds = 0 * x }\n return x }",
    "jumps": "export f(x: [2]) -> [2] { integrate s in 2..0 using bosh3() { dx/ds = sign(sin(7 * x)) + abs(x) }\n return x }",
    "a density": (
        "net v(x: [3], s: []) -> [3] { return linear(tanh(linear(concat(x, [s]), 16)), 3) }\nexport f(x: [3]) -> [] {\n  l = 0\n"
        "  integrate s in 1..0 using dopri5(rtol = 1e-5, atol = 1e-5) { w = v(x, s)\n dx/ds = w\n dl/ds = div(w, x) }\n  return l }"
    ),
    "a derivative": (
        "net g(x: [2]) -> [2] { integrate s in 0..1 using dopri5(max_steps = 20) { dx/ds = sin(3 * x) }\n return x }\n"
        "export f(x: [2], v: [2]) -> [2] { return jvp(g(x), x, v) }"
    ),
    "in turns": "export f(x: [2]) -> [2] { repeat 3 shared { integrate s in 0..1 using dopri5(max_steps = 20) { dx/ds = sin(3 * x) }\n x = x + 0.1 }\n return x }",
    "in each other": (
        "export f(x: [2]) -> [2] {\n  integrate s in 0..1 using dopri5(rtol = 1e-2, atol = 1e-2) {\n    y = x\n"
        "    integrate r in 0..1 using bosh3(rtol = 1e-2, atol = 1e-2, max_steps = 9) { dy/dr = sin(y) + s }\n    dx/ds = y }\n  return x }"
    ),
    "in each other in turns": IN_TURNS % "max_steps = 9",
    "mapped": (
        "net g(x: [2]) -> [2] { integrate s in 0..1 using bosh3() { dx/ds = sin(3 * x) }\n return x }\nexport f(x: [4, 2]) -> [4, 2] { return g(x) }"
    ),
}  # fmt: skip


LONG = ("stiff", "jumps", "in each other", "in each other in turns", "a derivative")


def prepared_of(program: Program) -> tuple[Prepared, dict[str, Array]]:
    return prepare_export(program, "f"), load_weights(program, None)[0]


def passed(prepared: Prepared, weights: dict[str, Array]) -> Passed:
    return Gate(prepared, weights, DEFAULTS).passed(serialised(build(prepared.optimised, weights, DEFAULTS)))


@pytest.mark.parametrize("system", [pytest.param(s, marks=[pytest.mark.slow] * (s in LONG)) for s in SOUND])
def test_what_is_right_passes_to_the_roundings_of_float32(system: str, program: Maker) -> None:
    result = passed(*prepared_of(program(SOUND[system])))
    assert result.error < 5e-5 and result.apart is not None and not result.warnings


@pytest.mark.parametrize("system", ["in each other", "in turns", "a derivative", "mapped"])
def test_a_tape_that_is_played_again_gives_itself(system: str, program: Maker) -> None:
    """In numpy: what the loops of a graph told is what the graph makes of it."""
    plain, weights = prepared_of(program(SOUND[system]))[0].plain, load_weights(program(SOUND[system]), None)[0]
    tried = trial(plain, 3)
    graph, tapes = taped(plain)
    recorded = iter(Evaluation(graph, weights).run(tried.inputs, tried.settings)[len(plain.outputs) :])
    graph, replays = replayed(plain)
    inputs, wanted = dict(tried.inputs), []
    for tape, replay in zip(tapes, replays, strict=True):
        first, rows, last = ([next(recorded) for _ in tape.states] for _ in range(3))
        before = [starts(f, r, tape.depth, t) for f, r, t in zip(first, rows, tape.states, strict=True)]
        inputs |= {v.name: a for v, a in zip([*replay.before, *replay.last], [*before, *last], strict=True)}
        wanted += [first, rows]
    results = iter(Evaluation(graph, weights).run(inputs, tried.settings)[len(plain.outputs) :])
    for place, arrays in enumerate(wanted):
        is_filled = place % 2 == 1 and tapes[place // 2].depth > 0  # With rows for turns that nobody took.
        for array in arrays:
            result = next(results)
            assert is_filled or np.array_equal(result, array, equal_nan=True)


def test_tapes_that_no_memory_holds_are_left_out(program: Maker) -> None:
    prepared, _ = prepared_of(program(IN_TURNS % "max_steps = 1000"))
    assert {depth for _, depth in taped_loops(prepared.plain)} == {0, 1}


def _constant(wrong: Nested) -> Callable[[Copier, Node], None]:
    return lambda copier, node: copier.bind(node, copier.builder.constant(wrong))


def _other(op: type[Operation]) -> Callable[[Copier, Node], None]:
    return lambda copier, node: copier.bind(node, copier.builder.emit(op, *(copier[v] for v in node.inputs)))


def _first_input(copier: Copier, node: Node) -> None:
    copier.bind(node, copier[node.inputs[0]])


def _is(number: float) -> Callable[[Node], bool]:
    return lambda node: (
        node.op is Constant
        and isinstance(Constant.of(node).value, float)
        and Constant.of(node).value == pytest.approx(number, rel=1e-12, abs=0)
    )


# Faults in the loop of bosh3: which node is wrong, and what stands in its place.
FAULTS: dict[str, tuple[Callable[[Node], bool], Callable[[Copier, Node], None]]] = {
    "a coefficient of a stage": (_is(3 / 4), _constant(0.76)),
    "a weight of the solution": (_is(4 / 9), _constant(0.46)),
    "a weight of the error": (_is(-1 / 8), _constant(-0.14)),
    "a tolerance": (_is(1e-3), _constant(1.3e-3)),
    "which errors are small enough": (lambda n: n.op is logic.LessEqual, _other(logic.GreaterEqual)),
    "the norm of the error": (
        lambda n: n.op is Norm,
        lambda copier, node: copier.bind(node, copier.builder.emit(Sum, copier[node.inputs[0]], **node.attributes)),
    ),
    "the power of the error": (_is(-1 / 3), _constant(-1 / 4)),
    "the safety of the next step": (_is(SAFETY), _constant(0.8)),
    "the longest next step": (_is((SAFETY / LARGEST) ** 3), _constant((SAFETY / 4) ** 3)),
    "the last step": (lambda n: n.op is logic.GreaterEqual, _other(logic.LessEqual)),
    "who goes on": (lambda n: n.op is logic.LogicalNot, _first_input),
    "the time of a stage": (
        lambda n: n.op is Constant and isinstance(Constant.of(n).value, tuple),
        _constant((0.5, 0.8, 1.0)),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_in_a_loop_are_caught(fault: str, program: Maker) -> None:
    prepared, weights = prepared_of(program(NET.format("bosh3", 1e-3, 1e-3)))
    is_wrong, put = FAULTS[fault]
    changed = []

    def rule(copier: Copier, node: Node) -> bool:
        if not is_wrong(node):
            return False
        put(copier, node)
        changed.append(node)
        return True

    faulty = replace(prepared, optimised=copy_graph(prepared.optimised, rule))
    assert changed
    with pytest.raises(MaiError) as caught:
        passed(faulty, weights)
    assert caught.value.diagnostics[0].slug == "compile-mismatch"


def test_faults_of_the_lowering_are_caught(program: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples that go on get the states of others."""
    right, rows_of = compact_adaptive.among, compact_adaptive.ROWS

    def wrong(op: OnnxBackend, value: Value, left: ir.Value, rows: ir.Value) -> ir.Value:
        places = right(op, value, left, rows)
        return places if value is rows_of else op.Sub(op.Sub(op.Size(left), op.int(1)), places)

    monkeypatch.setattr(compact_adaptive, "among", wrong)
    with pytest.raises(MaiError, match="differs from torch"):
        passed(*prepared_of(program(NET.format("dopri5", 1e-4, 1e-4))))


@pytest.mark.slow
def test_chaos_is_told_and_the_file_is_written(program: Maker, tmp_path: Path) -> None:
    solver = "dopri5(rtol = 1e-5, atol = 1e-5, max_steps = 9999)"
    adaptive = f"export f(x: [3]) -> [3] {{ integrate s in 0..50 using {solver} {{ dx/ds = {LORENZ} }}\n return x }}"
    net = "net g(x: [32]) -> [32] { return tanh(40 * linear(x, 32)) }\n"
    fixed = net + "export f(x: [32]) -> [32] { repeat 60 shared { x = g(x) }\n return x }"
    for text in (adaptive, fixed):
        spec = program(text)
        written = export(spec, "f", Trained(load_weights(spec, None)[0]), tmp_path)
        (warning,) = written.warnings
        assert (warning.slug, warning.severity) == ("metastable", "warning") and warning.span is not None
        assert written.path.exists() and written.error is not None and written.error < 1e-4
        assert "no digit of its results" in warning.message


CANCELS = {  # What is left is roundings, in any program.
    "a drift": "q = x\n  p = ones([3])\n  integrate t in 0..1 using rk4(9) {\n    dq/dt = p\n    dp/dt = -q\n  }\n  return sum(p^2 + q^2) - sum(1 + x^2)",
    "a turn": "a = exp(-sigmoid(x - 11))\n  h = zeros([3])\n  repeat 4 shared { h = tanh(a * h) + sqrt(1 - a^2) * x }\n  return sum(h)",
    "a square": "return sum((100 + x)^2 - 10000 - 200 * x - x * x)",
}


@pytest.mark.parametrize("name", CANCELS)
def test_roundings_that_are_left_are_told(name: str, program: Maker) -> None:
    """A difference of equal numbers is no error of a file; with an operation that is wrong, it is one."""

    def of(body: str) -> tuple[Prepared, bytes]:
        prepared, weights = prepared_of(program(f"export f(x: [3]) -> [] {{\n  {body}\n}}\n"))
        return prepared, serialised(build(prepared.optimised, weights, DEFAULTS))

    prepared, right = of(CANCELS[name])
    _, wrong = of(CANCELS[name].replace("return", "return sum(x) +"))
    verdict = Gate(prepared, {}, DEFAULTS).passed(right)
    assert verdict.error < 1e-4 or [w.slug for w in verdict.warnings] == ["metastable"]
    with pytest.raises(MaiError) as refused:
        Gate(prepared, {}, DEFAULTS).passed(wrong)
    assert refused.value.diagnostics[0].slug == "compile-mismatch"


GRADIENTS = (  # Conjugate gradients, which need a symmetric A: of others a turn divides by what is 0 but for roundings.
    "export f(b: [4], A: [4, 4]) -> [4] {\n  x = 0 * b\n  r = b\n  p = b\n  repeat 50 %s {\n"
    "    q = A @ p\n    a = sum(r^2) / sum(p * q)\n    x = x + a * p\n    s = r - a * q\n"
    "    p = s + sum(s^2) / sum(r^2) * p\n    r = s\n  }\n  return x\n}\n"
)


@pytest.mark.parametrize("loop", ["shared", "until norm(r) < 1e-4"])
def test_a_turn_that_roundings_decide_is_not_compared(loop: str, program: Maker) -> None:
    """The others are: a fault in every turn is found."""
    prepared, weights = prepared_of(program(GRADIENTS % loop))
    assert [w.slug for w in passed(prepared, weights).warnings] == ["metastable"]
    wrong = prepared_of(program((GRADIENTS % loop).replace("- a * q", "- a * q * 1.001")))[0]
    with pytest.raises(MaiError) as refused:
        Gate(prepared, weights, DEFAULTS).passed(serialised(build(wrong.optimised, weights, DEFAULTS)))
    assert refused.value.diagnostics[0].slug == "compile-mismatch"


OPTION = """layer cdf(x: []) -> [] { return 0.5 * (1 + erf(x / sqrt(2))) }
layer call(S: [], K: [], s: [], T: [], r: []) -> [] {
  d1 = (log(S / K) + (r + s^2 / 2) * T) / (s * sqrt(T))
  return S * cdf(d1) - K * exp(-r * T) * cdf(d1 - s * sqrt(T))
}
export f(S: [], K: [], s: [], T: [], r: []) -> ([], [], [], [], []) {
  c = call(S, K, s, T, r)
  d = grad(c, S)
  v = 0.3
  repeat 20 until abs(call(S, K, v, T, r) - c) < 1e-4 {
    p = call(S, K, v, T, r)
    v = v - (p - c) / grad(p, v)
  }
  return (c, d, grad(d, S), grad(c, s), v)
}
"""


def test_what_roundings_leave_of_a_turn_and_of_what_is_made_beside_it(program: Maker) -> None:
    """An implied volatility by Newton's method, and the greeks (Black and Scholes 1973): differences of nearly equal numbers."""
    prepared, weights = prepared_of(program(OPTION))
    assert [w.slug for w in passed(prepared, weights).warnings] == ["metastable"]
    wrong = prepared_of(program(OPTION.replace("(p - c) / grad", "(p - 1.001 * c) / grad")))[0]
    with pytest.raises(MaiError) as refused:
        Gate(prepared, weights, DEFAULTS).passed(serialised(build(wrong.optimised, weights, DEFAULTS)))
    assert refused.value.diagnostics[0].slug == "compile-mismatch"


def test_digits_that_agree_are_said(program: Maker) -> None:
    prepared, weights = prepared_of(program(SOUND["rest"]))
    reason = Gate(prepared, weights, DEFAULTS).metastable(2e-3)
    assert "only 2 digits of its results" in reason.message
    assert "not at a finite number: no digit" in Gate(prepared, weights, DEFAULTS).metastable(float("inf")).message


def test_a_way_that_begins_with_no_number_is_alike_in_both(program: Maker, tmp_path: Path) -> None:
    text = (
        "export f(x: []) -> ([], []) {\n  y = log(x)\n  z = log(-1 - x * x)\n"
        "  integrate s in 0..1 using dopri5(max_steps = 20) {\n    dy/ds = -y\n  }\n"
        "  integrate s in 0..1 using dopri5(max_steps = 20) {\n    dz/ds = -z\n  }\n"
        "  return (y, where(z > 0, z, 0))\n}\n"
    )
    written = export(program(text), "f", Trained({}), tmp_path)
    assert written.error is not None and written.error < 1e-4


class Counting(dict[str, Array]):
    """Weights that count how often each is read."""

    def __init__(self, weights: dict[str, Array]) -> None:
        super().__init__(weights)
        self.reads: Counter[str] = Counter()

    def __getitem__(self, name: str) -> Array:
        self.reads[name] += 1
        return super().__getitem__(name)


@pytest.mark.parametrize(("apart", "explained"), [(0.0, True), (1e-6, True), (1.0, False)])
def test_the_reference_with_roundings_reads_each_weight_once(program: Maker, apart: float, explained: bool) -> None:
    """Whatever the turns that read it, and the runs that it takes to explain a difference, which large weights would make long."""
    spec = program(
        "net f(x: [4]) -> [4] { return tanh(linear(x, 4)) }\n"
        "export g(x: [4]) -> [4] { repeat 3 shared { x += f(x) }\n return x }"
    )
    weights, plain = Counting(load_weights(spec, None)[0]), prepare_export(spec, "g").plain
    tried = trial(plain, 2)
    results = [y + apart for y in Evaluation(plain, dict(weights)).run(tried.inputs)]
    assert are_roundings(plain, weights, tried, results, 1e-9, 1.0) is explained
    assert set(weights.reads.values()) == {1}
