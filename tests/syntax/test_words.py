"""Every word of the table is in the grammar, begins what it begins, is printed, hinted and documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mai.spec
from mai.compiler.elaborate.functions.function_reference import explained
from mai.spec import ast
from mai.spec.diagnostics import MaiError, Reporter
from mai.spec.diagnostics.foreign import FOREIGN
from mai.spec.format import format_file
from mai.spec.glossary import explained_word, glossary
from mai.spec.parsing.parse import parse
from mai.spec.source import Source
from mai.spec.words import BEGINNING_NAMES, DECLARATIONS, RESERVED, STATEMENTS, WORDS, Word

SPEC = Path(mai.spec.__path__[0])
PARTS = {
    "COUNT": "3", "START": "0", "STOP": "1", "SOLVER": "rk4(4)", "TYPE": "[2]", "BODY": "y = x", "THEN": "y = x",
    "OTHERWISE": "y = x", "KEEPS": "x as xs", "FIELDS": "x: [2]", "PARAMETERS": "x: [2]", "RETURNS": "[2]", "SETTINGS": "steps = 1",
    "PATH": '"a.mai"', "RULES": '"f.w" = "w"', "EVERY": "10", "INDEX": "i", "VARIABLE": "s",
}  # fmt: skip
FORMED = [word for word in WORDS if word.form and word.kind in ("declaration", "statement")]


def example(word: Word, is_whole: bool) -> str:
    """A statement or declaration of a word's form, with all that may be left out, or without it."""
    form = re.sub(r"\[([^\]]*)\]", r"\1" if is_whole else "", word.form)
    return re.sub(r"[A-Z]+", lambda m: PARTS.get(m[0], "x"), form)


def spec(word: Word, is_whole: bool) -> str:
    text = example(word, is_whole)
    return text if word.kind == "declaration" else f"net f(x: [2]) -> [2] {{\n  {text}\n}}"


def words_with_help(text: str) -> list[tuple[str, str | None]]:
    report = Reporter()
    with pytest.raises(MaiError):
        parse(Source("t.mai", text), report)
    return [(d.slug, d.help) for d in report.diagnostics]


def test_the_grammar_has_these_words_and_no_others() -> None:
    grammar = (SPEC / "grammar.lark").read_text(encoding="utf-8")
    written = set(re.findall(r'"([a-zA-Z]+)"', grammar))
    assert written == {word.text for word in WORDS}
    assert len({word.text for word in WORDS}) == len(WORDS)


@pytest.mark.parametrize("is_whole", [False, True], ids=["least", "whole"])
@pytest.mark.parametrize("word", FORMED, ids=lambda w: w.text)
def test_a_form_is_parsed_and_printed(word: Word, is_whole: bool) -> None:
    file = parse(Source("t.mai", spec(word, is_whole)), Reporter())
    assert format_file(file).split() == spec(word, is_whole).replace("{", " { ").replace("}", " } ").split()
    (declaration,) = file.declarations
    if word.node is not None:
        assert isinstance(declaration, ast.Function) and isinstance(declaration.body[0], word.node)


@pytest.mark.parametrize("word", FORMED, ids=lambda w: w.text)
def test_a_line_begins_with_it(word: Word) -> None:
    """What begins something ends the line before: an operator there lacks its operand."""
    outside = "const n = 1 +\n" if word.kind == "declaration" else "net f(x: [2]) -> [2] {\n  y = 1 +\n  "
    assert (
        words_with_help(outside + example(word, True) + ("" if word.kind == "declaration" else "\n}"))[0][0]
        == "missing-operand"
    )


@pytest.mark.parametrize("word", [w for w in FORMED if len(w.text) > 3], ids=lambda w: w.text)
def test_a_slip_of_the_pen_is_told(word: Word) -> None:
    text = spec(word, False).replace(word.text, word.text[:2] + word.text[1:], 1)
    assert ("misspelt", f"did you mean `{word.text}`?") in words_with_help(text)


@pytest.mark.parametrize("word", WORDS, ids=lambda w: w.text)
def test_it_is_documented(word: Word) -> None:
    page = (SPEC / "language.md").read_text(encoding="utf-8")
    assert re.search(rf"(?<!\w){word.text}(?!\w)", page), "spec/language.md does not speak of it"
    assert word.says.endswith(".") and word.says in str(explained(word.text))


def test_reserved_words_are_no_names() -> None:
    for word in RESERVED:
        assert words_with_help(f"let {word} = 1\n")[0][0] in ("reserved-name", "missing-name")


@pytest.mark.parametrize("word", sorted(BEGINNING_NAMES))
def test_a_word_that_begins_statements_is_a_name_where_it_is_given_a_value(word: str) -> None:
    text = f"export f(x: [2]) -> [2] {{\n  {word} = x * 2\n  {word} += 1\n  y = {word} + x\n  {word} ~ normal([2])\n  return y * {word}\n}}\n"
    assert format_file(parse(Source("a", text), Reporter())) == text
    (misspelt, *_) = words_with_help(
        text.replace("return y *", "return y * /")
    )  # lark tells of it, by the same line ends and names.
    assert misspelt[0] == "missing-operand"


def test_a_word_of_ours_is_no_foreign_one() -> None:
    """But for two that are called as functions elsewhere: `repeat(x, 2)` and `param([3, 2])`, which no statement of ours looks like."""
    assert {word.text for word in (*DECLARATIONS, *STATEMENTS)} & set(FOREIGN) == {"repeat", "param"}


@pytest.mark.parametrize(
    ("word", "begin"),
    [("lead axis", "lead axis: An axis"), ("Lead axes", "lead axis: An axis"), ("unlead", "lead, unlead, spread: Three"), ("keeps", "keep: The clause of an integrate")],
)  # fmt: skip
def test_the_glossary_explains_words(word: str, begin: str) -> None:
    text = explained_word(word)
    assert text is not None and text.startswith(begin) and not set("*`[") & set(text)


def test_other_words_are_not_in_the_glossary() -> None:
    assert explained_word("axle") is None and len(glossary()) > 60
