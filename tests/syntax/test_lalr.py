"""The parser that runs lark's tables gives lark's trees, with lark's places, and refuses what lark refuses."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Tree, UnexpectedInput

from mai.spec import prelude_sources
from mai.spec.parsing.grammar import GRAMMAR, lark_parser, tables
from mai.spec.parsing.lalr import NOWHERE, NotOfTheLanguage, Parser
from mai.spec.parsing.layout import Layout

ROOT = Path(__file__).parents[2]
TEXTS = {
    path.stem: path.read_text(encoding="utf-8")
    for folder in ("examples", "benchmarks/specs", "spec/starters", "spec/std", "spec/families")
    for path in sorted((ROOT / folder).glob("*.mai"))
} | {source.name: source.text for source in prelude_sources()}
PIECES = [
    "x",
    "1",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "=",
    "+=",
    "->",
    "..",
    "...",
    ":",
    ",",
    "\n",
    " ",
    "data",
    "train",
    "if",
    "==",
]
PIECES += [
    "every",
    "'",
    "@",
    "/",
    "//",
    "-",
    '"a"',
    "#c",
    "|>",
    "else",
    "~",
    "d",
    "²",
    "as",
    "None",
    "keep",
    "0.5",
    "return",
]


class Trees:
    """Builds nothing: each rule is its name, its place and its parts."""

    def __getattr__(self, name: str) -> Callable[[tuple[int, int], list[Any]], object]:
        return lambda place, parts: (name, place, [*map(str_or_tree, parts)])


def str_or_tree(part: Any) -> object:
    return part if isinstance(part, tuple) else (part.type, str(part), part.start_pos, part.end_pos)


@cache
def reference() -> tuple[Lark, Layout]:
    layout = Layout()
    grammar = GRAMMAR.read_text(encoding="utf-8")
    parser = Lark(
        grammar, start="file", parser="lalr", postlex=layout, propagate_positions=True, maybe_placeholders=False
    )
    return parser, layout


def by_lark(text: str) -> object:
    parser, layout = reference()
    layout.text = text
    try:
        return as_tuple(parser.parse(text))
    except UnexpectedInput:
        return None


def as_tuple(part: Any) -> object:
    if not isinstance(part, Tree):
        return str_or_tree(part)
    place = (NOWHERE, NOWHERE) if part.meta.empty else (part.meta.start_pos, part.meta.end_pos)
    return str(part.data), place, [*map(as_tuple, part.children)]


def by_tables(text: str) -> object:
    try:
        return Parser(tables(), text, Trees()).parse()
    except NotOfTheLanguage:
        return None


@pytest.mark.parametrize("name", TEXTS)
def test_files_have_the_trees_that_lark_gives(name: str) -> None:
    tree = by_tables(TEXTS[name])
    assert tree is not None and tree == by_lark(TEXTS[name])


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# nothing\n", "const a = (1)\n", "const a = ((1) + (2))'\nlet b = f()(x)[:, None, 1:]\n"]
)
def test_small_texts_have_the_trees_that_lark_gives(text: str) -> None:
    tree = by_tables(text)
    assert tree is not None and tree == by_lark(text)


def mutated(text: str, generator: random.Random) -> str:
    for _ in range(generator.choice((1, 1, 2, 3))):
        at = generator.randrange(len(text))
        text = text[:at] + generator.choice(PIECES) + text[at + generator.choice((0, 0, 1, 3)) :]
    return text


@pytest.mark.parametrize("seed", range(4))
def test_changed_texts_are_taken_or_refused_as_by_lark(seed: int) -> None:
    """Also where the longest terminal is not one that the parser takes: `x-=3` as an expression."""
    generator = random.Random(seed)
    texts = [mutated(TEXTS["two_layer"], generator) for _ in range(12)]
    texts += [f"const a = {' '.join(generator.choices(PIECES, k=6))}\n" for _ in range(50)]
    texts += [f"layer f(x) {{\n  {''.join(generator.choices(PIECES, k=5))}\n}}\n" for _ in range(50)]
    trees = [by_tables(text) for text in texts]
    assert trees == [by_lark(text) for text in texts]
    assert None in trees and any(trees)


def test_a_text_of_the_language_is_parsed_without_lark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tables.cache_clear()
    lark_parser.cache_clear()
    own_tables = tables()
    assert lark_parser.cache_info().currsize == 1
    tables.cache_clear()
    lark_parser.cache_clear()
    assert tables() == own_tables and lark_parser.cache_info().currsize == 0
    kept = sorted((tmp_path / "mai").iterdir())
    assert [path.suffix for path in kept] == [".lark", ".tables"]
    for broken in (b"", b"nothing", kept[1].read_bytes()[:99]):
        kept[1].write_bytes(broken)
        tables.cache_clear()
        assert tables() == own_tables
    tables.cache_clear()
    assert sorted((tmp_path / "mai").iterdir()) == kept
