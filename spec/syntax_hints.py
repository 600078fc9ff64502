"""What a syntax error meant: hints as data, tried in order, the first that fits is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lark import Token, UnexpectedInput
from lark.exceptions import UnexpectedToken

from mai.spec.layout import BracketError

DECLARATIONS = re.compile(r"^(?:const|let|data|layer|net|export|train|import)\b", re.MULTILINE)
STATEMENTS = frozenset("param state return if else repeat integrate extend append minimize report record".split())
OPERATORS_TEXT: tuple[str, ...] = ("+", "-", "*", "/", "@", "//", "%", "^", "==", "!=", "<", "<=", ">", ">=", "=", "~", "|>", "+=", "-=", "..",
                  "and", "or", "not", "return", "minimize", ",", ":")  # fmt: skip
DECLARATION_WORDS = frozenset("const let data layer net export train import".split())


@dataclass(frozen=True, slots=True)
class Hint:
    """A syntax error to tell: the span `start` to `end`; `at` is inside the declaration at fault."""

    slug: str
    start: int
    end: int
    message: str
    label: str = ""
    help: str | None = None
    at: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the parser stopped: the offending text, the line up to it, the token before, and what could follow."""

    found: str
    line: str
    before: str
    accepts: frozenset[str]
    rest: str

    @property
    def word(self) -> str:
        """The keyword that opens the line."""
        match = re.match(r"\s*([^\W\d]\w*)", self.line + self.found)
        return match[1] if match else ""


Test = Callable[[Place], bool]


def _found(*texts: str) -> Test:
    return lambda p: p.found in texts


def _opens(*words: str) -> Test:
    return lambda p: p.word in words


def _needs_block(p: Place) -> bool:
    return "LBRACE" in p.accepts and p.found in ("\n", "", "}", ":")


