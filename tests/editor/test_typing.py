"""Every example, typed letter by letter: questions about any half-written text have answers, and those of the whole are of the whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mai.compiler.check import check_text
from mai.compiler.editor.completion import completions, signature
from mai.compiler.editor.desk import Desk
from mai.compiler.editor.hover import hover
from mai.compiler.editor.outline import folds, hints, lenses, outline, tokens
from mai.compiler.editor.places import offset_of, place_of
from mai.compiler.elaborate.expressions import calls
from mai.compiler.elaborate.repeating.templates import repeat
from mai.spec.parsing.lalr import Parser
from mai.spec.source import Source

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.mai"))
TRIED = 12  # Half-written texts of each example; one of them is checked.


def ask(desk: Desk, path: Path, text: str, offset: int) -> None:
    """Everything that an editor asks of a text and a place in it."""
    view = desk.put(path, text, None)
    for item in completions(view, offset):
        assert item.label
    signature(view, offset)
    hover(view, offset)
    desk.definition(view, offset)
    for span in desk.places(view, offset):
        assert span.source is not view.source or 0 <= span.start < span.end <= len(text)
    outline(view)
    lenses(view)
    assert all(first < last for first, last, _ in folds(view))
    ends = [start + length for start, length, _ in tokens(view)]
    assert ends == sorted(ends)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_half_written_texts_have_answers(path: Path) -> None:
    text, desk, draw = path.read_text(), Desk(), random.Random(path.stem)
    for end in sorted(draw.sample(range(len(text)), TRIED)):
        ask(desk, path, text[:end], end)
        hole = draw.randrange(len(text))
        ask(desk, path, text[:hole] + draw.choice(["", "(", "}", "x", "\n", '"', " = "]) + text[hole + 1 :], hole)
    end = draw.randrange(len(text))
    half = desk.put(path, text[:end], None)
    half.check(desk.texts())
    hints(half, 0, end)
    assert not any(d.slug == "internal" for d in half.check(desk.texts()).diagnostics)


def test_what_is_right_above_a_mistake_stays_alive() -> None:
    text = (ROOT / "examples" / "moons_flow.mai").read_text()
    for line in ("  repeat depth {", "  h = linear(x, ", "  y = silu(", "  return [x, "):
        broken = text.replace("  return linear(h, 2)\n", f"{line}\n")
        view = Desk().put(ROOT / "examples" / "moons_flow.mai", broken, None)
        assert {"width", "velocity", "sample", "path", "log_density"} <= set(view.names.own), line


def test_a_check_reads_a_text_once_and_repeats_calls_that_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the editor is told of the same shapes as if each call were elaborated anew."""
    path = ROOT / "examples" / "moons_flow.mai"
    repeated = list[object]()
    monkeypatch.setattr(calls, "repeat", lambda *call: repeated.append(call) or repeat(*call))
    view = Desk().put(path, path.read_text(), None)
    meaning = view.check({})
    assert repeated and meaning.program is not None and meaning.program.file is view.file
    monkeypatch.setattr(calls, "key_of", lambda *_: None)
    again = Desk().put(path, path.read_text(), None).check({})
    assert meaning.seen.forms == again.seen.forms


def test_a_letter_that_breaks_a_text_lets_its_own_declaration_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the one after it, where the end of the first is seen: what is sound around them was read before."""
    path, read = ROOT / "examples" / "moons_flow.mai", list[str]()
    text, desk, parse = path.read_text(), Desk(), Parser.parse
    desk.put(path, text, None).check(desk.texts())
    monkeypatch.setattr(Parser, "parse", lambda parser: read.append("".join(parser.text.split())) or parse(parser))
    broken = desk.put(path, text.replace("return x\n", "return x +\n", 1), None)
    assert broken.check(desk.texts()).diagnostics
    assert read and max(map(len, read)) < len("".join(text.split())) / 2


def test_calls_in_a_growing_text_are_repeated_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    net = (
        "const vocab = 8\nnet logits(x: tokens[P]) -> [P, 8] { return linear(linear(linear(embed(x, 8), 8), 8), 8) }\n"
    )
    grown = "extend x by count { next ~ categorical(logits(x)[-1])\n append next }"
    head = "export generate(prompt: tokens[P], count: int = 3) -> tokens[P + count]"
    repeated = list[object]()
    monkeypatch.setattr(calls, "repeat", lambda *call: repeated.append(call) or repeat(*call))
    assert check_text(Path("a.mai"), f"{net}{head} {{ x = prompt\n {grown}\n return x }}\n").program is not None
    assert len(repeated) == 2


@pytest.mark.parametrize("text", ["", "\n", "a\n", "é𝕏b\n𝕏", "x\n\ny"])
def test_places_are_each_others_inverse(text: str) -> None:
    source = Source("t.mai", text)
    assert [offset_of(source, place_of(source, i)) for i in range(len(text) + 1)] == [*range(len(text) + 1)]
