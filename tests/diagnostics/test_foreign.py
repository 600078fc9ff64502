"""Names of other libraries: what the message proposes is sound here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.compiler.elaborate.functions.registered import BUILTINS, FUNCTIONS
from mai.spec import prelude_parts
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.foreign import FOREIGN, NO_LIKE, OF_VECTORS, RENAMED, SAME, TABLES, UNLIKE, VALUES

DATA = (
    "data x: [4, 6], y: [4, 6], s: [], t: [5], q: [4, 6], k: [4, 6], v: [4, 6], M: [4, 4], a: [3], b: [3], z: [5], p: [5], A: [3, 3], R: [3, 3], "
    'image: [3, 8, 8], label: class[5] from npz("data.npz")\n'
)
ALL = {**BUILTINS, **prelude_parts()}
ANSWERED = {f"write `{f.example}`": f.elsewhere for f in FUNCTIONS.values() if f.elsewhere}
TOLD = [sentence for table in (*TABLES, ANSWERED) for sentence in table] + [*UNLIKE.values(), *OF_VECTORS.values()]
SNIPPETS = sorted({snippet for sentence in TOLD for snippet in re.findall("`([^`]+)`", sentence)})
TYPES = {"x: [P, d]", "[d]", "[P, d]", "P", "y: class[11]"}
STATEMENT = re.compile(r"\(|(report|minimize|repeat|integrate|state) |\w+ ~")


def program(snippet: str) -> str:
    """A file in which the snippet stands where it belongs."""
    if snippet.startswith("param"):
        return (
            f"net f(x: [2]) -> [3, 2] {{\n  {snippet}\n  return W\n}}\nexport g(x: [2]) -> [3, 2] {{ return f(x) }}\n"
        )
    if snippet.startswith("const"):
        return (
            f"{snippet}\nnet f(y: class[11]) -> [2] {{ return embed(y, 2) }}\nexport g() -> [2] {{ return f(none) }}\n"
        )
    line = snippet.replace("jvp(y, x, t)", "jvp(x^2, x, y)")
    line = line if STATEMENT.match(line) else f"made = {line}"
    return f"{DATA}train(steps = 1) {{\n  {line}\n  minimize sum(linear(a, 1)^2)\n}}\n"


def diagnostics_of(lines: Sequence[str], path: Path) -> list[Diagnostic]:
    """What is said of statements of one train block, of which the first is the file's third line."""
    body = "".join(f"  {line}\n" for line in lines)
    path.write_text(f"{DATA}train(steps = 1) {{\n{body}  minimize sum(linear(a, 1)^2)\n}}\n")
    return check(path).diagnostics


def help_for(line: str, path: Path) -> list[str]:
    return [d.help or "" for d in diagnostics_of([f"y1 = {line}"], path)]


PLAIN = [
    s for s in SNIPPETS if s not in TYPES and not STATEMENT.match(s) and not s.startswith(("param", "const", "jvp"))
]


def test_expressions_that_are_told_are_sound(tmp_path: Path) -> None:
    diagnostics = diagnostics_of([f"y{i} = {snippet}" for i, snippet in enumerate(PLAIN)], tmp_path / "spec.mai")
    assert [(d.message, d.span and d.span.text) for d in diagnostics] == []


@pytest.mark.parametrize("snippet", [s for s in SNIPPETS if s not in TYPES and s not in PLAIN])
def test_what_is_told_is_sound(snippet: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(program(snippet))
    assert [d.message for d in check(path).diagnostics] == []


def test_each_has_something_to_write() -> None:
    assert all("`" in sentence for sentence in TOLD)
    assert len(FOREIGN) == sum(len(names.split()) for table in (*TABLES, ANSWERED, SAME) for names in table.values()), (
        "a name twice"
    )


@pytest.mark.parametrize("names", [sorted(FOREIGN)[i : i + 90] for i in range(0, len(FOREIGN), 90)])
def test_foreign_names_are_told(names: list[str], tmp_path: Path) -> None:
    """Not more names in a file than it has messages; `t` is one of the data here."""
    assert not set(names) & set(ALL)
    names = [name for name in names if name != "t"]
    for prefix in ("", "torch."):
        diagnostics = diagnostics_of(
            [f"y{i} = {prefix}{name}(x)" for i, name in enumerate(names)], tmp_path / "spec.mai"
        )
        assert [d.help for d in diagnostics] == [
            FOREIGN[name]
            if not prefix or name not in RENAMED
            else f"there are no modules and methods: write `{RENAMED[name]}(...)`"
            for name in names
        ]


@pytest.mark.parametrize("name", VALUES)
def test_a_foreign_value_is_told(name: str, tmp_path: Path) -> None:
    assert help_for(f"x + {name}", tmp_path / "spec.mai") == [VALUES[name]]


@pytest.mark.parametrize(
    ("line", "help"),
    [
        ("Linear(a, 2)", "did you mean `linear`?"),
        ("LayerNorm(a)", "did you mean `layer_norm`?"),
        ("RMSNorm(a)", "did you mean `rms_norm`?"),
        ("Conv2d(image, 8, 3)", FOREIGN["conv2d"]),
        ("F.gelu(x)", UNLIKE["gelu"]),
        ("sinhc(x)", "did you mean `sinh`?"),
        ("erfi(x)", NO_LIKE),
        ("batch_norm1d(a)", OF_VECTORS["batch_norm1d"]),
        ("mlp(a, 8, activation = celu)", FOREIGN["celu"]),
        ("ReLU(x)", "did you mean `relu`?"),
        ("GELU(x)", "write `gelu_exact(x)`, which is torch's default; `gelu(x)` is the form with tanh"),
        ("Dropout(x)", "did you mean `dropout`?"),
        ("leakyrelu(x)", "did you mean `leaky_relu`?"),
        ("x.T", FOREIGN["T"]),
        ("math.pi", "write `pi`"),
        ("x.mean()", "there are no modules and methods: write `mean(x)`"),
        ("np.mean(x)", "there are no modules and methods: write `mean(...)`"),
        ("nn.Linear(8)(a)", "a layer is given its tensor and its numbers together: `linear(x, 8)`"),
    ],
)
def test_other_forms(line: str, help: str, tmp_path: Path) -> None:
    assert help_for(line, tmp_path / "spec.mai") == [help]


@pytest.mark.parametrize(("name", "help"), [("randn", "write `x ~ normal([2])`"), ("rand", "write `x ~ uniform([2])`")])
def test_a_foreign_distribution(name: str, help: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"export f() -> [2] {{\n  x ~ {name}([2])\n  return x\n}}\n")
    assert [d.help for d in check(path).diagnostics] == [help]


def test_a_file_alone_is_no_source(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    for file, source in (("a.csv", 'table("a.csv")'), ("a.npz", 'arrays("a.npz")'), ("a.txt", 'text(bytes, "a.txt")')):
        path.write_text(f'const vocab = 256\ndata x: tokens[4] from "{file}"\n')
        assert [d.help for d in check(path).diagnostics] == [f"write `{source}`"]
        path.write_text(f"const vocab = 256\ndata x: tokens[4] from {source}\n")
        assert check(path).diagnostics == []