RULES: list[tuple[Test, str, str, str | None]] = [
    (lambda p: p.found == '"' or (p.rest.startswith('"') and '"' not in p.rest[1:].split("\n")[0]), "unclosed-string",
     "a string needs a closing quote on its line", 'write "..."'),
    (lambda p: p.rest.startswith(("//", "/*")) and not p.line.strip(), "bad-character", "a comment begins with `#`", None),
    (lambda p: _starts_name(p.found) and bool(re.search(r"\d$", p.line)), "bad-number",
     "a name cannot begin with a digit, and a product needs `*`", None),
    (_found(";"), "bad-character", "there is no `;`: a statement ends with its line", None),
    (lambda p: p.found in "“”‘’„«»" and p.found != "", "bad-character", "this is a typographic quote", 'write a plain "'),
    (lambda p: p.rest.startswith("**"), "wrong-operator", "powers are written with `^`", "write `x^2`"),
    (lambda p: p.found == "*" and p.before == "*", "wrong-operator", "powers are written with `^`", "write `x^2`"),
    (lambda p: p.found == "&" or p.rest.startswith("&&"), "wrong-operator", "write `and`", None),
    (lambda p: p.rest.startswith("||"), "wrong-operator", "write `or`", None),
    (_found("!"), "wrong-operator", "write `not`, or `!=` to compare", None),
    (lambda p: p.rest.startswith(":="), "wrong-operator", "`=` defines; there is no `:=`", None),
    (lambda p: p.rest.startswith(("++", "--")), "wrong-operator", "there is no `++`: write `x += 1`", None),
    (lambda p: p.found == "=" and p.word in ("if", "repeat", "minimize", "return"), "assign-vs-compare",
     "`=` defines, `==` compares", "write `==`"),
    (lambda p: p.found == "=" and p.before == "=", "assign-vs-compare", "`=` defines, `==` compares", "write one `=`"),
    (lambda p: p.found == "==" and "EQUAL" in p.accepts, "assign-vs-compare", "`=` defines, `==` compares", "write `=`"),
    (lambda p: p.found == "=" and p.word in STATEMENTS, "reserved-name", "this word begins a statement and cannot be a name", None),
    (lambda p: p.found == "=" and "EQUAL" not in p.accepts and "~" not in p.line, "assign-vs-compare",
     "`=` has no place here: `=` defines a name, `==` compares", None),
    (lambda p: p.found == ":" and p.before == ")" and p.word in ("layer", "net", "export"), "missing-type",
     "a result's type is written with `->`, and a block with `{ }`", None),
    (lambda p: p.found == ":" and "LBRACE" in p.accepts, "missing-block", "blocks are written with `{ }`, not with `:`", None),
    (lambda p: _needs_block(p) and p.word == "repeat", "missing-block", "a `repeat` needs a block", "write `repeat 3 { ... }`"),
    (lambda p: _needs_block(p) and p.word == "integrate", "missing-block", "an `integrate` needs a block",
     "write `integrate s in 0..1 using rk4(steps) { dx/ds = ... }`"),
    (lambda p: _needs_block(p) and p.word in ("net", "layer", "export", "train", "if", "else", "extend"), "missing-block",
     "a block `{ ... }` is missing here", None),
    (lambda p: p.word == "integrate" and "IN" in p.accepts, "missing-range",
     "an integral runs over a range", "write `integrate s in 0..1 using rk4(20)`"),
    (lambda p: p.word == "integrate" and "USING" in p.accepts, "missing-solver", "an `integrate` says which solver it uses",
     "write `using rk4(20)` before the block"),
    (lambda p: p.word == "integrate" and "RANGE" in p.accepts,
     "missing-range", "an integral runs over a range", "write `in 0..1`"),
    (lambda p: p.word in ("for", "while"), "foreign-keyword", "there is no `for` or `while`: depth is a `repeat`",
     "write `repeat 3 as i { ... }`"),
    (lambda p: p.word in ("def", "function", "fn", "func"), "foreign-keyword", "functions are `layer`s and `net`s",
     "write `net f(x: [2]) -> [2] { ... }`"),
    (lambda p: p.word == "class", "foreign-keyword", "there are no classes: a model is a `net`", None),
    (lambda p: p.word in ("var", "val", "auto", "local"), "foreign-keyword", "a name is defined by `=` alone", "write `y = ...`"),
    (lambda p: p.word in ("print", "assert", "from", "pass", "break", "continue"), "foreign-keyword",
     "there is no such statement in mai", None),
    (lambda p: p.found == "lambda", "foreign-keyword", "there are no lambdas: write a `layer`", None),
    (lambda p: p.found in DECLARATION_WORDS and "RBRACE" in p.accepts, "misplaced-declaration", "a declaration cannot stand inside a block", "move it out of the block"),
    (lambda p: "CONST" in p.accepts and p.found not in DECLARATION_WORDS and p.found.strip() != "", "misplaced-statement",
     "a file is made of declarations: const, let, data, layer, net, train, export or import", None),
    (lambda p: p.word == "else", "misplaced-else", "an `else` follows the `}` of an `if`", None),
    (lambda p: p.found == "->" and "returns" not in p.line, "wrong-operator", "`->` gives the type of a result, after `)`", None),
    (lambda p: p.word in ("net", "layer", "export") and p.accepts <= {"NAME"}, "missing-name", "a name is missing here", None),
    (lambda p: p.word in ("const", "let") and "EQUAL" in p.accepts, "missing-value", "a constant needs a value",
     "write `const n = 64`"),
    (lambda p: p.word == "data" and "FROM" in p.accepts, "missing-source", "data comes from a source",
     "write `from moons(noise = 0.05)`"),
    (lambda p: p.accepts <= {"LSQB", "CLASS", "TOKENS", "SCALAR"} and bool(p.accepts), "missing-type", "a type is missing here",
     "write `[2]`, `[]`, `int`, `class[10]` or `tokens[P]`"),
    (lambda p: p.word == "param" and "COLON" in p.accepts, "missing-type", "a param needs a shape", "write `param W: [n, d] ~ normal(0, 1)`"),
    (lambda p: p.before in OPERATORS_TEXT and p.found in ("\n", "", ")", "]", "}", ","), "missing-operand",
     "something is missing after `{before}`", None),
    (lambda p: p.before in OPERATORS_TEXT and p.found in OPERATORS_TEXT, "missing-operand",
     "something is missing between `{before}` and `{found}`", None),
    (lambda p: p.found in ("*", "/", "^", "@", "%", "|>") and "NAME" in p.accepts, "missing-operand",
     "something is missing before `{found}`", None),
    (lambda p: p.before == "," and p.found == ",", "missing-operand", "something is missing between the commas", None),
    (lambda p: "COMMA" in p.accepts and "RPAR" in p.accepts and _starts_operand(p.found), "missing-comma",
     "a `,` is missing before this", None),
    (lambda p: "COMMA" in p.accepts and "RSQB" in p.accepts and _starts_operand(p.found), "missing-comma",
     "a `,` is missing before this", None),
    (lambda p: p.found in STATEMENTS and "NEWLINE" in p.accepts, "two-on-a-line", "each statement has a line of its own", None),
    (lambda p: "EQUAL" in p.accepts and "RBRACE" not in p.accepts and p.found in ("\n", "", "}", "("), "no-effect",
     "this does nothing: give its result a name", "write `y = ...` or `return ...`"),
    (lambda p: _starts_operand(p.found) and "NEWLINE" in p.accepts, "two-on-a-line",
     "this has no place here: an operator or a new line is missing before it", None),
    (lambda p: p.found in ("", "\n"), "unfinished", "this line is not finished", None),
]  # fmt: skip


