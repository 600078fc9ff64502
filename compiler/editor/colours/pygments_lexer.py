"""Colours for Pygments: documentation by Sphinx or MkDocs, terminals, notebooks. It is registered under the names `mai` and `*.mai`."""

from __future__ import annotations

from typing import ClassVar

from pygments import token
from pygments.lexer import RegexLexer

from mai.compiler.editor.colours.rules import RULES, Colour

KINDS: dict[Colour, object] = {
    "comment": token.Comment.Single, "string": token.String, "number": token.Number, "declaration": token.Keyword.Declaration,
    "control": token.Keyword, "type": token.Keyword.Type, "constant": token.Keyword.Constant, "word operator": token.Operator.Word,
    "draw": token.Name.Builtin, "function": token.Name.Function, "name": token.Name, "operator": token.Operator,
    "bracket": token.Punctuation,
}  # fmt: skip


class MaiLexer(RegexLexer):  # type: ignore[misc]
    """Pieces of a `.mai` text, by the rules that all colourings share."""

    name = "mai"
    aliases: ClassVar = ["mai"]
    filenames: ClassVar = ["*.mai"]
    url = ""
    tokens: ClassVar = {
        "root": [
            *((rule.pattern, KINDS[rule.colour]) for rule in RULES),
            (r"\s+", token.Whitespace),
            (r".", token.Error),
        ]
    }
