"""The grammar that VS Code, Zed, Sublime Text and web highlighters read, made from the rules."""

from __future__ import annotations

import json

from mai.compiler.editor.colours.rules import RULES, Colour

SCOPES: dict[Colour, str] = {
    "comment": "comment.line.number-sign", "string": "string.quoted.double", "number": "constant.numeric", "declaration": "keyword.declaration",
    "control": "keyword.control", "type": "support.type", "constant": "constant.language", "word operator": "keyword.operator.word",
    "draw": "support.function.distribution", "function": "entity.name.function", "name": "variable.other", "operator": "keyword.operator",
    "bracket": "punctuation",
}  # fmt: skip


def grammar() -> str:
    """The grammar as JSON."""
    patterns = [{"match": rule.pattern, "name": f"{SCOPES[rule.colour]}.mai"} for rule in RULES]
    whole = {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "mai", "scopeName": "source.mai", "fileTypes": ["mai"], "patterns": patterns,
    }  # fmt: skip
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
