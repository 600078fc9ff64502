"""Runs the tables of an LALR(1) parser, with a lexer that asks the parser which words it takes.

The shift-reduce parser of the textbook (Aho, Lam, Sethi and Ullman 2006, section 4.5). It builds as it reduces. Of a text that is not of the
language it knows that, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from mai.spec.parsing.layout import Layout
from mai.spec.parsing.tokens import Token
from mai.spec.record import record

NAME, END = "NAME", "$END"
NOWHERE = -1

Meta = tuple[int, int]
"""Where something begins and ends."""

Entry = tuple[Any, int, int]
"""What a symbol became, and its place; both numbers are `NOWHERE` if it is empty."""

Build = Callable[[Meta, list[Any]], Any]


@record
class Rule:
    """A rule of the grammar.

    Attributes:
        symbol: what its symbols are reduced to.
        name: who builds it; nothing for a part of a rule, which is spread over the rule around it.
        size: how many symbols it has.
        keeps: which of them are handed to the builder, and whether each is to be spread.
        opens: whether a single part is handed on as it is.
    """

    symbol: str
    name: str
    size: int
    keeps: tuple[tuple[int, bool], ...]
    opens: bool


@record
class Tables:
    """The tables of a grammar.

    Attributes:
        states: what a symbol does in each state: a number is the state to go to, or -1 - r for the reduction by rule r.
        rules: the rules by number.
        first: the state before a text.
        last: the state after a text.
        pattern: all terminals, each a group of its name.
        ignored: terminals that are passed over.
        words: terminals that look like names, by their text.
    """

    states: list[dict[str, int]]
    rules: list[Rule]
    first: int
    last: int
    pattern: re.Pattern[str]
    ignored: frozenset[str]
    words: dict[str, str]


class NotOfTheLanguage(Exception):
    """A text does not follow the grammar."""


class Parser:
    """The parser of one text; `builder` has a method for each name of a rule, which is given the place and the parts."""

    def __init__(self, tables: Tables, text: str, builder: object) -> None:
        self.tables, self.text, self.builder = tables, text, builder
        self.states = [tables.first]
        self.entries: list[Entry] = []

    def parse(self) -> Any:
        """What the whole text became. Raises `NotOfTheLanguage`."""
        layout = Layout()
        layout.text = self.text
        for token in layout.process(self._tokens()):
            self.states.append(self._reduced(token.type))
            self.entries.append((token, token.start_pos, token.end_pos))
        while self.states[-1] != self.tables.last:
            self._reduced(END)
        return self.entries[-1][0]

    def _tokens(self) -> Iterator[Token]:
        """The terminals of the text, but for the ignored. A word is one where the parser takes it, else a name."""
        match, ignored, words, states = (
            self.tables.pattern.match,
            self.tables.ignored,
            self.tables.words,
            self.tables.states,
        )
        at, text = 0, self.text
        while at < len(text):
            token = match(text, at)
            if token is None or token.lastgroup is None:
                raise NotOfTheLanguage
            terminal, end = token.lastgroup, token.end()
            if terminal not in ignored:
                word = words.get(token[0]) if terminal == NAME else None
                yield Token(word if word in states[self.states[-1]] else terminal, token[0], at, end)
            at = end

    def _reduced(self, terminal: str) -> int:
        """Reduce what ends before a terminal; the state after it."""
        states, rules, stack = self.tables.states, self.tables.rules, self.states
        while True:
            step = states[stack[-1]].get(terminal)
            if step is None:
                raise NotOfTheLanguage
            if step >= 0:
                return step
            rule = rules[-1 - step]
            if rule.size == 1 and rule.opens:  # Most are: what it became stays as it is.
                stack.pop()
            else:
                self._reduce(rule)
            stack.append(states[stack[-1]][rule.symbol])
            if terminal == END and stack[-1] == self.tables.last:
                return stack[-1]

    def _reduce(self, rule: Rule) -> None:
        """Put what a rule builds in the place of its symbols."""
        size = rule.size
        entries = self.entries[-size:] if size else []
        begin, end = (entries[0][1], entries[-1][2]) if size else (NOWHERE, NOWHERE)
        if begin == NOWHERE or end == NOWHERE:
            begin = next((entry[1] for entry in entries if entry[1] != NOWHERE), NOWHERE)
            end = next((entry[2] for entry in reversed(entries) if entry[2] != NOWHERE), NOWHERE)
        parts: list[Any] = []
        for index, spread in rule.keeps:
            if spread:
                parts += entries[index][0]
            else:
                parts.append(entries[index][0])
        if size:
            del self.states[-size:], self.entries[-size:]
        self.entries.append((self._built(rule, (begin, end), parts), begin, end))

    def _built(self, rule: Rule, place: Meta, parts: list[Any]) -> Any:
        if not rule.name:
            return parts
        if rule.opens and len(parts) == 1:
            return parts[0]
        build: Build = getattr(self.builder, rule.name)
        return build(place, parts)
