"""Between the lexer and the parser: which newlines end something, and whether brackets match."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lark import Token

OPENING = {"LPAR": ")", "LSQB": "]", "LBRACE": "}"}
CLOSING = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
CONTINUES = frozenset(
    "COMMA EQUAL UPDATE PLUS MINUS STAR SLASH AT DOUBLE_SLASH PERCENT CARET COMPARE OR AND NOT PIPE ARROW RANGE".split()
)
MAX_NESTING = 100
CONTINUATION = re.compile(r"\|>|else\b")
NEW_START = re.compile(r"(const|let|data|layer|net|export|train|import)\b|\}|$")


class BracketError(Exception):
    """A bracket without its partner, or too many of them; `token` is the one to point at."""

    def __init__(self, kind: str, token: Token) -> None:
        super().__init__(kind)
        self.kind, self.token = kind, token


class Layout:
    """lark's `postlex`: drops the newlines inside `()` and `[]`, after an operator, and before `|>` and `else`."""

    always_accept = ("NEWLINE",)

    def __init__(self) -> None:
        self.text = ""

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        open_: list[Token] = []
        previous = ""
        for token in stream:
            if token.type == "NEWLINE":
                if self._ends_something(token, open_, previous):
                    previous = token.type
                    yield token
                continue
            self._bracket(token, open_)
            previous = token.type
            yield token
        if open_:
            raise BracketError("unclosed-bracket", open_[-1])

    def _bracket(self, token: Token, open_: list[Token]) -> None:
        if token.type in OPENING:
            open_.append(token)
            if len(open_) > MAX_NESTING:
                raise BracketError("too-deep", token)
        if token.type in CLOSING:
            if not open_:
                raise BracketError("unmatched-bracket", token)
            if open_[-1].type != CLOSING[token.type]:
                raise BracketError("unclosed-bracket", open_[-1])
            open_.pop()

    def _ends_something(self, token: Token, open_: list[Token], previous: str) -> bool:
        if open_ and open_[-1].type != "LBRACE":
            return False
        assert token.end_pos is not None
        if previous in CONTINUES:
            return NEW_START.match(self.text, token.end_pos) is not None
        return CONTINUATION.match(self.text, token.end_pos) is None
