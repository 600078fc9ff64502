"""`mai format`: one form, the same tree, all comments, and formatted again it stays as it is."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mai.spec.diagnostics import Reporter
from mai.spec.format import format_file
from mai.spec.formatting import LIMIT, format_text
from mai.spec.formatting.pieces import pieces_of
from mai.spec.formatting.same import check_same
from mai.spec.parsing.parse import parse
from mai.spec.source import Source
from tests.support.command import invoke

ROOT = Path(__file__).parents[2]
SPECS = sorted(path for room in ("examples", "spec", "benchmarks") for path in (ROOT / room).rglob("*.mai"))


def tree_of(text: str) -> str:
    return format_file(parse(Source("t.mai", text), Reporter()))


def scattered(text: str, chance: random.Random) -> str:
    """The same words with other spaces, line ends where a line may go on, and comments at line ends."""
    pieces, scattered, depth = pieces_of(text), "", 0
    for i, piece in enumerate(pieces):
        before = pieces[i - 1].text if i else ""
        end = "\n" * piece.ends if i else ""
        if end and pieces[i - 1].kind != "comment" and chance.random() < 0.2:
            end = f"  # note {i}" + end
        free = depth > 0 and pieces[i - 1].kind != "comment" and chance.random() < 0.1
        joined = piece.kind in ("name", "number") and pieces[i - 1].kind in ("name", "number") if i else False
        space = " " * chance.choice([0, 1, 1, 3]) if not joined else " "
        keeps = piece.text in ("(", "[", "-") or before == "-"  # Where the author's space says something.
        scattered += (end or ("\n" if free else "")) + (" " * piece.gap if keeps else space) + piece.text
        depth += piece.kind == "sign" and (piece.text in "([") - (piece.text in ")]")
    return scattered + "\n"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_own_files_have_the_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_text(text) == text
    long = [line for line in text.splitlines() if len(line.partition("#")[0].rstrip()) > LIMIT]
    assert not long


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_scattered_words_come_together_again(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    loose = scattered(text, random.Random(path.stem))  # Each file in its own way.
    after = format_text(loose)
    assert tree_of(after) == tree_of(text)
    assert format_text(after) == after
    assert [p.text for p in pieces_of(after)] == [p.text for p in pieces_of(loose)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("const  n=3# many\n", "const n = 3  # many\n"),
        ("let a=[1,-2 , 3-1]\n\n\n\nlet b = a [0:2 ]'\n", "let a = [1, -2, 3 - 1]\n\nlet b = a[0:2]'\n"),
        ("net f(x:[2])->[2]{return (-x)^2}\n", "net f(x: [2]) -> [2] { return (-x)^2 }\n"),
        (
            "net f(x: [2]) -> [2] {\n\n      # up\n  y = x +\n  1\n      |> relu\n\n\n  return y   \n\n}\n",
            "net f(x: [2]) -> [2] {\n  # up\n  y = x +\n    1\n    |> relu\n\n  return y\n}\n",
        ),
        (
            "export f(x: [2]) -> [2] {\nintegrate s in 0 .. 1 using rk4(3) {\ndx / ds=x/2\n}\nkeep x as xs\nreturn x\n}\n",
            "export f(x: [2]) -> [2] {\n  integrate s in 0..1 using rk4(3) {\n    dx/ds = x / 2\n  }\n    keep x as xs\n  return x\n}\n",
        ),
        ("let a = f(\n1,\n  2,\n)\n", "let a = f(\n  1,\n  2,\n)\n"),
        ("net f(x: [3]) -> [] { if n == 1 { return x[0] }\nelse { return x[ : , ] } }\n", None),
        ("let a = b[: , :k, None, 2 * d:]\n", "let a = b[:, :k, None, 2 * d:]\n"),
        ('weights from "a" {\n"x"="y" [0]\n}\n', 'weights from "a" {\n  "x" = "y"[0]\n}\n'),
        ("let a = not(b) and (c) or -d\n", "let a = not(b) and (c) or -d\n"),
        ("let a = f(x).w - 2^-1 @ b'\n", "let a = f(x).w - 2^-1 @ b'\n"),
        ("\n\n# first\n\n\n\nconst n = 1", "# first\n\nconst n = 1\n"),
    ],
)
def test_spaces_and_lines(before: str, after: str | None) -> None:
    if after is not None:
        assert format_text(before) == after
    assert format_text(format_text(before)) == format_text(before)


def test_a_long_line_goes_on_where_it_may() -> None:
    names = ", ".join(f"measure_{i}: []" for i in range(12))
    lines = format_text(f'data {names} from table("t.csv")\n').splitlines()
    assert all(len(line) <= LIMIT for line in lines) and len(lines) == 2 and lines[1].startswith("  measure_")
    six = ", ".join(f"measure_{i}: []" for i in range(7))
    assert format_text(f'data {six} from table("t.csv")\n').splitlines()[-1] == '  from table("t.csv")'
    block = format_text("net f(" + names + ") -> [] { return " + " + ".join(f"measure_{i}" for i in range(12)) + " }\n")
    assert block.splitlines()[-1] == "}" and all(len(line) <= LIMIT for line in block.splitlines())
    assert tree_of(block) == tree_of(" ".join(block.split()).replace("{ return", "{ return"))


def test_a_fault_of_the_formatter_is_told() -> None:
    tree = parse(Source("t.mai", "const n = 1\n"), Reporter())
    check_same(tree, "const  n = 1\n")
    for other in ("const n = 2\n", "const n =\n"):
        with pytest.raises(Exception, match="would mean something else"):
            check_same(tree, other)


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "a.mai").write_bytes(b"const  n = 1\r\n")
    (tmp_path / "b.mai").write_text("const n = 1\n")
    (tmp_path / "broken.mai").write_text("const n = (\n")
    assert invoke("format", "--check", tmp_path / "b.mai").exit_code == 0
    checked = invoke("format", "--check", tmp_path / "a.mai")
    assert checked.exit_code == 1 and "would change" in checked.output
    assert "+const n = 1" in invoke("format", "--diff", tmp_path / "a.mai").output
    assert (tmp_path / "a.mai").read_bytes() == b"const  n = 1\r\n"
    both = invoke("format", tmp_path)
    assert both.exit_code == 1 and "unclosed-bracket" in both.output
    assert (tmp_path / "a.mai").read_bytes() == b"const n = 1\r\n"
    assert (tmp_path / "broken.mai").read_text() == "const n = (\n"
