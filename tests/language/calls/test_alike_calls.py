"""Calls and turns that are alike repeat the nodes of the first: the graph is the one in which each is elaborated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.compiler.elaborate.expressions import calls
from mai.compiler.elaborate.repeating import alike_turns
from mai.compiler.elaborate.repeating.store import calls_again
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.program import Program
from mai.spec.diagnostics import Reporter
from mai.spec.parsing.parse import parse
from mai.spec.source import Source

SPEC = """
layer half(z: [d]) -> [d] { return z / 2 }

net f(x: [P, 8], y: class[4][P]) -> [P, 8] {
  h = linear(x, 8) + embed(y, 8)
  repeat 3 as i {
    h += attention(rms_norm(h), 2, causal = true, window = 2 + i % 2, rotary = rope(base = 100))
    h += mlp(rms_norm(h), 16, activation = silu, projection = lora(rank = 2))
    h += mlp(layer_norm(half(h)), 16, activation = mish)
  }
  return linear(h, 8) + linear(h, 8, init = normal(0, 1))
}

export g(x: [P, 8], y: class[4][P]) -> ([P, 8], []) {
  u = f(x, y)
  v = f(u, y)
  return (u + f(v, y), sinkhorn_divergence(u, v) + sinkhorn_divergence(v, v))
}

export h(x: [3, 9, 9]) -> [3, 9, 9] {
  z ~ normal([3, 9, 9])
  a = dropout(conv(x, 3, 3))
  b = dropout(conv(z, 3, 3))
  return conv(group_norm(a, 3), 3, 3) * conv(group_norm(b, 3), 3, 3, dilation = 1) + conv(a + b, 3, 3, dilation = 2)
}
"""


def rows(graph: Graph) -> list[object]:
    """All that a graph says of its nodes and weights."""
    numbers: dict[Value, int] = {}

    def number(value: Value) -> int:
        return numbers.setdefault(value, len(numbers))

    nodes = [
        (node.op, [*map(number, node.inputs)], str(node.attributes), str(node.structure), node.scope, node.span
         and (node.span.start, node.span.end), [(number(v), str(v.type), v.name) for v in node.outputs])
        for node in graph.walk()
    ]  # fmt: skip
    weights = [(w.name, w.shape, w.init, w.owner, w.counts, w.span.start) for w in graph.weights.values()]
    return [*nodes, *weights, [number(v) for v in graph.outputs]]


def elaborate_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nothing is repeated."""
    monkeypatch.setattr(calls, "key_of", lambda *_: None)
    monkeypatch.setattr(alike_turns, "repeat", lambda *_: None)


def test_alike_calls_and_turns_are_what_each_would_be_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, repeat = tmp_path / "spec.mai", calls.repeat
    path.write_text(SPEC, encoding="utf-8")
    repeated: dict[object, list[object]] = {calls: [], alike_turns: []}

    def counting(module: object) -> Callable[..., object]:
        def counted(*arguments: object) -> object:
            repeated[module].append(arguments)
            return repeat(*arguments)  # type: ignore[arg-type]

        return counted

    for module in repeated:
        monkeypatch.setattr(module, "repeat", counting(module))
    fast = check(path)
    assert len(repeated[calls]) > 20 and len(repeated[alike_turns]) >= 2, fast.diagnostics
    elaborate_each(monkeypatch)
    slow = check(path)
    assert fast.program is not None and slow.program is not None
    for name, graph in slow.program.exports.items():
        assert rows(fast.program.exports[name]) == rows(graph)


def test_turns_after_two_of_their_kind_are_known(program: Callable[[str], Program]) -> None:
    body = "s = sum(ones([i % 2 + 1]))\n    x = tanh(s * x)"
    text = f"export f(x: [4]) -> [4] {{\n  repeat 9 as i {{\n    {body}\n  }}\n  return x\n}}\n"
    again = program(text).exports["f"].turns_again
    assert [len(turn.nodes) for turn in again] == 7 * [2]
    assert [before for turn in again for _, before in turn.states][1:] == [
        after for turn in again for after, _ in turn.states
    ][:-1]


