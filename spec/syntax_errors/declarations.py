"""Declarations that begin as they do elsewhere: `model f(x)`, `train with steps = 50`, `data x = moons()`, `x in R^2`."""

from __future__ import annotations

import re

from mai.spec import words
from mai.spec.syntax_errors import syntax_repairs as mend
from mai.spec.syntax_errors.syntax_place import STATEMENTS, Draft, Place, draft
from mai.spec.syntax_errors.syntax_repairs import Repair
from mai.spec.syntax_errors.syntax_rules import FUNCTIONS, Rule

MODELS = ("model", "module", "network", "architecture")
TRAININGS = ("optimize", "optimise", "fit", "training", "trainer")
OBJECTIVES = ("loss", "objective", "cost")
PREPOSITIONS = ("with", "for", "using", "on", "over")
NET, TRAIN, CLAIM = "net f(x: [2]) -> [2]", "train(steps = 1000)", "claim name"
AROUND = dict.fromkeys(("minimize", "report", "record", *OBJECTIVES), TRAIN) | {"check": CLAIM}
SIZE = r"(\d+|[^\W\d]\w*)"
SPACE = re.compile(rf"(?:in\s+)?[Rℝ](?:\^?(?:\{{{SIZE}\}}|\[{SIZE}\])|\^{SIZE})?(?![\w^\[({{])")
SETTINGS = re.compile(
    rf"train\b\s*([^\W\d]\w*\b(?!\s*=))?\s*(?:(?:{'|'.join(PREPOSITIONS)})\b)?\s*(\w+\s*=[^{{\n]*?)\s*\{{"
)


def _is_top(p: Place) -> bool:
    """Whether a declaration could begin here."""
    return "CONST" in p.accepts


def _is_function(p: Place) -> bool:
    return re.match(r"\w+\s+\w+\s*\(", p.rest) is not None


def _begins_with_statement(p: Place) -> bool:
    return _is_top(p) and p.token in STATEMENTS | {*OBJECTIVES} and not re.match(r"\w+\s*=[^=]", p.rest)


def _block_of(p: Place) -> str:
    """The block in which the statement stands."""
    return f"write `{AROUND.get(p.token, NET)} {{ {'minimize' if p.token in OBJECTIVES else p.token} ... }}`"


def _settings(p: Place) -> Draft | str:
    """`train flow with steps = 50, batch = 8 {` for `train flow(steps = 50, batch = 8) {`."""
    head = SETTINGS.match(p.text, p.begin)
    if head is None or head[2].count("(") != head[2].count(")"):
        return f"write `{TRAIN} {{ ... }}`"
    name = f" {head[1]}" if head[1] and head[1] not in PREPOSITIONS else ""
    return draft(p.begin, head.end() - 1, f"train{name}({head[2]}) ")


def _from(what: str, begins: str, usual: str) -> Repair:
    """`data x: [2] = moons()` and `data x: [2] moons()` for `data x: [2] from moons()`; so with a file of `weights`."""

    def repair(p: Place) -> Draft | str:
        if not re.match(rf"=?\s*{begins}", p.rest):
            return usual
        return draft(p.gap, p.end if p.token == "=" else p.gap, " from", f"write `from` before the {what}")

    return repair


def _head(p: Place) -> str:
    """A function without parameters: how one of its kind begins."""
    form = next(word.form for word in words.DECLARATIONS if word.text == p.word)
    return f"write `{p.word}{NET[3:]} {{ ... }}`" if "RETURNS" in form else f"write `{CLAIM} {{ ... }}`"


def _parameters(p: Place) -> Draft | str:
    repair = mend.parameters(p)
    return repair if isinstance(repair, Draft) else _head(p)


def _plain_name(p: Place) -> Draft | str:
    """`claim "are near" {` for `claim are_near {`."""
    name = re.sub(r"\W+", "_", p.token.strip('"')).strip("_")
    return f"write `{p.word} {name}_1`" if name in mend.KEYWORDS else draft(p.at, p.end, name)


def _shape(p: Place) -> Draft | str:
    """`[d]` for `R^d`, `real` for `R`."""
    space = SPACE.match(p.rest)
    if space is None:
        return "write `[2]`, or `[n, d]`"
    size = space[1] or space[2] or space[3]
    shape = f"[{size}]" if size else "real"
    is_after_name = p.token == "in"
    return draft(p.gap if is_after_name else p.at, p.at + space.end(), f": {shape}" if is_after_name else shape)


HEADS: list[Rule] = [
    (lambda p: _is_top(p) and p.token in MODELS and _is_function(p),
     "foreign-keyword", "a model is a `net`", mend.first_word("net", f"write `{NET} {{ ... }}`")),
    (lambda p: _is_top(p) and p.token in TRAININGS and re.match(r"\w+\s*[({]", p.rest) is not None,
     "foreign-keyword", "what trains is a `train` block", mend.first_word("train", f"write `{TRAIN} {{ ... }}`")),
    (_begins_with_statement, "misplaced-statement", "`{token}` stands in a block, not at the top of a file", _block_of),
    (lambda p: p.word == "train" and "LPAR" in p.accepts and p.accepts <= {"LPAR", "NAME"},
     "missing-parameters", "a `train` has its settings in `( )`", _settings),
    (lambda p: p.word == "data" and "FROM" in p.accepts and (p.token == "=" or re.match(r"\w+\s*\(", p.rest) is not None),
     "missing-source", "data comes from a source", _from("source", r"\w+\s*\(", "write `from moons(noise = 0.05)`")),
    (lambda p: p.line.strip() == "weights" and (p.token == "=" or p.token.startswith('"')),
     "missing-source", "weights come from a file", _from("file", '"', 'write `weights from "m.safetensors" { "f.*" = "*" }`')),
    (lambda p: p.accepts == {"NAME"} and p.word in (*FUNCTIONS, "claim") and p.token.startswith('"') and p.token.strip('"')[:1].isalpha(),
     "missing-name", "a name is one word, without quotes", _plain_name),
    (lambda p: p.word in (*FUNCTIONS, "claim") and "LPAR" in p.accepts and p.accepts <= {"LPAR", "LSQB", "EQUAL"} and p.token != "[",
     "missing-parameters", "the parameters stand in `( )` after the name", _parameters),
    (lambda p: p.token == "in" and "COLON" in p.accepts and p.word in FUNCTIONS,
     "missing-type", "a type stands behind `:`", _shape),
    (lambda p: p.wants_type and p.token in ("R", "ℝ"), "missing-type", "`{token}` is not a type: its sizes stand in `[ ]`", _shape),
]  # fmt: skip
