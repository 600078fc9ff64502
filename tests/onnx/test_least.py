"""Empty axes: a file takes the smallest inputs of which it computes what numpy computes, and refuses smaller ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.program import Program
from mai.runtime import Model, ModelError, load
from mai.runtime.arrays import Array
from mai.runtime.model.manifest import MANIFEST_KEY, Manifest
from mai.spec.diagnostics import MaiError
from tests.support.cases.growing_texts import NOTHING, spec, weights

Maker = Callable[[str], Program]


def opened(program: Maker, signature: str, body: str, folder: Path) -> Model:
    spec = program(f"export g(x: {signature} {{ return {body} }}\n")
    return load(export(spec, "g", Trained({}), folder).path, providers="cpu")


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize(
    ("signature", "body", "expected"),
    [
        ("[T]) -> [T]", "concat(x[1:], zeros([1]), axis = 0)", lambda x: np.append(x[:, 1:], 0 * x[:, :1], 1)),
        ("[T]) -> [T - 1]", "2 * x[1:]", lambda x: 2 * x[:, 1:]),
        ("[T]) -> []", "sum(abs(x[1:] - x[:-1]))", lambda x: np.abs(np.diff(x)).sum(1)),
        ("[T]) -> [1]", "sum(x[1:], keep = true)", lambda x: x[:, 1:].sum(1, keepdims=True)),
    ],
)
def test_an_empty_slice_is_as_numpy_has_it(
    signature: str, body: str, expected: Callable[[Array], Array], rows: int, program: Maker, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).standard_normal((2, rows)).astype(np.float32)
    result = np.asarray(opened(program, signature, body, tmp_path)(x=x))
    assert result.shape == expected(x).shape
    np.testing.assert_allclose(result, expected(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("rows", "cut"), [("x[k:]", lambda x, k: x[:, k:]), ("x[: n - k]", lambda x, k: x[:, : 4 - k])]
)
def test_an_axis_that_two_numbers_leave_empty_is_as_numpy_has_it(
    rows: str, cut: Callable[[Array, int], Array], program: Maker, tmp_path: Path
) -> None:
    """Of `n - k` neither has a least number of its own: the file computes of no rows what numpy does, and takes no more away."""
    functions = {"norm": np.linalg.norm, "prod": np.prod, "sum": np.sum}
    lines = "".join(f"  of_{name} = {name}({rows}, axis = 0)\n" for name in functions)
    results = f"({', '.join(f'of_{name}' for name in functions)}, any({rows} > 0, axis = 0), all({rows} > 0, axis = 0))"
    types = ", ".join(["[3]"] * 3 + ["bool[3]"] * 2)
    text = f"export g(x: [n, 3], k: int = 1) -> ({types}) {{\n{lines}  return {results}\n}}\n"
    model = load(export(program(text), "g", Trained({}), tmp_path).path, providers="cpu")
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype(np.float32)
    for k in (3, 4):
        expected = [f(cut(x, k), axis=1) for f in functions.values()]
        expected += [f(cut(x, k) > 0, axis=1) for f in (np.any, np.all)]
        for result, of_numpy in zip(model(x=x, k=k).values(), expected, strict=True):
            np.testing.assert_allclose(result, of_numpy, rtol=1e-5)
    with pytest.raises(ModelError, match="`n - k` is at least 0, here it is -1"):
        model(x=x, k=5)


@pytest.mark.parametrize(
    ("inputs", "result", "least"),
    [
        # Of a negative place numpy's slice counts from the end.
        ("y: [m]", "[]) -> sum(x[: n - m]) + sum(y)", {"n - m": 0}),
        ("y: [m]", "[]) -> max(x[: n - m]) + sum(y)", {"n - m": 1}),
        ("y: [m]", "[]) -> mean(x[m:]) + sum(y)", {"n - m": 1}),
        ("y: [m]", "[n]) -> x + y[:n]", {"m - n": 0}),  # Of fewer rows numpy's slice has fewer than the type says.
        ("k: int = 2", "[k]) -> x[:k]", {"n - k": 0}),
        ("w: [4], k: int = 2", "[k]) -> w[:k] + sum(x)", {"4 - k": 0}),
        ("y: [m]", "[n + m]) -> concat(x, y)", {}),
    ],
)
def test_what_is_made_of_several_numbers_has_a_least(
    inputs: str, result: str, least: dict[str, int], program: Maker, tmp_path: Path
) -> None:
    shape, body = result.split(") -> ")
    spec = program(f"export g(x: [n], {inputs}) -> {shape} {{ return {body} }}\n")
    model = load(export(spec, "g", Trained({}), tmp_path).path, providers="cpu")
    assert model.manifest.least == least
    sizes = {"x": 3, "y": 3, "w": 4}
    values = {name: np.ones((2, sizes[name]), np.float32) for name in model.inputs}
    counts = dict.fromkeys({"k"} & {*model.settings}, 3)
    if 1 in least.values():
        with pytest.raises(ModelError, match="is at least 1, here it is 0"):
            model(**values, **counts)
    else:
        assert np.isfinite(model(**values, **counts)).all()


def test_a_size_that_is_never_nothing_is_found_in_few_moves(program: Maker, tmp_path: Path) -> None:
    """Of `3 * n * m - n - m` smaller numbers make less and larger ones more: looking for one that is 0 comes to an end."""
    spec = program("export g(x: [n], y: [m]) -> [] { return sum(ones([3 * n * m - n - m])) + sum(x) + sum(y) }\n")
    model = load(export(spec, "g", Trained({}), tmp_path).path, providers="cpu")
    one = np.ones((1, 1), np.float32)
    assert model(x=one, y=one) == [3]


BEYOND = {
    "  return y[range(n)] + x": "it reads place 2 of an axis of 2 (in this call `n` is 3, `m` is 2, `j` is from 0 to 7)",
    "  repeat k as i { x += y[i] }\n  return x": "it reads place 2 of an axis of 2 (in this call",
    "  return x + y[j]": "an index is beyond its axis (in this call",
}


@pytest.mark.parametrize("body", BEYOND)
def test_a_place_beyond_its_axis_is_refused_in_words(body: str, program: Maker, tmp_path: Path) -> None:
    """ONNX Runtime reads rows at a range as a slice, which has fewer rows in silence."""
    text = f"export g(x: [n, 3], y: [m, 3], j: int, k: int = 3) -> [n, 3] {{\n{body}\n}}\n"
    model = load(export(program(text), "g", Trained({}), tmp_path).path, providers="cpu")
    x = np.ones((2, 3, 3), np.float32)
    assert np.shape(model(x=x, y=x, j=np.array([0, 2]))) == (2, 3, 3)
    with pytest.raises(ModelError) as refused:
        model(x=x, y=x[:, :2], j=np.array([0, 7]))
    assert refused.value.slug == "index-out-of-range" and BEYOND[body] in str(refused.value)


@pytest.mark.parametrize(
    ("signature", "body", "least"),
    [
        ("[T]) -> []", "max(x[1:])", 2),  # Of no numbers none is the largest,
        ("[T]) -> []", "mean(x[1:])", 2),  # and none their mean.
        ("[T]) -> [T - 2]", "x[2:]", 2),  # Of one row, numpy's slice has 0 rows, and T - 2 is negative.
        ("[T, 2]) -> [T - 1, 2]", "x[1:]", 1),
        ("[T, 2]) -> [3, 2]", "x[1:4]", 4),  # Of fewer rows numpy's slice has fewer than the type says.
        ("[T, 2]) -> [2, 2]", "x[-2:]", 2),
        ("[T, 2]) -> [2]", "x[6]", 7),
        ("[T, 2]) -> [2]", "x[-3]", 3),
        ("[T]) -> []", "sum(sort(x)[:2])", 2),
    ],
)
def test_the_least_size_is_the_least_that_is_computed(
    signature: str, body: str, least: int, program: Maker, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert opened(program, signature, body, tmp_path).manifest.least.get("T", 1) == least
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("result", "least"),
    [
        ("[]) -> sum(x[:k])", 0),
        ("[4]) -> prod(x[:k], axis = 0)", 1),  # ONNX Runtime multiplies no rows to none.
        ("[k]) -> max(x[:k], axis = 1)", 1),  # It leaves the other axis where one is empty.
        ("[]) -> det(x[:k, :k])", 1),
        ("[4, 4]) -> attention(x, 2, memory = x[:k])", 1),
        ("[k + 1, 4]) -> concat(x[:k], x[:1], axis = 0)", 0),
    ],
)
def test_a_setting_is_no_less_than_is_computed(result: str, least: int, program: Maker, tmp_path: Path) -> None:
    shape, body = result.split(") -> ")
    spec = program(f"export g(x: [4, 4], k: int = 2) -> {shape} {{ return {body} }}\n")
    model = load(export(spec, "g", Trained(weights(spec)), tmp_path).path, providers="cpu")
    assert [port.minimum for port in model.manifest.settings] == [least]


def test_a_default_that_no_file_computes_is_refused(program: Maker, tmp_path: Path) -> None:
    spec = program("export g(x: [4, 4], k: int = 0) -> [] { return det(x[:k, :k]) }\n")
    with pytest.raises(MaiError, match="`k` is at least 1, its default is 0"):
        export(spec, "g", Trained({}), tmp_path)


def test_two_free_sizes_are_least_together(program: Maker, tmp_path: Path) -> None:
    model = opened(program, "[T], y: [S]) -> [T + S - 2]", "concat(x[1:], y[1:], axis = 0)", tmp_path)
    one = np.ones((2, 1), np.float32)
    assert np.asarray(model(x=one, y=one)).shape == (2, 0)


@pytest.mark.parametrize(
    "options",
    [
        CompileOptions(precision="fp16"),
        CompileOptions(precision="bf16"),
        CompileOptions(quantize="int8"),
        CompileOptions(quantize="int4"),
    ],
    ids=["fp16", "bf16", "int8", "int4"],
)
@pytest.mark.parametrize(
    ("body", "least"), [("linear(sum(x[1:], axis = 0), 64)", 1), ("linear(max(x[1:], axis = 0), 64)", 2)]
)
def test_few_bits_are_proved_too(
    program: Maker, tmp_path: Path, options: CompileOptions, body: str, least: int
) -> None:
    spec = program(f"export g(x: [T, 64]) -> [64] {{ return {body} }}\n")
    file = onnx.load(export(spec, "g", Trained(weights(spec)), tmp_path, options).path)  # No CPU runs one in bf16.
    (text,) = [entry.value for entry in file.metadata_props if entry.key == MANIFEST_KEY]
    assert Manifest.model_validate_json(text).least.get("T", 1) == least


@pytest.mark.parametrize(("pooled", "least"), [("sum", 1), ("max", 2)])
def test_what_stays_beside_a_growing_text(program: Maker, tmp_path: Path, pooled: str, least: int) -> None:
    """In the file of the whole text and in that of a turn."""
    text = spec(f"h += linear({pooled}(m[1:], axis = 0), d)").replace("(x: tokens[P])", "(x: tokens[P], m: [M, 4])")
    checked = program(
        text.replace("logits(x)", "logits(x, m)").replace("prompt: tokens[P],", "prompt: tokens[P], m: [M, 4],")
    )
    model = load(export(checked, "generate", Trained(weights(checked)), tmp_path).path, providers="cpu")
    step = export_step(checked, "generate", Trained(weights(checked)), tmp_path)
    assert step is not None
    for file in (model, load(step.path, providers="cpu")):
        assert file.manifest.least.get("M", 1) == least


@pytest.mark.parametrize(("pooled", "least"), [("sum", 1), ("max", 2)])
def test_the_shortest_prompt(program: Maker, tmp_path: Path, pooled: str, least: int) -> None:
    """Of a text that is computed whole each turn: a place without a token does not count."""
    checked = program(spec(f"h += {pooled}(h[1:], axis = 0)"))
    path = export(checked, "generate", Trained(weights(checked)), tmp_path, CompileOptions(cache="none")).path
    model = load(path, providers="cpu")
    assert model.manifest.least.get("P", 1) == least
    prompt = [[3, 1, 2], [NOTHING, NOTHING, 4]]
    if least == 1:
        together, alone = (model(prompt=rows, temperature=0.0) for rows in (prompt, [[4]]))
        np.testing.assert_array_equal(together[1, 2:], alone[0])
    else:
        with pytest.raises(ModelError, match="`P` is at least 2, a row of `prompt` has 1 token"):
            model(prompt=prompt)


def test_prompts_that_need_many_tokens(program: Maker, tmp_path: Path) -> None:
    """More than a trial has of itself, in prompts of different lengths, too."""
    checked = program(spec("h += max(h[6:], axis = 0)"))
    path = export(checked, "generate", Trained(weights(checked)), tmp_path, CompileOptions(cache="none")).path
    assert load(path, providers="cpu").manifest.least == {"P": 7}


@pytest.mark.parametrize(
    ("body", "most"),
    [
        ("concat(x, zeros([3 - T]), axis = 0)", 3),  # What is filled up ends where it is full,
        ("concat(x, ones([7 - 2 * T]), axis = 0)[:3] + 0", 3),
        ("concat(x + iota[:T], zeros([3 - T]), axis = 0)", 3),  # and a table where its rows do.
    ],
)
def test_an_input_ends_where_an_axis_would_have_less_than_no_rows(
    body: str, most: int, program: Maker, tmp_path: Path
) -> None:
    """Sizes that are tried lie below that, and larger ones are refused in words."""
    spec = program(f"let iota = [0, 1, 2]\nexport g(x: [T]) -> [3] {{ return {body} }}\n")
    model = load(export(spec, "g", Trained({}), tmp_path).path, providers="cpu")
    assert model.manifest.most == {"T": most}
    assert np.asarray(model(x=np.ones((1, most), np.float32))).shape == (1, 3)
    with pytest.raises(ModelError, match=f"`T` is at most {most}, `x` has {most + 1}"):
        model(x=np.ones((1, most + 1), np.float32))
