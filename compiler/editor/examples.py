"""What the examples of the reference give, by the numpy reference: `make docs` writes it into `spec/reference/results.json`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.check import check_text, look_at
from mai.compiler.editor.meaning import Seen
from mai.compiler.editor.settings.lines import lines, settings_in
from mai.compiler.editor.settings.reference import all_settings
from mai.compiler.elaborate.functions.function_reference import Entry, sections
from mai.compiler.elaborate.sightings import watched
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS
from mai.spec.diagnostics import MaiError
from mai.spec.record import record
from mai.spec.reference import BY_HAND, INPUT, SETTINGS_TITLE
from mai.spec.source import Source

if TYPE_CHECKING:
    from mai.runtime.arrays import Array

INPUT_FORM = re.compile(r"(?P<name>\w+)(: (?P<type>[^=]+?))?( = (?P<value>.+))?")
PLACE = Path("example.mai")
DRAW, INTEGRATE, RESULT = "~ ", "integrate ", "r"
OF_ELEMENTS = re.compile(r"\w+\((x|\w+: \[\])\)( -> \[\])?")
ELEMENTS = ("[-1, 0, 2]", "[0.5, 1, 2]", "[0, 0.5, 1]")  # What a function of elements is tried on.
MOST_SHOWN = 16  # Numbers of a result; of a larger one the shape is shown.
TINY = 1e-12

MODEL = "data x: [2], y: class[2], w: [] from python([a, b, c])\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n"
TRAIN = "train(steps = 10) { minimize sum(f(x)^2) }\n"
NET = "net f(x: [2]) -> [2] {\n  ...\n  return x\n}\nexport g(x: [2]) -> [2] { return f(x) }\n"
VOCAB = "const vocab = 1024\n"
# What is around an example that is no expression, by how it begins.
AROUND: dict[tuple[str, ...], str] = {
    (
        "data ",
    ): f"{VOCAB}...\nnet h() -> [] {{\n  param a: [] = zeros\n  return a\n}}\ntrain(steps = 10) {{ minimize (h() - 1)^2 }}\n",
    ("export ", "import ", "const ", "let "): f"{VOCAB}...\n",
    ("layer ", "net ", "claim ", "weights "): f"{MODEL}{TRAIN}...\n",
    ("ignore ",): f'{MODEL}{TRAIN}weights from "model.safetensors" {{\n  "f.*" = "head.*"\n  ...\n}}\n',
    ("train(steps = 100) ",): f"{MODEL}...\n",
    ("train(",): f"{MODEL}... {{ minimize sum(f(x)^2) }}\n",
    ("minimize ",): f"{MODEL}train(steps = 10) {{ ... }}\n",
    ("(", "report ", "record "): f"{MODEL}train(steps = 10) {{\n  ...\n  minimize sum(f(x)^2)\n}}\n",
    ("extend ",): f"{VOCAB}export f(x: tokens[P]) -> tokens[P + 8] {{\n  z = zeros([vocab])\n  ...\n  return x\n}}\n",
    ("param ", "state ", "if ", "repeat ", INTEGRATE): NET,
    ("noise ",): NET.replace(
        "...", f"{INTEGRATE}s in 0..1 using euler_maruyama(10) {{\n    ...\n    dx = -x * ds + dB\n  }}"
    ),
}


def results() -> str:
    """All examples and what they give, as `results.json` has them.

    Raises:
        MaiError: an example is not sound.
        ValueError: an entry needs an example by hand, and has none.
    """
    by_hand = tomllib.loads(BY_HAND.read_text(encoding="utf-8"))
    examples: dict[str, dict[str, tuple[str, str]]] = {}
    for chapter in sections():
        table = chapter.title if chapter.title in by_hand else "functions"
        for entry in chapter.entries:
            code = by_hand[table].get(entry.name) or example_of(entry, table)
            examples.setdefault(chapter.title, {})[entry.name] = (shown(code), result_of(code))
    examples[SETTINGS_TITLE] = {name: (line, "") for name, line in of_settings().items()}
    return json.dumps(examples, ensure_ascii=False, indent=1) + "\n"


def of_settings() -> dict[str, str]:
    """For each setting, `adamw.lr`, the first line that has it. Raises `MaiError`: a line is not sound."""
    settings = {f"{taker}.{name}" for name, _, taker in all_settings()}
    shown_by: dict[str, str] = {}
    for line in lines():
        result_of(line)
        for name in settings_in(line):
            if name in settings:
                shown_by.setdefault(name, line)
    return shown_by


def example_of(entry: Entry, table: str) -> str:
    """The example of an entry whose record says enough: a solver, a function of single elements. Raises `ValueError` for any other."""
    if entry.name in SOLVERS:
        return _solved(entry.name)
    wanted = f"an example by hand: write a line `{entry.name} = '...'` into the table [{table}] of spec/reference/{BY_HAND.name}"
    if not OF_ELEMENTS.fullmatch(entry.form):
        raise ValueError(f"`{entry.name}` needs {wanted}")
    example = next(filter(_is_finite, (f"{entry.name}({elements})" for elements in ELEMENTS)), None)
    if example is None:
        raise ValueError(f"`{entry.name}` is not finite for {', '.join(ELEMENTS)} and needs {wanted}")
    return example


def _solved(name: str) -> str:
    """dx/ds = -x from 1 gives 1/e."""
    solver = SOLVERS[name]
    steps = "" if solver.adaptive else "10"
    equation = "dx = -x * ds + 0.1 * dW" if solver.stochastic else "dx/ds = -x"
    return f"{INTEGRATE}s in 0..1 using {name}({steps}) {{ {equation} }}{INPUT}x = 1"


def _is_finite(code: str) -> bool:
    try:
        return not re.search("nan|inf", result_of(code))
    except MaiError:  # Of numbers that are known, mai says itself that they have no logarithm.
        return False


def shown(code: str) -> str:
    """An example as it is shown: a draw has a name."""
    return f"x {code}" if code.startswith(DRAW) else code


def result_of(code: str) -> str:
    """What an example gives, in the words of the language; nothing for one that is no expression."""
    around = next((spec for begins, spec in AROUND.items() if code.startswith(begins)), None)
    expression, *inputs = code.split(INPUT)
    if around is None or inputs:
        return _evaluated(expression, [_Input.of(text) for text in inputs])
    _check_all(around.replace("...", code))
    return ""


@record
class _Input:
    """An input of an example."""

    name: str
    type: str
    value: object

    @classmethod
    def of(cls, text: str) -> _Input:
        """`x = [1, 2]`, `y: class[10] = 3`, `x: [1, 28, 28]`."""
        match = INPUT_FORM.fullmatch(text)
        assert match is not None, text
        value = json.loads(match["value"]) if match["value"] else None
        return cls(match["name"], match["type"] or _shape(value), value)


def _shape(value: object) -> str:
    sizes = []
    while isinstance(value, list):
        sizes.append(len(value))
        value = value[0]
    return str(sizes)


def _evaluated(expression: str, inputs: Sequence[_Input]) -> str:
    """The result of an expression for inputs: its numbers where they are few and depend on no weights, or else its type."""
    type_ = _type(expression, inputs)
    if type_.startswith("= "):
        return type_.removeprefix("= ")
    program = _program(_export(expression, inputs, type_))
    if program.weights or any(each.value is None for each in inputs):
        return f"a tensor {type_}"
    arrays = _outputs(program, inputs)
    if sum(array.size for array in arrays) > MOST_SHOWN:
        return f"a tensor {type_}"
    numbers = [_written(array.tolist()) for array in arrays]
    text = numbers[0] if len(numbers) == 1 else f"({', '.join(numbers)})"
    return f"{text}, for seed 0" if DRAW in expression or "dW" in expression else text


def _export(expression: str, inputs: Sequence[_Input], type_: str, result: str = RESULT) -> str:
    """A spec that computes it."""
    parameters = ", ".join(f"{each.name}: {each.type}" for each in inputs)
    if expression.startswith(INTEGRATE):
        statement = f"x = x + 0\n  {expression}\n  {RESULT} = x"
    else:
        statement = f"{RESULT} {expression}" if expression.startswith(DRAW) else f"{RESULT} = {expression}"
    vocab = VOCAB if "tokens" in parameters else ""
    return f"{vocab}export f({parameters}) -> {type_} {{\n  {statement}\n  return {result}\n}}\n"


def _type(expression: str, inputs: Sequence[_Input]) -> str:
    """What the result was seen to be, in an export that returns something else: `[3]`, or `= 3` for a number that is known."""
    text = _export(expression, inputs, "[]", "0")
    seen = Seen(str(PLACE))
    with watched(seen.watch):
        _program(text)
    at = text.rindex(f"  {RESULT} ") + 2
    return next(iter(seen.forms[at, at + 1].values())).text


def _outputs(program: Program, inputs: Sequence[_Input]) -> list[Array]:
    """The results for a batch of one example."""
    import numpy as np

    from mai.compiler.ir.evaluate import evaluate
    from mai.compiler.passes.forms import prepare

    values = {each.name: np.array([each.value]) for each in inputs}
    with np.errstate(all="ignore"):
        return [array[0] for array in evaluate(prepare(program.exports["f"]), values, {}, {})]


def _written(value: object) -> str:
    """Numbers as the language has them, four digits of each."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{0.0 if abs(value) < TINY else value:.4g}"
    return str(value)


def _check_all(text: str) -> None:
    """Raises `MaiError` with all that is wrong; of files that are not here nothing is asked."""
    diagnostics = look_at(PLACE, texts={str(PLACE): Source(str(PLACE), text)}).diagnostics
    wrong = [each for each in diagnostics if each.severity == "error"]
    if wrong:
        raise MaiError(wrong)


def _program(text: str) -> Program:
    """The meaning of a text. Raises `MaiError` with all that is wrong."""
    return check_text(PLACE, text).meaning()
