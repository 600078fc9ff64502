"""A check that uses what checks before it have elaborated says what a fresh one says, wherever the text was changed."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mai.compiler.editor.desk import Desk
from mai.compiler.editor.meaning import Meaning
from mai.compiler.elaborate.expressions import calls
from mai.compiler.elaborate.repeating.recording import Recording
from mai.spec.diagnostics import Diagnostic
from mai.spec.source import Span

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.mai"))
FLOW = """const width = 8

data x: [2] from moons(noise = 0.05)

layer block(h: [d]) -> [d] { return silu(linear(h, d)) }

net part(x: [2], s: []) -> [width] {
  h = linear(concat(x, s[None]), width)
  repeat 2 { h += block(h) }
  return h
}

net velocity(x: [2], s: []) -> [2] { return linear(part(x, s), 2) }

train(steps = 5) {
  x0 ~ normal([2])
  s ~ uniform(0, 1)
  minimize sum((x - x0 - velocity((1 - s) * x0 + s * x, s))^2)
}

export sample(steps: int = 20) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) }
  return x
}
"""
EDITS = (
    ("", ""),
    ("const", "# a comment\nconst"),
    ("return h\n", "return h @ h\n"),
    ("return h\n", "return hh\n"),
    ("width = 8", "width = 4"),
    ("layer block", "layer blocks"),
    ("rk4(steps)", "dopri5()"),
    ("return linear(part(x, s), 2)", "return linear(part(x, s), 3)"),
    ("export", "net unused(x: [2]) -> [8] { return part(x, 1) }\n\nexport"),
)


def place(span: Span | None) -> tuple[str, int, int] | None:
    return None if span is None else (span.source.path, span.start, span.end)


def parts_of(diagnostic: Diagnostic) -> tuple[object, ...]:
    """A diagnostic with all of its places, in numbers."""
    edits = [(e.words, [(place(c.span), c.text) for c in e.changes]) for e in diagnostic.edits]
    labels = [(place(label.span), label.text) for label in diagnostic.where]
    return diagnostic.slug, diagnostic.message, diagnostic.help, place(diagnostic.span), diagnostic.label, labels, edits


def facts(meaning: Meaning) -> tuple[object, ...]:
    """What an editor learns: messages, shapes, and what the graphs are made of."""
    program = meaning.program
    if program is None:
        return [parts_of(d) for d in meaning.diagnostics], meaning.seen.forms
    weights = [(name, w.shape, w.owner, place(w.span)) for name, w in program.weights.items()]
    graphs = [
        *program.exports.values(),
        *(t.graph for t in program.trainings),
        *(c.graph for c in program.claims.values()),
    ]
    nodes = [(n.op, n.scope, place(n.span), [(v.name, v.type) for v in n.outputs]) for g in graphs for n in g.walk()]
    noted = [[(place(key[0]), key[1], len(values)) for key, values in g.calls.items()] for g in graphs]
    named = [sorted((net, name) for net, values in g.arguments.items() for name in values.values()) for g in graphs]
    return [parts_of(d) for d in meaning.diagnostics], meaning.seen.forms, weights, nodes, noted, named


def compare(desk: Desk, path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a text after others, and by itself with every call elaborated."""
    after = facts(desk.put(path, text, None).check(desk.texts()))
    with monkeypatch.context() as patch:
        patch.setattr(calls, "key_of", lambda *_: None)
        assert after == facts(Desk().put(path, text, None).check({})), text


def test_each_kind_of_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, path = Desk(), tmp_path / "flow.mai"
    for before, after in EDITS:
        assert before in FLOW
        compare(desk, path, FLOW.replace(before, after, 1), monkeypatch)


def test_files_that_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer of another file is what that file says now, open or not."""
    layers, text = tmp_path / "layers.mai", 'import "layers.mai"\nexport f(x: [2]) -> [3] { return wide(x) }\n'
    desk = Desk()
    for inside in ("linear(x, 3)", "linear(x, 4)", "linear(tanh(x), 3)"):
        layers.write_text(f"layer wide(x: [d]) {{ return {inside} }}\n")
        compare(desk, tmp_path / "f.mai", text, monkeypatch)


def test_what_did_not_change_is_not_elaborated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = list[object]()
    monkeypatch.setattr(calls, "Recording", lambda *call: recorded.append(call) or Recording(*call))
    desk, path = Desk(), tmp_path / "flow.mai"
    counts = []
    for text in (FLOW, FLOW.replace("rk4", "euler"), FLOW.replace("return linear(part", "return 2 * linear(part")):
        recorded.clear()
        desk.put(path, text, None).check(desk.texts())
        counts.append(len(recorded))
    whole, export, net = counts
    assert export == 0 < net < whole


def test_a_line_that_is_not_finished_makes_nothing_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a part of a text does not call is not elaborated again once the text is whole."""
    desk, path, at = Desk(), tmp_path / "flow.mai", FLOW.index("\n", FLOW.index("minimize"))
    for typed in ("", " +", " + ", " + (", " + ("):
        desk.put(path, FLOW[:at] + typed + FLOW[at:], None).check(desk.texts())
    recorded = list[object]()
    monkeypatch.setattr(calls, "Recording", lambda *call: recorded.append(call) or Recording(*call))
    desk.put(path, FLOW[:at] + " + 0" + FLOW[at:], None).check(desk.texts())
    assert not recorded


def edited(text: str, draw: random.Random) -> Iterator[str]:
    """A text after one random edit after the other."""
    first = text
    while True:
        words, numbers = [*re.finditer(r"\w+|\S", text)], [*re.finditer(r"\b\d+\b", text)]
        word, number = draw.choice(words), draw.choice(numbers or words)
        lines = text.splitlines(keepends=True)
        line = draw.randrange(len(lines))
        text = draw.choice([
            text[: word.start()] + text[word.end() :],
            text[: word.start()] + draw.choice(words)[0] + text[word.end() :],
            text[: word.start()] + draw.choice(["x", "2", "(", ")", "\n"]) + text[word.start() :],
            text[: number.start()] + draw.choice(["1", "2", "8", "0"]) + text[number.end() :],
            "".join(lines[:line] + lines[line + 1 :]),
            "".join([*lines[:line], "# a comment\n", *lines[line:]]),
            first,
        ]) or first  # fmt: skip
        yield text


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_random_edits_of_every_example(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, texts = Desk(), edited(path.read_text(), random.Random(path.stem))
    for _ in range(6):
        compare(desk, path.with_name("edited.mai"), next(texts), monkeypatch)
