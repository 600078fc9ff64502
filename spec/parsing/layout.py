"""Before the parser: whether brackets match, and which newlines end something."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mai.spec import words
from mai.spec.parsing.tokens import Token

OPENING = frozenset({"LPAR", "LSQB", "LBRACE"})
CLOSING = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
NAMES = {"(": "LPAR", "[": "LSQB", "{": "LBRACE", ")": "RPAR", "]": "RSQB", "}": "RBRACE"}
OPERATORS = "COMMA EQUAL UPDATE TILDE PLUS MINUS STAR SLASH AT DOUBLE_SLASH PERCENT CARET COMPARE PIPE ARROW RANGE"
CONTINUES = frozenset([*OPERATORS.split(), *(word.text.upper() for word in words.WORDS if word.goes_on)])
MAX_NESTING = 100
STATEMENT_TYPES = {word.upper() for word in words.BEGINNING_NAMES}
_OPENS = re.compile(words.NAMED)

# A line that begins so begins a declaration: the words are names, too (`data = x`), but not before another word.
_DECLARATION = "^(?:" + "|".join(word.text + r"\b" + word.begins for word in words.DECLARATIONS) + ")"
DECLARATIONS = re.compile(_DECLARATION, re.MULTILINE)
_MARKS = re.compile(rf'#[^\n]*|"[^"\n]*("?)|[()\[\]{{}}]|{_DECLARATION}', re.MULTILINE)
# A line that begins so goes on with the one before: a clause is a name, too (`keep = x`), but not before a value or a block.
_CLAUSES = "|".join(words.texts(words.of_kind("clause")))
CONTINUATION = re.compile(rf"""\|>|else\b|(?:{_CLAUSES})[ \t]+(?:[\w"(\[{{]|-(?!=))""")
_STATEMENT = re.compile(
    rf"""[ \t]*(?:
        \}}|$
      | (?:{"|".join(words.texts(words.STATEMENTS))})[ \t]+(?!and\b|or\b)[\w"]
      | [^\W\d]\w*[ \t]*(?:[-+*/]?=(?!=)|~)
    )""",
    re.VERBOSE,
)


class BracketError(Exception):
    """A bracket without its partner, or too many of them; `token` is the one to point at."""

    def __init__(self, kind: str, token: Token) -> None:
        super().__init__(kind)
        self.kind, self.token = kind, token


def check_brackets(text: str) -> None:
    """Raise `BracketError` for the first bracket without its partner.

    A `}` and the start of a declaration both end every bracket that is open inside: those were forgotten. The parser would
    stop at the first word that has no place in the bracket instead, lines after it.
    """
    open_: list[Token] = []
    for match in _MARKS.finditer(text):
        mark = match[0]
        if mark[0] == "#":
            continue
        if mark[0] == '"':
            if not match[1]:
                return
        elif mark in NAMES:
            _match(Token(NAMES[mark], mark, match.start(), match.end()), open_)
        elif open_:
            raise BracketError("unclosed-bracket", open_[-1])
    if open_:
        raise BracketError("unclosed-bracket", open_[-1])


def _match(token: Token, open_: list[Token]) -> None:
    if token.type in OPENING and len(open_) == MAX_NESTING:
        raise BracketError("too-deep", token)
    if token.type in OPENING:
        open_.append(token)
    elif not open_ or (open_[-1].type == "LBRACE" and token.type != "RBRACE"):
        raise BracketError("unmatched-bracket", token)
    elif open_[-1].type != CLOSING[token.type]:
        raise BracketError("unclosed-bracket", open_[-1])
    else:
        open_.pop()


class Layout:
    """Between lexer and parser, as lark's `postlex`, too.

    Drops the newlines inside `()` and `[]`, after an operator, and before `|>`, `else` and a clause (`from`, `keep`); a word that
    begins statements is a name where a value is given to it: `score = x`.
    """

    # With NAME everywhere a keyword is a whole word: `constn` is no `const n`.
    always_accept = ("NEWLINE", "NAME")

    def __init__(self) -> None:
        self.text = ""

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens without the line ends that end nothing."""
        open_: list[str] = []
        previous = ""
        for token in stream:
            if token.type == "NEWLINE":
                if self._ends_something(token, open_, previous):
                    previous = token.type
                    yield token
                continue
            if token.type in STATEMENT_TYPES and not _OPENS.match(self.text, token.end_pos):
                token = Token("NAME", token, token.start_pos, token.end_pos)
            self._bracket(token, open_)
            previous = token.type
            yield token

    def _bracket(self, token: Token, open_: list[str]) -> None:
        if token.type in OPENING:
            open_.append(token.type)
        elif token.type in CLOSING and open_:
            open_.pop()

    def _ends_something(self, token: Token, open_: list[str], previous: str) -> bool:
        if open_ and open_[-1] != "LBRACE":
            return False
        if previous not in CONTINUES:
            return CONTINUATION.match(self.text, token.end_pos) is None
        # An operator at a line's end goes on, unless what follows can only begin something: then it lacks an operand.
        line = self.text.rfind("\n", 0, token.end_pos) + 1
        return bool(DECLARATIONS.match(self.text, line) or _STATEMENT.match(self.text, line))
