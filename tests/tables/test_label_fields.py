"""Labels are named by the words of the field that they are of, followed from the data through training to an export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.describing.label_fields import label_fields
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.commands.running import Wanted, run_file
from mai.runtime.inputs.labels import label_names, result_names
from mai.runtime.model.manifest import Manifest, Port

DATA = (
    'data sex: class[2], port: class[3], deck: class[3], rank: class[3], y: class[2], age: [] from csv("people.csv")\n'
)
NAMES = {"sex": ("female", "male"), "port": ("C", "Q", "S"), "deck": ("A", "B", "C")}
NET = (
    "net f(a: class[2], b: class[3], age: []) -> [2] { return linear(concat(embed(a, 2), one_hot(b, 3), [age]), 2) }\n"
)
GUESS = "net f(age: []) -> [3] { return linear([age], 3) }\n"


def train(*lines: str) -> str:
    return "train(steps = 5) {\n  " + "\n  ".join(lines) + "\n}\n"


Y = NET + train("minimize cross_entropy(f(sex, port, age), y)")
PORT = GUESS + train("minimize cross_entropy(f(age), port)")
CASES: dict[str, tuple[str, dict[str, str]]] = {
    "a field without words has none": (
        Y + "export g(y: class[2], port: class[3], age: []) -> class[2] { return argmax(f(y, port, age)) }",
        {"y": "sex", "port": "port"},
    ),
    "whatever the inputs are called": (
        Y + "export g(port: class[2], sex: class[3], age: []) -> [2] { return softmax(f(port, sex, age)) }",
        {"port": "sex", "sex": "port"},
    ),
    "the label itself": (PORT + "export g(age: []) -> class[3] { return argmax(f(age)) }", {"g": "port"}),
    "those of a fixed point": (
        GUESS + train("z = f(age)", "minimize cross_entropy(fixed_point(z, 0.5 * tanh(z) + f(age)), port)")
        + "export g(age: []) -> [3] {\n  z = f(age)\n  return softmax(fixed_point(z, 0.5 * tanh(z) + f(age)))\n}",
        {"g": "port"},
    ),
    "its probabilities": (PORT + "export g(age: []) -> [3] { return softmax(2 * f(age)) }", {"g": "port"}),
    "a drawn label": (
        PORT + "export g(age: [], t: real = 1.0) -> class[3] {\n  k ~ categorical(f(age) / t)\n  return k\n}",
        {"g": "port"},
    ),
    "the likeliest ones": (
        PORT + "export g(age: []) -> [2] {\n  (v, i) = top_k(f(age), 2)\n  return v\n}\n"
        "const vocab = 3\nexport h(age: []) -> tokens[2] {\n  (v, i) = top_k(f(age), 2)\n  return i\n}",
        {"h": "port"},
    ),
    "a probability of an input": (
        PORT + "export g(age: [], k: class[3]) -> [] { return softmax(f(age))[k] }", {"k": "port"},
    ),
    "a loss written by hand": (
        GUESS + train("minimize -log_softmax(f(age))[port]")
        + "export g(age: []) -> class[3] { return argmax(f(age)) }", {"g": "port"},
    ),
    "squares": (
        GUESS + train("minimize sum((f(age) - one_hot(deck, 3))^2)")
        + "export g(age: []) -> class[3] { return argmin(-f(age)) }", {"g": "deck"},
    ),
    "prototypes": (
        "layer scores(x: [2]) -> [3] {\n  param c: [3, 2] = normal(0, 1)\n  return -sum((c - x[None, :])^2, axis = -1)\n}\n"
        "net f(age: []) -> [3] { return scores(linear([age], 2)) }\n" + train("minimize cross_entropy(f(age), deck)")
        + "export g(age: []) -> class[3] { return argmax(f(age)) }", {"g": "deck"},
    ),
    "two fields that a net has learned": (
        GUESS + train("minimize cross_entropy(f(age), port) + cross_entropy(f(age), deck)")
        + "export g(age: []) -> class[3] { return argmax(f(age)) }", {},
    ),
    "a field in words and one in numbers": (
        GUESS + train("minimize cross_entropy(f(age), port) + cross_entropy(f(age), rank)")
        + "export g(age: []) -> class[3] { return argmax(f(age)) }", {},
    ),
    "one label more, for none": (
        "net f(k: class[4], age: []) -> [] { return sum(embed(k, 1)) + age }\n"
        + train("keep ~ bernoulli(0.9)", "minimize (f(where(keep, port, 3), age) - age)^2")
        + "export g(k: class[3], age: []) -> [] { return f(k, age) - f(3, age) }", {"k": "port"},
    ),
    "through an integral": (
        "net f(x: [2], s: [], k: class[3]) -> [2] { return linear(concat(x, [s], embed(k, 2)), 2) }\n"
        + train("x ~ normal([2])", "s ~ uniform(0, 1)", "minimize sum((f(x, s, deck) - [age, age])^2)")
        + "export g(k: class[3]) -> [2] {\n  x ~ normal([2])\n  integrate s in 0..1 using euler(3) { dx/ds = f(x, s, k) }\n"
        "  return x\n}", {"k": "deck"},
    ),
    "a layer of the file, called by both": (
        "layer codes(a: class[3], b: class[3]) -> [6] { return concat(one_hot(a, 3), one_hot(b, 3)) }\n"
        "net f(x: [6]) -> [] { return linear(x, 1)[0] }\n" + train("minimize (f(codes(port, rank)) - age)^2")
        + "export g(a: class[3], b: class[3]) -> [] { return f(codes(a, b)) }", {"a": "port"},
    ),
    "a layer for any label": (
        "layer code(k: class[K]) -> [K] { return one_hot(k, K) }\nnet f(x: [6]) -> [] { return linear(x, 1)[0] }\n"
        + train("minimize (f(concat(code(port), code(deck))) - age)^2")
        + "export g(a: class[3], b: class[3]) -> [] { return f(concat(code(a), code(b))) }", {},
    ),
    "turned around": (
        PORT + "export g(age: []) -> class[3] { return argmax(flip(f(age))) }\n", {},
    ),
    "counted on": (PORT + "export g(age: []) -> class[3] { return (argmax(f(age)) + 1) % 3 }\n", {}),
    "chosen by a condition": (
        PORT + "export g(age: []) -> class[3] { return where(age > 9, argmax(f(age)), 0) }", {"g": "port"},
    ),
    "of a clutch of points": (
        PORT + "const vocab = 3\nexport g(ages: [P]) -> tokens[P] { return argmax(f(ages)) }", {"g": "port"},
    ),
    "handed through": (
        Y + "export g(a: class[2], b: class[3], age: []) -> (class[3], []) { return (b, f(a, b, age)[0]) }",
        {"a": "sex", "b": "port", "g_0": "port"},
    ),
    "a setting": (
        Y + "export g(b: class[3], age: [], a: class[2] = 1) -> [2] { return f(a, b, age) }", {"a": "sex", "b": "port"},
    ),
    "a reverse table": (
        "net f(age: []) -> [3] {\n  param w: [3, 4] = normal(0, 1)\n  return w @ tanh(linear([age], 4))\n}\n"
        + train("minimize cross_entropy(f(age), port)") + "export g(age: []) -> class[3] { return argmax(f(age)) }",
        {"g": "port"},
    ),
    "an accuracy alone": (
        GUESS + train("minimize sum(f(age)^2)", "report where(argmax(f(age)) == port, 1.0, 0.0)")
        + "export g(age: []) -> class[3] { return argmax(f(age)) }", {"g": "port"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_the_field_of_each_port(program: Callable[[str], Program], kind: str) -> None:
    text, expected = CASES[kind]
    checked = program(DATA + text)
    fields_of_labels: dict[str, str] = {}
    for name in checked.exports:
        fields_of_labels |= label_fields(checked, name, NAMES)
    assert fields_of_labels == expected


def test_fields_with_the_same_words_are_one_kind(program: Callable[[str], Program]) -> None:
    text = GUESS + train("minimize cross_entropy(f(age), port) + cross_entropy(f(age), deck)")
    checked = program(DATA + text + "export g(age: []) -> class[3] { return argmax(f(age)) }")
    assert label_fields(checked, "g", NAMES | {"deck": NAMES["port"]}) == {"g": "deck"}
    assert not label_fields(checked, "g", {})


def test_a_file_takes_and_shows_the_words_of_its_own_fields(
    program: Callable[[str], Program], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`y` is 0 or 1, like the two words of `sex`; `rank` has three numbers, like the three words of `port`."""
    net = "net f(a: class[2], b: class[3], c: class[3]) -> [2] { return embed(a, 2) + embed(b, 2) + embed(c, 2) }\n"
    exports = (
        "export best(k: class[2], p: class[3], c: class[3], n: class[2] = 0) -> class[2] {"
        " return argmax(f(k, p, c) + 0 * f(n, p, c)) }"
    )
    loss = train("minimize cross_entropy(f(sex, port, rank), y)")
    checked = program(DATA + net + loss + exports)
    path = export(checked, "best", Trained(load_weights(checked, None)[0], labels=NAMES), tmp_path).path
    model = load(path, providers="cpu")
    ports = {**model.inputs, **model.settings, **model.outputs}
    assert {name: port.field for name, port in ports.items()} == {"k": "sex", "p": "port", "n": "sex"} | dict.fromkeys(
        ("c", "best")
    )
    numbers = model(k=1, p=2, c=0, n=1)
    np.testing.assert_array_equal(model(k="male", p=["S"], c=0, n="male"), numbers)
    with pytest.raises(ModelError, match="`c` takes numbers: this file has no names of its labels"):
        model(k=1, p=2, c="S")
    with pytest.raises(ModelError, match="`p` has no label `female`"):
        model(k=1, p="female", c=0)
    run_file(path, ["k=male", "p=S", "c=0", "n=male"], {"batch": None, "seed": None, "steps": None}, Wanted())
    assert capsys.readouterr().out == f"best: int64 [1]\n  {numbers[0]}\n"


def test_older_files_name_the_labels_of_the_field_of_the_same_name() -> None:
    port = Port(name="y", kind="input", dtype="int64", classes=2)
    described = Manifest(
        name="a", export="g", inputs=[port], settings=[], outputs=[], spec_sha256="", opset=23,
        labels={"y": ["cat", "dog"], "z": ["red", "blue"]},
    )  # fmt: skip
    assert label_names(described, port) == ["cat", "dog"]
    assert not label_names(described, port.model_copy(update={"name": "x"}))
    assert label_names(described, port.model_copy(update={"field": "z"})) == ["red", "blue"]
    probabilities = Port(name="g", kind="output", dtype="float32", shape=[3], field="y")
    assert result_names(described, probabilities) == ["cat", "dog", "2"]