def _starts_operand(text: str) -> bool:
    return bool(re.match(r'[\w"]', text)) and text not in STATEMENTS


def _starts_name(text: str) -> bool:
    return bool(re.match(r"[^\W\d]", text)) and text not in STATEMENTS


def syntax_hint(error: UnexpectedInput, text: str) -> Hint:
    """The best account of where the parser stopped."""
    at, end = _where(error, text)
    found = text[at:end]
    line_start = text.rfind("\n", 0, at) + 1
    before = re.search(r"(\w+|[^\w\s]+)\s*$", text[:at])
    accepts = frozenset(getattr(error, "accepts", None) or getattr(error, "expected", None) or getattr(error, "allowed", None) or ())
    place = Place(found or "", text[line_start:at], _last_operator(before[1] if before else ""), accepts, text[at:])
    slug, message, help = _match(place, text, at)
    start = at if found.strip() else max(at - 1, 0)
    return Hint(slug, start, max(end, start + 1), message, help=help, at=min(at, len(text) - 1))


def _last_operator(text: str) -> str:
    for size in (2, 1):
        if text[-size:] in OPERATORS_TEXT:
            return text[-size:]
    return text


def _match(place: Place, text: str, at: int) -> tuple[str, str, str | None]:
    for test, slug, message, help in RULES:
        if test(place):
            return slug, message.replace("{found}", place.found).replace("{before}", place.before), help
    shown = place.found.strip()
    if shown and not shown[0].isalnum() and shown[0] not in "()[]{}+-*/@%^=<>|&!,.:;~'\"_#":
        return "bad-character", f"`{shown[0]}` is no character of the language", None
    return "syntax", f"`{shown}` has no place here" if shown else "the text ends too early", None


def _where(error: UnexpectedInput, text: str) -> tuple[int, int]:
    if isinstance(error, UnexpectedToken) and isinstance(error.token, Token):
        token = error.token
        if token.type == "$END" or token.start_pos is None:
            return len(text.rstrip()), len(text.rstrip())
        if token.type == "NEWLINE":
            return token.start_pos, token.start_pos + 1
        return token.start_pos, token.end_pos or token.start_pos + 1
    at = min(error.pos_in_stream or 0, max(len(text) - 1, 0))
    match = re.compile(r"[^\W\d]\w*|.").match(text, at)
    return at, match.end() if match else at + 1


PARTNER = {"LPAR": "(", "LSQB": "[", "LBRACE": "{", "RPAR": ")", "RSQB": "]", "RBRACE": "}"}


def bracket_hint(error: BracketError) -> Hint:
    """A bracket without its partner, or nested too deep."""
    token = error.token
    assert token.start_pos is not None and token.end_pos is not None
    shown = PARTNER[token.type]
    message = {
        "unclosed-bracket": f"close this `{shown}`",
        "unmatched-bracket": f"this `{shown}` closes nothing",
        "too-deep": "brackets are nested more than 100 levels deep",
    }[error.kind]
    return Hint(error.kind, token.start_pos, token.end_pos, message, at=token.start_pos)
