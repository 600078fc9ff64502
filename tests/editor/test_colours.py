"""Colours by letters: the words are coloured where the grammar reads them as words, and every form of the rules says the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pygments import token
from pygments.lexers import get_lexer_by_name

from mai.compiler.editor.colours import codemirror
from mai.compiler.editor.colours.pygments_lexer import KINDS, MaiLexer
from mai.compiler.editor.colours.rules import RULES
from mai.compiler.editor.colours.rules import pieces as coloured_pieces
from mai.compiler.editor.colours.textmate import SCOPES, grammar
from mai.spec.parsing.grammar import lark_parser
from mai.spec.words import WORDS
from tests.support.hosts import INSTALLED

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("examples/**/*.mai"), *ROOT.glob("spec/prelude/*.mai"), *ROOT.glob("spec/std/*.mai")])
BOTH_WAYS = """const data = 3
net f(at: [2], keep: real, in_: real) -> [2] {
  score = at * keep + 1
  record = score(at) / data
  return record + noise
}
"""


def pieces(text: str) -> Iterator[tuple[int, str, object]]:
    for start, kind, piece in MaiLexer(stripnl=False, ensurenl=False).get_tokens_unprocessed(text):
        yield start, piece, kind


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_words_are_coloured_where_the_grammar_reads_them_as_words(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    parser, layout = lark_parser()
    layout.text = text
    words = {word.text for word in WORDS}
    read = {t.start_pos: t.type != "NAME" for t in parser.parse_interactive(text).exhaust_lexer() if str(t) in words}
    coloured = {
        start: kind in token.Keyword or kind is token.Operator.Word
        for start, piece, kind in pieces(text)
        if piece in words
    }
    wrong = [
        f"{text.count(chr(10), 0, place) + 1}: {text[place : place + 12]!r}"
        for place in read
        if coloured[place] != read[place]
    ]
    assert not wrong
    assert token.Error not in {kind for _, _, kind in pieces(text)}


def test_a_word_that_is_a_name_has_no_colour() -> None:
    shown = [(piece, kind) for _, piece, kind in pieces(BOTH_WAYS)]
    assert not [
        piece
        for piece, kind in shown
        if piece in ("data", "at", "keep", "score", "record", "noise") and kind in token.Keyword
    ]
    assert [piece for piece, kind in shown if kind in token.Keyword] == ["const", "net", "real", "real", "return"]


def test_pygments_knows_the_lexer_by_its_name() -> None:
    assert isinstance(get_lexer_by_name("mai"), MaiLexer)


def test_every_colour_has_a_name_in_each_form() -> None:
    assert {rule.colour for rule in RULES} == SCOPES.keys() == KINDS.keys() == codemirror.STYLES.keys()
    assert len(json.loads(grammar())["patterns"]) == len(RULES)


def test_textmate_says_the_same_as_pygments(tmp_path: Path) -> None:
    if shutil.which("node") is None or not (INSTALLED / "node_modules" / "vscode-textmate").is_dir():
        pytest.skip("needs node and vscode-textmate: `make test` installs it where there is npm")
    (tmp_path / "mai.json").write_text(grammar(), encoding="utf-8")
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in FILES}
    texts["both"] = BOTH_WAYS
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    script = str(Path(__file__).with_name("textmate.mjs"))
    command = ["node", script, str(INSTALLED), str(tmp_path / "mai.json"), str(tmp_path / "texts.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    names = {kind: f"{SCOPES[colour]}.mai" for colour, kind in KINDS.items()}
    for name, lines in json.loads(done.stdout).items():
        ours = []
        for line in texts[name].split("\n"):
            colours = [(s, names[k]) for s, piece, k in pieces(line) if not re.fullmatch(r"\s*", piece)]
            ours.append([list(each) for each in colours])
        assert lines == ours, name


CONTINUED = "layer größe(x: [n], y1⁰: [n]) -> [n] {\n  é = tanh(x,\n    x)\n  return (é\n  )\n}\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_codemirror_says_the_same_as_pygments(tmp_path: Path) -> None:
    """Letters of other scripts, too; and each line is indented by the brackets before it."""
    (tmp_path / "mai.mjs").write_text(codemirror.module(), encoding="utf-8")
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in FILES}
    texts |= {"both": BOTH_WAYS, "continued": CONTINUED}
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    script = str(Path(__file__).with_name("codemirror.mjs"))
    command = ["node", script, str(tmp_path / "mai.mjs"), str(tmp_path / "texts.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said["colours"]) == codemirror.STYLES.keys()
    for name, lines in said["texts"].items():
        assert lines == [[list(piece) for piece in coloured_pieces(line)] for line in texts[name].split("\n")], name
    assert said["indents"]["continued"] == [0, 2, 4, 2, 2, 0, 0]
    assert ["größe", "def"] in said["styles"]["continued"] and ["return", "keyword"] in said["styles"]["both"]
    assert all(piece.strip() for styles in said["styles"].values() for piece, _ in styles)


def test_the_mode_for_pages_is_what_the_rules_say() -> None:
    assert (ROOT / "compiler/editor/codemirror/mai.mjs").read_text(encoding="utf-8") == codemirror.module()
