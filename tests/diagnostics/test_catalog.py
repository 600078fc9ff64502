"""Every diagnostic that a file can earn is earned by its example, and looks as its golden says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.compiler.fixing import fix
from mai.spec.diagnostics import Diagnostic, Label
from mai.spec.diagnostics.catalog import CATALOG, GROUPS
from mai.spec.diagnostics.entries.warnings import WARNINGS
from mai.spec.diagnostics.explain import explanation, index, page
from mai.spec.diagnostics.render import render, to_json
from mai.spec.source import Source, Span

HERE = Path(__file__).parent
PAGE = Path(__file__).parents[2] / "spec" / "errors.md"
EARNED = [slug for slug, entry in CATALOG.items() if entry.example and slug not in WARNINGS]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_there_are_many_and_none_twice() -> None:
    assert len(EARNED) >= 80
    assert len(CATALOG) == sum(map(len, GROUPS.values()))


@pytest.mark.parametrize("slug", EARNED)
def test_the_example_earns_its_slug(slug: str, golden: Callable[[Path, str], None]) -> None:
    path = Path(f"{slug}.mai")
    path.write_text(CATALOG[slug].example, encoding="utf-8")
    checked = check(path)
    assert [d.slug for d in checked.diagnostics] == [slug]
    assert checked.program is None
    golden(HERE / "goldens" / f"{slug}.txt", render(checked.diagnostics) + "\n")


@pytest.mark.parametrize("slug", [slug for slug, entry in CATALOG.items() if entry.right])
def test_what_is_called_right_is_sound(slug: str) -> None:
    path = Path(f"{slug}.mai")
    path.write_text(CATALOG[slug].right, encoding="utf-8")
    assert check(path).diagnostics == []


def test_every_slug_is_used_and_every_used_slug_is_known() -> None:
    root = Path(__file__).parents[2]
    files = [p for room in ("spec", "compiler", "runtime") for p in (root / room).rglob("*.py")]
    texts = [p.read_text(encoding="utf-8") for p in files if p.parent.name != "entries"]
    quoted = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', "\n".join(texts)))
    assert set(CATALOG) <= quoted, "nothing reports these"
    reported = set(
        re.findall(
            r'(?:error|fail|warning|Diagnostic|ModelError|ShapeError|StaticError)\(\s*"([a-z-]+)",', "\n".join(texts)
        )
    )
    assert reported <= set(CATALOG), "these have no `Entry` in spec/diagnostics/entries"


def test_a_bug_of_mai_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("mai.compiler.check.elaborate", broken)
    (diagnostic,) = check(Path("a.mai")).diagnostics
    assert diagnostic.slug == "internal"
    assert "ZeroDivisionError at test_catalog.py:" in diagnostic.message


def test_independent_errors_are_told_at_once(golden: Callable[[Path, str], None]) -> None:
    text = (
        "const width = 64\n"
        "net f(x: [8]) -> [3] {\n"
        "  h = rleu(linear(x, widht))\n"
        "  g = silu(h) + unknown_thing\n"
        "  return linear(x, 4)\n"
        "}\n"
        "train(steps = 10, optimizer = adamm()) { minimize f(x) }\n"
        "data x: [8] from moon()\n"
        "export out(x: [9]) -> [3] { return f(x) }\n"
    )
    path = Path("many.mai")
    path.write_text(text)
    diagnostics = check(path).diagnostics
    names = {"unknown-function", "unknown-name", "unknown-optimizer", "unknown-source"}
    assert {d.slug for d in diagnostics} == names | {"return-shape", "shape-mismatch"}
    golden(HERE / "goldens" / "many.txt", render(diagnostics) + "\n")


def test_imports_in_a_circle() -> None:
    Path("a.mai").write_text('import "b.mai"\n')
    Path("b.mai").write_text('import "a.mai"\n')
    Path("c.mai").write_text('import "a.mai"\n')
    all_diagnostics = [check(Path(name)).diagnostics for name in ("a.mai", "b.mai", "c.mai")]
    assert [[d.slug for d in each] for each in all_diagnostics] == [["import-cycle"]] * 3
    assert {d.message for (d,) in all_diagnostics} == {"files import each other in a circle: a.mai -> b.mai -> a.mai"}
    assert {Path(d.span.source.path).name for (d,) in all_diagnostics if d.span} == {"b.mai"}


def test_what_is_true_or_false_is_returned_as_numbers() -> None:
    Path("signs.mai").write_text("export signs(x: [2]) -> [2] { return x > 0 }\n")
    (wrong,) = check(Path("signs.mai")).diagnostics
    assert wrong.message == "`signs` promises [2], this returns bool[2]"
    fixed = fix(Path("signs.mai"))
    assert "return where(x > 0, 1, 0)" in "".join(source.text for source in fixed.texts.values())
    assert fixed.checked.program is not None


def test_imported_layers_are_used() -> None:
    Path("layers.mai").write_text("layer twice(x: [d]) -> [d] { return linear(linear(x, d), d) }\n")
    Path("a.mai").write_text('import "layers.mai"\nexport f(x: [3]) -> [3] { return twice(x) }\n')
    program = check(Path("a.mai")).program
    assert program is not None
    assert "f.twice_1.linear_2.weight" in program.weights


def test_set_overrides_a_const() -> None:
    Path("a.mai").write_text("const n = 4\nexport f(x: [3]) -> [n] { return linear(x, n) }\n")
    program = check(Path("a.mai"), {"n": "7"}).program
    assert program is not None
    assert program.weights["f.linear_1.weight"].shape == (7, 3)
    assert [d.slug for d in check(Path("a.mai"), {"m": "7"}).diagnostics] == ["unknown-name"]
    assert [d.slug for d in check(Path("a.mai"), {"n": "x +"}).diagnostics] == ["static-needed"]


def test_set_reaches_the_consts_of_imported_files() -> None:
    Path("deep.mai").write_text("const n = 2\nlayer deep(x: [d]) -> [n] { return linear(x, n) }\n")
    Path("layers.mai").write_text(
        'import "deep.mai"\nconst n = 4\nlayer wide(x: [d]) -> [n] { return linear(deep(x), n) }\n'
    )
    Path("a.mai").write_text(
        'import "layers.mai"\nimport "deep.mai"\nconst n = 8\nexport f(x: [3]) -> [n] { return linear(wide(x), n) }\n'
    )

    def shapes(**sets: str) -> list[tuple[int, ...]]:
        program = check(Path("a.mai"), {name.replace("_", "."): value for name, value in sets.items()}).program
        assert program is not None
        return sorted(w.shape for name, w in program.weights.items() if name.endswith("weight"))

    assert shapes() == [(2, 3), (4, 2), (8, 4)]
    assert shapes(n="9", layers_n="5") == [(2, 3), (5, 2), (9, 5)]
    assert shapes(deep_n="7") == [(4, 7), (7, 3), (8, 4)]
    for name, message, help in (
        ("layers.m", "no imported `layers.mai` has a `const m`", None),
        ("layer.n", "no imported `layer.mai` has a `const n`", "did you mean `layers.n`?"),
        ("a.n", "no imported `a.mai` has a `const n`", None),
    ):
        (diagnostic,) = check(Path("a.mai"), {name: "7"}).diagnostics
        assert diagnostic.slug == "unknown-name" and message in diagnostic.message
        assert help is None or (diagnostic.help or "").startswith(help)
    Path("b.mai").write_text('import "deep.mai"\nexport f(x: [3]) -> [2] { return deep(x) }\n')
    (diagnostic,) = check(Path("b.mai"), {"n": "7"}).diagnostics
    assert diagnostic.help == "did you mean `deep.n`?"


def test_columns_are_right_with_tabs_and_greek_and_wide_characters() -> None:
    source = Source("t.mai", "\tσ = 面 + x\n")
    span = Span(source, 9, 10)
    text = render([Diagnostic("unknown-name", span, "m", "here", (Label(Span(source, 5, 6), "wide"),))])
    line, wide, caret = [row.split("|", 1)[1] for row in text.split("\n") if " | " in row]
    assert line == "     σ = 面 + x"
    assert wide.index("--") == line.index("面")
    assert caret.rstrip().endswith("^ here")
    assert caret.index("^") == line.index("x") + 1


def test_json_has_places() -> None:
    Path("a.mai").write_text("const d = 2\nconst d = 3\n")
    (diagnostic,) = json.loads(to_json(check(Path("a.mai")).diagnostics))
    assert diagnostic["slug"] == "duplicate-name"
    assert diagnostic["start"] == {"line": 2, "column": 7, "offset": 18}
    assert diagnostic["where"][0]["start"]["line"] == 1


def test_explanations() -> None:
    assert "did you mean `shape-mismatch`?" in explanation("shape-mismach")
    assert all(slug in index() for slug in CATALOG)
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
