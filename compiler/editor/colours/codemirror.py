"""A mode for CodeMirror, versions 6 and 5, made from the rules: one JavaScript module that imports nothing, for anybody's page."""

from __future__ import annotations

import json
import re

from mai.compiler.editor.colours.rules import RULES, Colour

STYLES: dict[Colour, str] = {
    "comment": "comment", "string": "string", "number": "number", "declaration": "keyword", "control": "keyword", "type": "type",
    "constant": "atom", "word operator": "keyword", "draw": "builtin", "function": "def", "name": "variable", "operator": "operator",
    "bracket": "bracket",
}  # fmt: skip
_LETTERS = {"w": r"\p{L}\p{N}_", "d": r"\p{Nd}"}  # What Python's classes hold, which JavaScript's hold for ASCII alone.

_MODULE = r"""// The colours of mai for CodeMirror, written by `make docs` from compiler/editor/colours/rules.py: change the rules there.
//
// CodeMirror 6:
//   import { StreamLanguage } from "@codemirror/language";
//   import { mode } from "./mai.mjs";
//   new EditorView({ extensions: [basicSetup, StreamLanguage.define(mode)], ... });
//
// CodeMirror 5:
//   CodeMirror.defineMode("mai", () => mode);
//   CodeMirror.fromTextArea(area, { mode: "mai" });
//
// Without an editor: `pieces(line)` gives [begin, end, colour] of each piece of one line, where the colour is one of
// COLOURS.

const RULES = [
@RULES@
];

export const COLOURS = @COLOURS@;

/** What CodeMirror calls each colour, in both of its versions. */
const STYLES = @STYLES@;

/** The piece that begins at a character of a line: where it ends, and its colour; one character without a colour where no rule fits. */
function pieceAt(line, begin) {
  for (const [colour, pattern] of RULES) {
    pattern.lastIndex = begin;
    const fits = pattern.exec(line);
    if (fits) return [begin + fits[0].length, colour];
  }
  return [begin + (line.codePointAt(begin) > 0xffff ? 2 : 1), null];
}

/** All coloured pieces of one line, from left to right. */
export function* pieces(line) {
  for (let begin = 0; begin < line.length; ) {
    const [end, colour] = pieceAt(line, begin);
    if (colour) yield [begin, end, colour];
    begin = end;
  }
}

/** A mode of CodeMirror, which counts brackets for the indentation of lines. */
export const mode = {
  name: "mai",
  startState: () => ({ depth: 0 }),
  copyState: ({ depth }) => ({ depth }),
  token(stream, state) {
    if (stream.eatSpace()) return null;
    const [end, colour] = pieceAt(stream.string, stream.pos);
    const piece = stream.string.slice(stream.pos, end);
    if (colour === "bracket") state.depth = Math.max(0, state.depth + ("([{".includes(piece) ? 1 : piece === "," ? 0 : -1));
    stream.pos = end;
    return STYLES[colour] ?? null;
  },
  indent(state, after, context) {
    const closes = /^\s*[)\]}]/.test(after) ? 1 : 0;
    return Math.max(0, state.depth - closes) * (context?.unit ?? 2);
  },
  lineComment: "#",
  electricInput: /^\s*[)\]}]$/,
  languageData: { commentTokens: { line: "#" }, indentOnInput: /^\s*[)\]}]$/, closeBrackets: { brackets: ["(", "[", "{", '"'] } },
};
"""


def module() -> str:
    """The module's text."""
    rules = ",\n".join(
        f"  [{json.dumps(rule.colour)}, /{_javascript(rule.pattern).replace('/', chr(92) + '/')}/uy]" for rule in RULES
    )
    colours = json.dumps(list(dict.fromkeys(rule.colour for rule in RULES)))
    return (
        _MODULE.replace("@RULES@", rules)
        .replace("@COLOURS@", colours)
        .replace("@STYLES@", json.dumps(STYLES, indent=2))
    )


def _javascript(pattern: str) -> str:
    """A pattern as JavaScript reads it with the flag `u`: letters of all scripts, and no escape that says nothing."""
    written, is_class = "", False
    for piece in re.findall(r"\\.|.", pattern):
        if piece[0] == "\\" and piece[1] in _LETTERS:
            letters = _LETTERS[piece[1]]
            written += letters if is_class else f"[{letters}]"
            continue
        is_class = piece == "[" or (is_class and piece != "]")
        written += '"' if piece == '\\"' else piece
    return written
