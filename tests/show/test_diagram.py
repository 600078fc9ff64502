"""The diagram of `mai show`: boxes, frames and arrows, drawn and as mermaid."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.show.blocks import Box, Frame, Panel, panels
from mai.compiler.show.diagram import Layout, mermaid, svg
from tests.support.cases.shown import NAMES, SPEC

Make = Callable[[str], Program]


def names(panel: Panel) -> list[str]:
    return [box.name for box in panel.boxes()]


def test_an_export_shows_loops_and_nets_and_a_net_its_layers(program: Make) -> None:
    go, net = panels(program(SPEC), ["go"])
    assert (go.title, net.title) == ("go", "net f")
    (loop,) = [item for item in go.items if isinstance(item, Frame)]
    assert loop.title == "euler × count"
    assert [b.name for b in loop.items if isinstance(b, Box) and b.kind == "net"] == ["f"]
    (repeat,) = [item for item in net.items if isinstance(item, Frame)]
    assert repeat.title == "repeat × 3"
    assert [b.name for b in repeat.items if isinstance(b, Box)] == ["linear", "relu +"]
    assert names(net).count("linear") == 3
    assert [b.shape for b in go.boxes() if b.kind == "output"] == ["[count + 1, 4]"]


def test_a_copied_loop_keeps_its_place_in_the_text(program: Make) -> None:
    copied = forms.prune(program(SPEC).exports["go"])
    (node,) = [n for n in copied.walk() if n.op.name == "integrate"]
    assert node.span is not None
    assert (node.span.line, node.scope) == (13, "")


def test_arrows_lead_from_what_is_read(program: Make) -> None:
    go, net = panels(program(SPEC), ["go"])
    boxes = {b.name: b for b in go.boxes()}
    assert {s.name for s in boxes["f"].sources} == {"x", "s"}
    assert boxes["z ~ normal"].sources == []
    (plus,) = [b for b in net.boxes() if b.name == "relu +"]
    first, second, _ = [b for b in net.boxes() if b.name == "linear"]
    assert set(plus.sources) == {first, second}


def test_a_net_knows_its_inputs_by_its_own_names(program: Make) -> None:
    """In the order of its parameters, whatever its callers call them; of two calls, those of the first count."""
    text = """
net f(left: [2], right: [2], when: []) -> [2] { return when * linear(right, 2) + linear(left, 2) }
export go(a: [3, 2], b: [2], c: []) -> [2] { return mean(f(relu(a), b, c), axis = 0) + f(b, exp(b), 0.5) }
"""
    _, net = panels(program(text), ["go"])
    inputs = [(b.name, b.shape) for b in net.boxes() if b.kind == "input"]
    assert inputs == [("left", "[3, 2]"), ("right", "[2]"), ("when", "[]")]


def test_a_net_called_twice_is_two_boxes_and_one_panel(example: Make) -> None:
    sample, net = panels(example("digits_unet"), ["sample"])
    assert names(sample).count("velocity") == 2
    assert names(net).count("block") == 5
    first, second = [b for b in sample.boxes() if b.name == "velocity"]
    assert first not in second.sources
    assert "y" in {s.name for s in second.sources} - {s.name for s in first.sources}


@pytest.mark.parametrize("name", [*NAMES, "llama", "neural_ode"])
def test_every_box_is_reached(name: str, example: Make) -> None:
    """All but inputs and draws come from somewhere, and from above; every output is made."""
    program = example(name)
    for panel in panels(program, list(program.exports)):
        above: set[Box] = set()
        for box in panel.boxes():
            assert box.sources or box.kind in ("input", "draw"), f"{panel.title}: {box.name or box.kind}"
            assert above.issuperset(box.sources)
            above.add(box)


@pytest.mark.parametrize("name", ["moons_flow", "digits_unet", "resnet"])
def test_the_drawing_is_sound_and_boxes_do_not_overlap(name: str, example: Make) -> None:
    program = example(name)
    drawing = ElementTree.fromstring(svg(program, list(program.exports)))
    width, height = int(drawing.attrib["width"]), int(drawing.attrib["height"])
    assert 0 < width < 4000 and 0 < height < 4000
    for panel in panels(program, list(program.exports)):
        layout = Layout(panel)
        tops = sorted(layout.tops.values())
        assert all(b - a >= 48 for a, b in pairwise(tops))
        assert tops[-1] < layout.height <= height


def test_mermaid_names_every_box_once(program: Make) -> None:
    spec = program(SPEC)
    text = mermaid(spec, ["go"])
    boxes = [b for panel in panels(spec, ["go"]) for b in panel.boxes()]
    declared = re.findall(r"^ +(b\d+)\W", text, re.MULTILINE)
    assert sorted(set(declared)) == sorted(f"b{i}" for i in range(len(boxes)))
    assert text.count("subgraph") == text.count("  end") == 4
    assert text.count("-->") == sum(len(b.sources) for b in boxes)
