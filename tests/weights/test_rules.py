"""What a `weights from` may say: patterns, and what checking a file finds in its rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mai.compiler.check import check
from mai.compiler.weights.rules import Marks, Pattern
from mai.spec.diagnostics import Diagnostic
from mai.spec.source import Source, Span

NOWHERE = Span(Source("", ""), 0, 0)
NET = (
    "net f(x: [4]) -> [4] {\n  repeat 2 { x += linear(x, 4) }\n  return x\n}\nexport g(x: [4]) -> [4] { return f(x) }\n"
)


def pattern(text: str) -> Pattern:
    return Pattern(text, NOWHERE)


@pytest.mark.parametrize(
    ("text", "name", "marks"),
    [
        ("f.w", "f.w", Marks({}, ())),
        ("f.w", "fxw", None),
        ("f.{i}.*", "f.12.a.b", Marks({"i": 12}, ("a.b",))),
        ("f.{i}.w", "f.x.w", None),
        ("f.{i}.{i}", "f.3.3", Marks({"i": 3}, ())),
        ("f.{i}.{i}", "f.3.4", None),
        ("*.bias", ".bias", None),
        ("*.{ k }*", "a.1b", Marks({"k": 1}, ("a", "b"))),
        ("f.{}.w", "f.{}.w", Marks({}, ())),
    ],
)
def test_patterns(text: str, name: str, marks: Marks | None) -> None:
    assert pattern(text).match(name) == marks


def test_filling() -> None:
    marks = Marks({"i": 3, "k": 1}, ("weight",))
    assert pattern("layer{i + 1}.{ i-1 }.{k}.*").fill(marks) == "layer4.2.1.weight"
    assert pattern("{2 * i}.{i // 2}.{i%2}.{2*i-1}.{ i // 2 + 5 }.*").fill(marks) == "6.1.1.5.6.weight"


@given(st.integers(0, 10**6), st.text("ab.", min_size=1, max_size=6))
def test_what_is_found_fills_the_same_name(number: int, text: str) -> None:
    name = f"f.{number}.{text}"
    marks = pattern("f.{i}.*").match(name)
    assert marks is not None
    assert pattern("f.{i}.*").fill(marks) == name


def said(tmp_path: Path, rules: str, path: str = "m.safetensors") -> list[Diagnostic]:
    (tmp_path / "a.mai").write_text(f'const n = 2\n{NET}weights from "{path}" {{\n{rules}\n}}\n')
    return check(tmp_path / "a.mai").diagnostics


GOOD = '"f.repeat_1.{i}.linear_1.*" = "h.{i}.*"'


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("", "to `f.repeat_1.{i}.linear_1.weight` [4, 4] (2 of them), `f.repeat_1.{i}.linear_1.bias` [4] (2 of them)"),
        (GOOD.replace("*", "bias"), "no rule gives a value to `f.repeat_1.{i}.linear_1.weight` [4, 4]"),
        (GOOD.replace("{i}", "0"), "no rule gives a value to `f.repeat_1.1.linear_1.weight` [4, 4], `f.repeat_1.1"),
        (GOOD.replace("repeat_1.{i}", "repeat_1.{2 * i}"), "a number is found as it stands on the left"),
        (GOOD.replace("h.{i}", "h.{i // 0}"), "a number is not divided by 0"),
        (GOOD + '\n"f.x" = "y"', "no parameter has a name like `f.x`"),
        (GOOD.replace("h.{i}", "h.{j}"), "`{j}` is no number of the name on the left"),
        (GOOD.replace("h.{i}.*", "h.{i}"), "both names have the same `*`: 1 on the left, 0 here"),
        (GOOD.replace("repeat_1.{i}", "repeat_1.{i + 1}"), "a number is found as it stands on the left"),
        (GOOD + '\n"*" = ""', "a name is missing between the quotes"),
        (GOOD + '\n"*" = "*" + 1', "a weight comes from a tensor's name in quotes"),
        (GOOD + '\n"*" = linear("*", 2)', "a weight comes from a tensor's name in quotes"),
        (GOOD + '\n"*" = "*"[::2]', "a tensor of the file is cut by numbers and by `a:b`"),
        (GOOD + '\n"*" = "*"[None]', "a tensor of the file is cut by numbers and by `a:b`"),
        (GOOD + '\n"*" = "*"[n / 3]', "a whole number is needed here"),
        (GOOD + '\n("*", "*") = "*"', "2 parameters share a `split`"),
        (GOOD + '\n("*", "*") = split("*", 3)', "3 parts for 2 parameters"),
        (GOOD + '\n"*" = split("*", 3)', "a weight comes from a tensor's name in quotes"),
        (GOOD + '\n"*" = split("*", 3)[3]', "a `split` into 3 has no part 3"),
        (GOOD + '\n"*" = split("*", 0)[0]', "a tensor is split into 1 to 1024 parts"),
        (GOOD + '\n"*" = split("*")[0]', "`split` takes a tensor and the number of its parts"),
        (GOOD + '\n"*" = split("*", 3, axes = 0)[0]', "no argument is called `axes` here"),
        (GOOD + '\n"*" = concat()', "`concat` needs at least one tensor"),
        (GOOD + '\n"****" = "****"', "a name has at most 3 `*`"),
        (GOOD.replace('"h.{i}.*"', '"h.*"["{j}"]'), "`{j}` is no number of the name on the left"),
        (GOOD.replace('"h.{i}.*"', '"h.*"["x{i}"]'), "a place by a number of the name is that alone"),
        (GOOD + '\nignore "x"["{i}"]', "what is left out has no name on the left to take a number of"),
        (GOOD + '\n"*" = family("lama")', "no family is called `lama`"),
        (GOOD + '\n"*" = family()', "a family is written"),
        (GOOD + '\n"*" = family("llama", part = "x")', "a family is written"),
        (GOOD + '\n"g.*" = family("llama")', "no parameter has a name like `g.*`"),
        (GOOD + "\nignore 3", "a weight comes from a tensor's name in quotes"),
    ],
)
def test_rules_that_say_nothing(tmp_path: Path, rules: str, message: str) -> None:
    messages = said(tmp_path, rules)
    assert [d.slug for d in messages] == ["weights-rule"], [d.message for d in messages]
    assert message in messages[0].message
    assert messages[0].span is not None


def test_rules_may_use_consts(tmp_path: Path) -> None:
    assert said(tmp_path, GOOD + '\nignore "x"[n:2 * n]\nignore split("x", n)[n - 1]') == []
    assert [d.slug for d in said(tmp_path, GOOD + '\nignore "x"[m]')] == ["unknown-name"]


@pytest.mark.parametrize(
    "path", ["../m.safetensors", "/tmp/m.safetensors", "a/../../m", "C:\\\\m.safetensors", "\\\\\\\\host\\\\m"]
)
def test_paths_that_leave_the_folder(tmp_path: Path, path: str) -> None:
    assert [d.slug for d in said(tmp_path, GOOD, path)] == ["path-outside"]


def test_one_file_has_one_of_them(tmp_path: Path) -> None:
    messages = said(tmp_path, GOOD + '\n}\nweights from "m.safetensors" {')
    assert [d.slug for d in messages] == ["duplicate-name"]


def test_a_spec_with_rules_is_checked_without_its_file(tmp_path: Path) -> None:
    assert said(tmp_path, GOOD) == []
