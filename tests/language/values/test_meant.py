"""Numbers that a distribution cannot have, and derivatives that are zero for every input, are refused; their likes are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.ir.evaluate import evaluate


def slugs(tmp_path: Path, text: str) -> list[tuple[str, str, str | None]]:
    path = tmp_path / "spec.mai"
    path.write_text(text, encoding="utf-8")
    return [(d.slug, d.message, d.help) for d in check(path).diagnostics]


def export(body: str, settings: str = "") -> str:
    return f"export f(x: [2], y: [2]{settings}) -> [] {{\n  {body}\n}}\n"


@pytest.mark.parametrize(
    ("draw", "help"),
    [
        ("bernoulli(90)", "for per cent write 0.9"),
        ("bernoulli(-0.1)", None),
        ("bernoulli([2], p = 1.5)", "for per cent write 0.015"),
        ("normal([2], 0, -1)", None),
        ("normal(std = -0.5)", None),
        ("uniform(1, 0)", "write `uniform(0, 1)`"),
        ("uniform([2], 3, -3)", "write `uniform(-3, 3)`"),
        ("integers(5, 1)", "write `integers(1, 5)`"),
        ("integers(2, 2)", "write `integers(2, 2)`"),
        ("integers(0, 2^31 + 1)", None),
    ],
)
def test_impossible_draws(tmp_path: Path, draw: str, help: str | None) -> None:
    ((slug, message, repair),) = slugs(tmp_path, export(f"k ~ {draw}\n  return sum(x) + sum(y)"))
    assert slug == "impossible-draw" and draw.partition("(")[0] in message
    assert draw == "integers(2, 2)" or repair == help


@pytest.mark.parametrize(
    "draw",
    [
        "bernoulli(0)",
        "bernoulli(1)",
        "normal([2], -3, 0)",
        "uniform(-2, -1)",
        "uniform(1, 1)",
        "integers(-3, 3)",
        "integers(0, 2^31)",
    ],
)
def test_possible_draws(tmp_path: Path, draw: str) -> None:
    assert slugs(tmp_path, export(f"k ~ {draw}\n  return sum(x) + sum(y)")) == []


@pytest.mark.parametrize(
    ("draw", "right"),
    [
        ("uniform(0, 1, [3])", "uniform([3], 0, 1)"),
        ("normal(0, 1, 3)", "normal([3], 0, 1)"),
        ("normal(size = 3, mean = 1)", "normal([3], mean = 1)"),
        ("normal(0, shape = [3], std = 2)", "normal([3], 0, std = 2)"),
    ],
)
def test_the_shape_of_a_draw_comes_first(tmp_path: Path, draw: str, right: str) -> None:
    ((_, _, help),) = slugs(tmp_path, f"export f(x: [3]) -> [3] {{\n  k ~ {draw}\n  return x + k\n}}\n")
    assert help == f"write `{right}`"


def test_a_number_by_name_is_that_number(tmp_path: Path) -> None:
    """The mean is 0 where only the deviation is said."""
    text = "export f(x: [2]) -> [2] {\n  param w: [2] ~ normal(std = 0.25)\n  k ~ normal([2], std = 0)\n  return w * x + k\n}\n"
    program = check(_written(tmp_path, text)).program
    assert program is not None
    assert program.weights["f.w"].init.numbers == (0.0, 0.25)
    assert evaluate(program.exports["f"], {"x": np.zeros((1, 2))}, {}, {"f.w": np.zeros(2)})[0].tolist() == [[0, 0]]
    assert [slug for slug, _, _ in slugs(tmp_path, text.replace("[2], std = 0", "[2], 1, mean = 0"))] == [
        "too-many-arguments"
    ]


def test_a_first_value_has_a_possible_distribution(tmp_path: Path) -> None:
    text = "export f(x: [2]) -> [2] {\n  param w: [2] ~ normal(0, -0.02)\n  return w * x\n}\n"
    assert [slug for slug, _, _ in slugs(tmp_path, text)] == ["impossible-draw"]


def test_a_setting_has_the_range_of_the_number_that_it_is(tmp_path: Path) -> None:
    text = export("k ~ bernoulli(p)\n  return where(k, sum(x), sum(y))", ", p: real = 0.5")
    checked = check(_written(tmp_path, text))
    assert checked.program is not None
    setting = checked.program.exports["f"].settings["p"]
    assert (setting.minimum, setting.maximum) == (0, 1)
    assert slugs(tmp_path, text.replace("= 0.5", "= 50.0")) != []


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spec.mai"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("body", "help"),
    [
        ("v = sin(x)\n  return div(x, v)", "write `div(v, x)`"),
        ("return sum(grad(sum(x^2), y))", "`y` has to be what"),
        ("e = sum(x)\n  z = 2 * x\n  return sum(grad(e, z))", "`z` has to be what"),
        ("a = x[0]\n  e = a * sum(y)\n  return grad(a, e)", "write `grad(e, a)`"),
        ("repeat 2 shared { x = x + grad(sum(y), x) }\n  return sum(x)", "`x` has to be what"),
        ("integrate s in 0..1 using rk4(2) { dx/ds = grad(sum(y^2), x) }\n  return sum(x)", "`x` has to be what"),
    ],
)
def test_derivatives_that_are_always_zero(tmp_path: Path, body: str, help: str) -> None:
    slugs_of_text = slugs(tmp_path, export(body))
    assert {slug for slug, _, _ in slugs_of_text} == {"zero-derivative"}
    assert help in (slugs_of_text[0][2] or "")


@pytest.mark.parametrize(
    "body",
    [
        "return sum(grad(sum(x * y), x))",
        "v = sin(x)\n  return div(v, x)",
        "return sum(grad(sum(grad(sum(x^3), x)), x))",
        "h = x\n  repeat 2 shared { h = sin(h) }\n  return sum(grad(sum(h), x))",
        "integrate s in 0..1 using rk4(2) { dx/ds = y * x }\n  return sum(grad(sum(x), y))",
        "integrate s in 0..1 using rk4(2) { dx/ds = grad(sum(x^2) * s, x) }\n  return sum(x)",
        "return sum(jvp(sin(x), x, y))",
        "return sum(grad(sum(stop_gradient(x)), x))",
    ],
)
def test_derivatives_that_are_meant(tmp_path: Path, body: str) -> None:
    assert slugs(tmp_path, export(body)) == []


@pytest.mark.parametrize(
    ("text", "help"),
    [
        (
            "export f(x: [2]) -> [2] { return sіn(x) }\n",
            "write `sin`: here `і` is the Cyrillic U+0456, there `i` is the Latin U+0069",
        ),
        (
            "export f(X: [2]) -> [2] { return 2 * Χ }\n",
            "write `X`: here `Χ` is the Greek U+03A7, there `X` is the Latin U+0058",
        ),
        (
            "export f(σ: [2]) -> [2] { return 2 * ς }\n",
            "write `σ`: here `ς` is the Greek U+03C2, there `σ` is the Greek U+03C3",
        ),
        (
            "export f(μ: [2]) -> [2] { return 2 * µ }\n",
            "write `μ`: here `µ` is the micro sign U+00B5, there `μ` is the Greek U+03BC",
        ),
        ("export f(x: [2]) -> [2] { return 2 * y }\n", None),
    ],
)
def test_letters_that_look_alike(tmp_path: Path, text: str, help: str | None) -> None:
    ((_, _, repair),) = slugs(tmp_path, text)
    assert repair == help or (help is None and "Latin" not in (repair or ""))


def test_the_batch_is_not_written(tmp_path: Path) -> None:
    net = "net f(x: [8, 4]) -> [8, 2] {{ return linear(x, 2) }}\nexport g(x: [{0}]) -> [{1}] {{ return f(x) }}\n"
    ((slug, _, help),) = slugs(tmp_path, net.format("4", "2"))
    assert (
        slug == "rank-mismatch" and help == "a spec speaks of one example, and mai adds the batch axis: write `x: [4]`"
    )


def test_over_a_layer(tmp_path: Path) -> None:
    text = (
        "data x: [2] from moons()\nlayer scale(x: [2]) -> [2] { return linear(x, 2) }\nnet f(x: [2]) -> [2] { return scale(x) }\n"
        "train(steps = 5) { minimize sum((f(x) - x)^2) over scale }\n"
    )
    ((slug, message, help),) = slugs(tmp_path, text)
    assert slug == "not-a-net" and "`scale` is a layer" in message and help is not None and "net" in help


@pytest.mark.parametrize(("count", "slug"), [(60, None), (600, "import-too-deep")])
def test_long_chains_of_imports(tmp_path: Path, count: int, slug: str | None) -> None:
    for i in range(count):
        (tmp_path / f"c{i}.mai").write_text(f'import "c{i + 1}.mai"\nlayer l{i}(x: [2]) -> [2] {{ return x }}\n')
    (tmp_path / f"c{count}.mai").write_text("layer last(x: [2]) -> [2] { return x }\n")
    diagnostics = check(tmp_path / "c0.mai").diagnostics
    assert [d.slug for d in diagnostics] == ([] if slug is None else [slug])
