"""The caret printer: every mark stands under what it marks, whatever the line holds."""

from __future__ import annotations

import json
import unicodedata

import pytest

from mai.spec.diagnostics import Diagnostic, Label
from mai.spec.diagnostics.render import MAX_COLUMNS, render, to_json
from mai.spec.source import Source, Span


def mark(text: str, part: str, *others: tuple[str, str], label: str = "", help: str | None = None) -> str:
    source = Source("a.mai", text)

    def span(of: str) -> Span:
        start = text.index(of)
        return Span(source, start, start + len(of))

    where = tuple(Label(span(of), words) for of, words in others)
    return render([Diagnostic("unknown-name", span(part), "a message", label, where, help)])


def cells(line: str) -> list[str]:
    """A line as a terminal's columns: a wide character fills two, a combining one none."""
    columns: list[str] = []
    for c in line:
        if unicodedata.combining(c):
            columns[-1] += c
        else:
            columns += [c, ""] if unicodedata.east_asian_width(c) in "WF" else [c]
    return columns


def marked(rendered: str, sign: str = "^") -> str:
    """What stands above the marks."""
    rows = rendered.split("\n")
    at = next(i for i, row in enumerate(rows) if "|" in row and set(row.split("|", 1)[1].strip()[:1]) == {sign})
    above = next(rows[i] for i in range(at - 1, -1, -1) if rows[i].lstrip()[0].isdigit())
    return "".join(a for a, m in zip(cells(above), cells(rows[at]), strict=False) if m == sign)


def test_the_look() -> None:
    text = "net f(x: [8]) -> [3] {\n  h = relu(x)\n\n\n  return g(h)\n}\n"
    shown = mark(text, "h)\n}", ("relu(x)", "[8] comes from here"), label="[8]", help="write `f`")
    assert shown == (
        "error[unknown-name]: a message\n"
        " --> a.mai:5:12\n"
        "  |\n"
        "2 |   h = relu(x)\n"
        "  |       ------- [8] comes from here\n"
        "...\n"
        "5 |   return g(h)\n"
        "  |            ^^ [8]\n"
        "help: write `f`      (mai explain unknown-name)\n"
        "\n"
        "1 error"
    )


def test_the_gutter_is_as_wide_as_the_largest_number() -> None:
    text = "a\n" * 99 + "b\n"
    rows = mark(text, "b", ("a", "here")).split("\n")
    assert rows[1:4] == ["   --> a.mai:100:1", "    |", "  1 | a"]
    assert rows[5:8] == ["...", "100 | b", "    | ^"]


def test_one_line_between_is_shown_rather_than_left_out() -> None:
    assert "\n2 | two\n3 | three\n" in mark("one\ntwo\nthree\n", "three", ("one", ""))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("\tx = 面白 + unknown", "unknown"),
        ("  σ\t= θ + unknown", "unknown"),
        ("e\u0301te\u0301 = unknown", "unknown"),
        ("x = ｆｕｌｌ + 1", "ｆｕｌｌ"),
        ("\t\tx", "x"),
        ("x = 1 # end", "# end"),
        ("x" * 500 + "unknown" + "y" * 500, "unknown"),
        ("面" * 200 + "unknown" + "白" * 200, "unknown"),
        ("a" + "面" * 200 + "unknown", "unknown"),
    ],
)
def test_marks_stand_under_their_part(text: str, part: str) -> None:
    assert marked(mark(text, part)) == part


def test_a_span_over_several_lines_is_marked_to_the_end_of_its_first() -> None:
    shown = mark("f(\n  x,\n  y)\nz\n", "f(\n  x,\n  y)")
    assert "1 | f(\n  | ^^\n" in shown
    assert "y)" not in shown


def test_several_marks_on_a_line_are_in_order() -> None:
    rows = mark("a + b + c\n", "b", ("c", "third"), ("a", "first"), label="second").split("\n")
    assert rows[3:7] == ["1 | a + b + c", "  | - first", "  |     ^ second", "  |         - third"]


@pytest.mark.parametrize("text", ["x", "x\n", "", "\n"])
def test_the_end_of_a_text_can_be_marked(text: str) -> None:
    source = Source("a.mai", text)
    shown = render([Diagnostic("unfinished", Span(source, len(text), len(text) + 1), "a message")])
    assert shown.count("^") == 1


def test_long_lines_are_cut() -> None:
    shown = mark("(" * 10_000 + "unknown" + ")" * 10_000, "unknown")
    assert max(len(row) for row in shown.split("\n")) <= MAX_COLUMNS + 10
    assert "...(((" in shown
    assert ")))..." in shown


def test_nothing_in_a_file_can_move_the_cursor() -> None:
    source = Source("a\x1b[2J.mai", "x = \x1b[31m\u202e\x00\rred\n")
    shown = render([Diagnostic("bad-character", Span(source, 4, 5), "`\x1b` is no character")])
    assert all(c.isprintable() for c in shown.replace("\n", ""))


def test_places_in_other_files_are_named() -> None:
    here, there = Source("a.mai", "x\n"), Source("b.mai", "y\n")
    diagnostic = Diagnostic("duplicate-name", Span(here, 0, 1), "m", "", (Label(Span(there, 0, 1), "first here"),))
    assert "\n  = b.mai:1:1: first here\n" in render([diagnostic])


def test_colour_only_when_asked() -> None:
    source = Source("a.mai", "x = y\n")
    diagnostic = Diagnostic("unknown-name", Span(source, 4, 5), "m", "here", (Label(Span(source, 0, 1), "there"),))
    plain, bright = render([diagnostic]), render([diagnostic], color=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31merror[unknown-name]\x1b[0m" in bright
    for style in ("\x1b[1;31m", "\x1b[2m", "\x1b[0m"):
        bright = bright.replace(style, "")
    assert bright == plain


@pytest.mark.parametrize(
    ("severities", "total"),
    [
        (["error"], "1 error"),
        (["error", "error", "warning"], "2 errors, 1 warning"),
        (["warning", "warning"], "2 warnings"),
    ],
)
def test_they_are_counted(severities: list[str], total: str) -> None:
    shown = render([Diagnostic("syntax", None, "m", severity=s) for s in severities])  # type: ignore[arg-type]
    assert shown.endswith(f"\n\n{total}")


def test_without_diagnostics_nothing_is_said() -> None:
    assert render([]) == ""
    assert json.loads(to_json([])) == []


def test_json_is_stable() -> None:
    source = Source("a.mai", "σ = 1\ny = f(\n  z)\n")
    where = (Label(Span(source, 0, 1), "here"),)
    (record,) = json.loads(to_json([Diagnostic("unknown-name", Span(source, 10, 16), "m", "l", where, "h")]))
    assert record == {
        "slug": "unknown-name",
        "severity": "error",
        "message": "m",
        "file": "a.mai",
        "start": {"line": 2, "column": 5, "offset": 10},
        "end": {"line": 3, "column": 4, "offset": 16},
        "label": "l",
        "where": [
            {
                "file": "a.mai",
                "start": {"line": 1, "column": 1, "offset": 0},
                "end": {"line": 1, "column": 2, "offset": 1},
                "text": "here",
            }
        ],
        "help": "h",
        "edit": None,
    }


def test_json_of_a_diagnostic_without_a_place() -> None:
    (record,) = json.loads(to_json([Diagnostic("file-not-found", None, "m")]))
    assert record["file"] is None
    assert record["where"] == []
