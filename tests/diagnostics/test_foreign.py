"""Names of other libraries: what the message proposes is sound here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.compiler.elaborate.functions.registered import BUILTINS, FUNCTIONS
from mai.spec import prelude_parts
from mai.spec.diagnostics.foreign import FOREIGN, TABLES, VALUES

DATA = (
    "data x: [4, 6], y: [4, 6], s: [], t: [5], q: [4, 6], k: [4, 6], v: [4, 6], M: [4, 4], a: [3], b: [3], z: [5], p: [5], A: [3, 3], R: [3, 3], "
    'image: [3, 8, 8], label: class[5] from npz("data.npz")\n'
)
ALL = {**BUILTINS, **prelude_parts()}
ANSWERED = {f"write `{f.example}`": f.elsewhere for f in FUNCTIONS.values() if f.elsewhere}
TOLD = [sentence for table in (*TABLES, ANSWERED) for sentence in table]
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


def told_of(line: str, path: Path) -> list[str]:
    path.write_text(f"{DATA}train(steps = 1) {{\n  made = {line}\n  minimize sum(linear(a, 1)^2)\n}}\n")
    return [d.help or "" for d in check(path).diagnostics]


@pytest.mark.parametrize("snippet", [s for s in SNIPPETS if s not in TYPES])
def test_what_is_told_is_sound(snippet: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(program(snippet))
    assert [d.message for d in check(path).diagnostics] == []


def test_each_has_something_to_write() -> None:
    assert all("`" in sentence for sentence in TOLD)
    assert len(FOREIGN) == sum(len(names.split()) for table in (*TABLES, ANSWERED) for names in table.values()), (
        "a name twice"
    )


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_name_is_told(name: str, tmp_path: Path) -> None:
    assert name not in ALL
    path = tmp_path / "spec.mai"
    assert name == "t" or told_of(f"{name}(x)", path) == [FOREIGN[name]], "`t` is one of the data here"
    assert told_of(f"torch.{name}(x)", path) == [FOREIGN[name]]


@pytest.mark.parametrize("name", VALUES)
def test_a_foreign_value_is_told(name: str, tmp_path: Path) -> None:
    assert told_of(f"x + {name}", tmp_path / "spec.mai") == [VALUES[name]]


@pytest.mark.parametrize(
    ("line", "help"),
    [
        ("Linear(a, 2)", "did you mean `linear`?"),
        ("LayerNorm(a)", "did you mean `layer_norm`?"),
        ("RMSNorm(a)", "did you mean `rms_norm`?"),
        ("Conv2d(image, 8, 3)", "did you mean `conv`?"),
        ("Embedding(label, 8)", "did you mean `embed`?"),
        ("ReLU(x)", "did you mean `relu`?"),
        ("GELU(x)", "did you mean `gelu`?"),
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
    assert told_of(line, tmp_path / "spec.mai") == [help]


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
