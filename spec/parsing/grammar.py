"""The tables of the grammar, and lark, which makes them and tells what is wrong with a text that is not of the language.

A text that is of the language, as most are, is parsed without importing lark: the tables are kept in a file of the user's, together
with what they were made of.
"""

from __future__ import annotations

import marshal
import os
import re
import sys
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mai.spec.parsing.lalr import NAME, Rule, Tables
from mai.spec.parsing.layout import Layout

if TYPE_CHECKING:
    from lark import Lark
    from lark.grammar import Rule as LarkRule

GRAMMAR = Path(__file__).parents[1] / "grammar.lark"


@cache
def tables() -> Tables:
    """The tables, read from the user's file where they are those of this grammar, else made and written there."""
    kept = _kept("tables")
    if kept is None:
        return _tables(_data())
    with suppress(OSError, ValueError, EOFError, TypeError):
        source, data = marshal.loads(kept.read_bytes())
        if source == _source():
            return _tables(data)
    data = _data()
    _write(kept, marshal.dumps((_source(), data)))
    return _tables(data)


@cache
def lark_parser() -> tuple[Lark, Layout]:
    """lark's parser of the grammar, and the layout that it asks for line ends."""
    from lark import Lark

    layout = Layout()
    options: dict[str, object] = {"parser": "lalr", "lexer": "contextual", "maybe_placeholders": False}
    kept = _kept("lark")
    cached = str(kept) if kept else False
    return Lark(GRAMMAR.read_text(encoding="utf-8"), start="file", postlex=layout, cache=cached, **options), layout


@cache
def _source() -> list[str]:
    """What the tables are made of."""
    return [GRAMMAR.read_text(encoding="utf-8"), Path(__file__).read_text(encoding="utf-8"), sys.version]


def _kept(form: str) -> Path | None:
    """The user's file for the tables of this grammar, if there is a place for one; another version of mai has one of its own."""
    digest = zlib.crc32("\0".join(_source()).encode())
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mai"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder / f"grammar-{digest:08x}.{form}"


def _write(path: Path, content: bytes) -> None:
    """Write a file whole, or not at all: others may read it, and write it, at this moment."""
    own = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        own.write_bytes(content)
        own.replace(path)


def _data() -> tuple[Any, ...]:
    """lark's tables as plain data, in the order of the attributes of `Tables`."""
    lark, _ = lark_parser()
    conf = lark.parse_interactive("").parser_state.parse_conf
    rules = {rule: number for number, rule in enumerate(lark.rules)}
    states = [
        {
            symbol: argument if action.name == "Shift" else -1 - rules[argument]
            for symbol, (action, argument) in row.items()
        }
        for _, row in sorted(conf.states.items())
    ]
    lexer = lark.parser.lexer.lexer.root_lexer
    name = next(re.compile(t.pattern.to_regexp()) for t in lexer.terminals if t.name == NAME)
    words = {
        t.pattern.value: t.name for t in lexer.terminals if t.pattern.type == "str" and name.fullmatch(t.pattern.value)
    }
    patterns = [f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in lexer.terminals if t.pattern.value not in words]
    own_rules = [_rule(rule) for rule in lark.rules]
    return states, own_rules, conf.start_state, conf.end_state, "|".join(patterns), sorted(lexer.ignore_types), words


def _rule(rule: LarkRule) -> tuple[Any, ...]:
    """A rule in the order of the attributes of `Rule`. lark makes rules with a `_` before their names of `*` and `+`."""
    symbols: Sequence[Any] = rule.expansion
    keeps = [
        (i, s.name.startswith("_") and not s.is_term) for i, s in enumerate(symbols) if not (s.is_term and s.filter_out)
    ]
    symbol = str(rule.origin.name)
    name = "" if symbol.startswith("_") else str(rule.alias or symbol)
    return symbol, name, len(symbols), tuple(keeps), rule.options.expand1 and not rule.alias


def _tables(data: tuple[Any, ...]) -> Tables:
    states, rules, first, last, pattern, ignored, words = data
    return Tables(states, [Rule(*rule) for rule in rules], first, last, re.compile(pattern), frozenset(ignored), words)
