"""A `repeat` is its turns: alike ones are one body, others are elaborated one by one, with the same weights and draws."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check, check_text
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import turns_of
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.structure import Loop
from mai.compiler.onnx.export import export
from mai.compiler.ops.random.choice import Choose
from mai.compiler.ops.reductions.places import Argmax
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value
from mai.runtime import load
from mai.spec.diagnostics import Diagnostic

EXAMPLES = Path(__file__).parents[2] / "examples"
Maker = Callable[[str], Program]
Result = np.ndarray

# Turns that differ, beside the same written out. What they draw depends on the place and the turn alone.
WRITTEN_OUT = {
    "a choice by the turn": (
        "repeat 3 as i { if i % 2 == 0 { x = 2 * x } else { x = x + i } }",
        "x = 2 * x\n  x = x + 1\n  x = 2 * x",
    ),
    "shapes that change": (
        "h = x\n  repeat 3 as i { h = concat(h, x[:1]) }\n  x = h[-2:] + h[1]",
        "h = concat(x, x[:1], x[:1], x[:1])\n  x = h[-2:] + h[1]",
    ),
    "a size by the turn": (
        "repeat 3 as i { x = x + sum(zeros([i + 1]) + i) }",
        "x = x + 0 + 2 + 6",
    ),
    "numbers by the turn": (
        "repeat 4 as i {\n    w = where(i < 2, 2^i, 10)\n    x = x + sum(linspace(0, 1, w + 1))\n  }",
        "x = x + 1 + 1.5 + 5.5 + 5.5",
    ),
    "a number that is carried": (
        "n = 1\n  repeat 3 as i {\n    n = n + i\n    x = x + sum(ones([n]))\n  }\n  x = x * n",
        "x = (x + 1 + 2 + 4) * 4",
    ),
    "turns in turns": (
        "repeat 2 as i { repeat 2 as j { if i == j { x = 3 * x } else { x = x - 1 } } }",
        "x = 3 * x - 2\n  x = 3 * x",
    ),
    "a turn that is left out": (
        "repeat 3 as i { if i > 0 { y = concat(x, x)\n x = y[1:3] } }",
        "x = concat(x, x)[1:3]\n  x = concat(x, x)[1:3]",
    ),
}  # fmt: skip


def result(program: Program, folder: Path) -> Result:
    weights = {copy.name: first_value(copy, 0) for weight in program.weights.values() for copy in turns_of(weight)}
    folder.mkdir()
    model = load(export(program, "f", Trained(weights), folder).path, providers="cpu")
    return np.asarray(model(x=[[1.0, 2.0], [-0.5, 0.25]], **({"seed": 3} if program.exports["f"].settings else {})))


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_turns_are_what_they_are_written_out(name: str, program: Maker, tmp_path: Path) -> None:
    repeated, written = (
        result(program(f"export f(x: [2]) -> [2] {{\n  {body}\n  return x\n}}\n"), tmp_path / str(place))
        for place, body in enumerate(WRITTEN_OUT[name])
    )
    np.testing.assert_allclose(repeated, written, rtol=1e-6)


# The same body, once as one for all turns and once turn by turn, which a choice that changes nothing asks for.
NET = (
    "net g(x: [2]) -> [2] {{\n  repeat 3 as i {{\n    {}x += tanh(linear(x, 2)) + i * noise(x)\n  }}\n  return x\n}}\n"
)
NOISE = "layer noise(x: [2]) -> [2] {\n  z ~ normal([2])\n  return z\n}\n"
APART = "if i == 1 { x = x + 0 }\n    "


def test_weights_and_draws_are_those_of_the_loop(program: Maker, tmp_path: Path) -> None:
    tail = NOISE + "export f(x: [2]) -> [2] { return g(x) }\n"
    alike, apart = program(NET.format("") + tail), program(NET.format(APART) + tail)
    assert alike.exports["f"].has(Loop) and not apart.exports["f"].has(Loop)
    names = [
        {c.name for w in program_of_turns.weights.values() for c in turns_of(w)} for program_of_turns in (alike, apart)
    ]
    assert names[0] == names[1]
    np.testing.assert_allclose(result(alike, tmp_path / "alike"), result(apart, tmp_path / "apart"), rtol=1e-5)


def diagnostics(text: str, folder: Path) -> list[Diagnostic]:
    path = folder / "spec.mai"
    path.write_text(text, encoding="utf-8")
    return check(path).diagnostics


def test_what_is_wrong_with_a_turn_is_told_with_its_number(tmp_path: Path) -> None:
    text = "export f(x: [8]) -> [8] {\n  repeat 3 as i { x = split(x, 2 + i)[0] |> concat(x) }\n  return x\n}\n"
    text = "export f(x: [8]) -> [2] {\n  h = x\n  repeat 3 as i {\n    (a, b) = split(h, 2 + i)\n    h = a + b\n  }\n  return h\n}\n"
    (error,) = diagnostics(text, tmp_path)
    assert error.message.startswith("in turn 1, ")


def test_what_is_wrong_with_all_turns_is_told_once(tmp_path: Path) -> None:
    (error,) = diagnostics("export f(x: [2]) -> [2] {\n  repeat 3 as i { x = x + y }\n  return x\n}\n", tmp_path)
    assert error.slug == "unknown-name" and "turn" not in error.message


MISTAKES = {  # beside what only the turns themselves allow: the mistake is told, not that
    "a name in a branch": ("if i % 2 == 0 { x = x + linar(x, 2) } else { x = tanh(x) }", "unknown-function", "linar"),
    "a name in the other branch": ("if i > 0 { x = x + y } else { x = tanh(x) }", "unknown-name", "y"),
    "a name after a shape that changes": ("h = concat(h, x)\n    x = x + y", "unknown-name", "y"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_turns_that_differ_is_told_itself(name: str, tmp_path: Path) -> None:
    body, slug, at = MISTAKES[name]
    text = f"export f(x: [2]) -> [2] {{\n  h = x\n  repeat 4 as i {{\n    {body}\n  }}\n  return x + h[:2]\n}}\n"
    (error,) = diagnostics(text, tmp_path)
    assert (error.slug, error.span and error.span.text) == (slug, at)


def test_shared_turns_stay_alike(tmp_path: Path) -> None:
    text = "export f(x: [2]) -> [2] {\n  repeat 3 shared as i { if i == 1 { x = x + 1 } }\n  return x\n}\n"
    (error,) = diagnostics(text, tmp_path)
    assert error.slug == "static-needed"


MANY = {  # too many to be elaborated one by one: what is wrong with one turn, and with their number, is told itself
    "not alike": ("repeat 5000 as i { if i % 2 == 0 { x = x + 1 } }", "repeat-too-long", "not alike"),
    "a name": ("repeat 5000 { x = x + y }", "unknown-name", "`y`"),
    "a name in turns of turns": ("repeat 3 { repeat 5000 { x = x + y } }", "unknown-name", "`y`"),
    "with parameters": ("repeat 20000 { x = linear(x, 2) }", "repeat-too-long", "parameters of their own"),
    "with parameters, in turns": (
        "repeat 1200 { repeat 1200 { x = linear(x, 2) } }", "repeat-too-long", "parameters of their own",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MANY)
def test_what_is_wrong_with_many_turns(name: str, tmp_path: Path) -> None:
    body, slug, words = MANY[name]
    text = f"net f(x: [2]) -> [2] {{\n  {body}\n  return x\n}}\nexport g(x: [2]) -> [2] {{ return f(x) }}\n"
    (error,) = diagnostics(text, tmp_path)
    assert error.slug == slug and words in error.message


def test_a_thousand_layers_are_not_too_deep() -> None:
    sets = {"depth": "1000", "d": "16", "heads": "2", "kv_heads": "1", "hidden": "32", "vocab": "256"}
    checked = check(EXAMPLES / "llama.mai", sets)
    assert checked.program is not None and not checked.diagnostics


@pytest.mark.parametrize("inner", ["x = x + y", "if i0 == 9 { x = x + y }", "if i19 == 0 { x = x + 1 }"])
def test_mistakes_deep_inside_are_found_soon(inner: str, tmp_path: Path) -> None:
    head, tail = "".join(f"repeat 1 as i{k} {{\n" for k in range(20)), "}\n" * 20
    began = time.process_time()
    diagnostics(f"export f(x: [2]) -> [2] {{\n{head}{inner}\n{tail}return x\n}}\n", tmp_path)
    assert time.process_time() - began < 60  # it took 2^20 times as long as one body would


@pytest.mark.parametrize(
    "loop", ["repeat 3 { x = 0.5 * x }", "repeat 3 shared { x = 0.5 * x }", "repeat n { x = 0.5 * x }"]
)
def test_a_list_of_numbers_is_a_state(loop: str, program: Maker) -> None:
    text = f"export f(a: [], n: int = 3) -> [2] {{\n  x = [8, 16]\n  {loop}\n  return a * x\n}}\n"
    graph = forms.prepare(program(text).exports["f"])
    np.testing.assert_allclose(evaluate(graph, {"a": np.ones(1)}, {"n": 3}, {})[0], [[1, 2]])


@pytest.mark.parametrize(("turns", "slugs"), [("165", []), ("166", ["too-deep"]), ("166 shared", [])])
def test_operations_of_turns_in_turns_are_counted_before_they_are_written_out(turns: str, slugs: list[str]) -> None:
    """Six for a turn of the net, and with the net five more for a turn around it, and five: 199,005 and 200,205. Shared turns stay a loop."""
    text = "net f(x: [2]) -> [2] {\n  repeat %s { x = linear(silu(x), 2) }\n  return x\n}\n"
    text += "export g(x: [2]) -> [2] {\n  repeat 200 { x = linear(f(x), 2) }\n  return x\n}\n"
    assert [d.slug for d in check_text(Path("spec.mai"), text % turns).diagnostics] == slugs


@pytest.mark.parametrize(("greedy", "chooses"), [(0, Choose), (1, Argmax)])
def test_an_if_chooses_how_a_text_grows(greedy: int, chooses: type[Operation], program: Maker) -> None:
    text = f"""const greedy = {greedy}
const vocab = 4
export f(x: tokens[P]) -> tokens[P + 3] {{
  y = x
  extend y by 3 {{
    z = one_hot(y, 4)[-1]
    if greedy == 1 {{ append argmax(z) }} else {{
      next ~ categorical(z)
      append next
    }}
  }}
  return y
}}
"""
    operations = {node.op for node in program(text).exports["f"].walk()}
    assert operations & {Choose, Argmax} == {chooses}