ALMOST_ALIKE = {
    "a zero with a sign": """
layer angle(x: [n], s) -> [n] { return arctan2(x, s) }
export f(x: [2]) -> [2] { return angle(x, 0.0) - angle(x, -0.0) }
""",
    "the transpose of the other argument": """
layer add(A: [n, n], B: [n, n]) -> [n, n] { return A + B' }
export f(A: [4, 4], B: [4, 4]) -> [4, 4] {
  C = A'
  return add(A, C) + add(A, B)
}
""",
    "the transpose of what stands outside": """
layer product(x: [n], A: [n, n]) -> [n] { return x @ A }
net f(x: [4]) -> [4] {
  param V: [4, 4] ~ normal(0, 1)
  param W: [4, 4] ~ normal(0, 1)
  return product(x, V) + product(x, W')
}
export g(x: [4]) -> [4] { return f(x) }
""",
    "all places of an axis, in order": """
layer pick(x: [n, n], i: int[n], j: int[n]) -> [n] { return x[i, j] }
export f(x: [3, 3], j: class[3][3]) -> [3] { return pick(x, range(3), j) + pick(x, flip(range(3)), j) }
""",
    "one of several matrices": """
layer product(x: [n], A: [n, n]) -> [n] { return A @ x }
net f(x: [4], k: class[3]) -> [4] {
  param W: [3, 4, 4] ~ normal(0, 1)
  return product(x, x[:, None] * x) + product(x, W[k])
}
export g(x: [4], k: class[3]) -> [4] { return f(x, k) }
""",
    "the name of a weight": """
layer scale(x: [n]) -> [n] {
  param w: [n] = 1
  return w * x
}
net f(x: [2]) -> [2] {
  param scale_2: [2] = 2
  y = scale(x)
  return scale(y) * scale_2
}
export g(x: [2]) -> [2] { return f(x) }
""",
    "times that are not of the way": """
layer flow(x: [n], times: [m]) -> [n] {
  integrate s in 0..1 using rk4(grid = times) { dx/ds = -x }
  return x
}
export f(x: [4]) -> [4] { return flow(x, [0, 0.5, 1]) + flow(x, [0, 0.5, 2]) }
""",
    "the number to change": """
layer widen(x: [n], m) -> [m] { return linear(x, m) }
layer bend(x: [n]) -> [n] { return relu(x) }
net f(x: [4]) -> [4] { return x }
export g(x: [4]) -> [4] {
  y = bend(widen(x, 5))
  z = bend(widen(x, 5))
  return f(z)
}
""",
    "how often a layer was called before in a turn": """
net f(x: [4]) -> [4] {
  repeat 3 as i {
    if i == 1 { x = linear(x, 4) }
    y = linear(x, 4)
    x = x + y
  }
  return x
}
export g(x: [4]) -> [4] { return f(x) }
""",
    "a draw of each turn": """
export f(x: [4]) -> [4] {
  repeat 4 as i {
    s = sum(ones([i % 2 + 1]))
    z ~ normal([4])
    x = s * x + z
  }
  return x
}
""",
    "a matrix that each turn transposes": """
export f(x: [4], A: [4, 4]) -> [4] {
  repeat 4 as i {
    s = sum(ones([i % 2 + 1]))
    A = A'
    x = s * (A @ x) + A' @ x
  }
  return x
}
""",
    "a shape that grows": """
export f(x: [4], k: [2]) -> [] {
  repeat 3 as i {
    if i == 0 { k = 2 * k }
    k = concat(k, x)
    y = sum(k)
  }
  return sum(k)
}
""",
    "what comes from outside of the block": """
export f(x: [4]) -> [4] {
  repeat 4 as i {
    s = sum(ones([i % 2 + 1]))
    t = 2 * x
    x = s * t
  }
  return x + t
}
""",
}


@pytest.mark.parametrize("differs", ALMOST_ALIKE)
def test_calls_that_differ_are_not_repeated(differs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(ALMOST_ALIKE[differs], encoding="utf-8")
    fast = check(path)
    elaborate_each(monkeypatch)
    slow = check(path)
    assert list(map(str, fast.diagnostics)) == list(map(str, slow.diagnostics))
    if slow.program is not None:
        assert fast.program is not None
        for name, graph in slow.program.exports.items():
            assert rows(fast.program.exports[name]) == rows(graph)


HALF = "layer half(x: [2]) -> [2] { return x / 2 }\n"
ONCE = "export f(x: [2]) -> [2] { return linear(tanh(x), 2) }"
NAMED = "export f(x: [2]) -> [2] {\n  g = half\n  return g(half(x))\n}"


@pytest.mark.parametrize(
    ("text", "again"),
    [
        (ONCE, False),
        (ONCE.replace("tanh(x)", "linear(x, 2)"), True),
        (ONCE.replace("{ return", "{\n  repeat 2 { x = x / 2 }\n  return").replace(" }", "\n}", 2), True),
        (f"{ONCE}\n{ONCE.replace('f(', 'g(')}", True),
        (f'import "layers.mai"\n{ONCE}', True),
        (HALF + ONCE.replace("tanh", "half"), False),
        (HALF + NAMED, True),
    ],
)
def test_what_a_call_became_is_kept_where_a_file_may_call_again(text: str, again: bool) -> None:
    assert calls_again(parse(Source("f.mai", text), Reporter())) is again
