"""Specs of language 1.0 are still sound, and mean the same: their parameters, what their exports take and give.

`language_1` holds them as they were when 1.0 was written; nothing there is ever written anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import mai
from mai.compiler.check import check
from mai.compiler.ir.graph import Graph
from mai.compiler.program import Program
from mai.spec.words import WORDS

HERE = Path(__file__).parent / f"language_{mai.__language__.split('.')[0]}"
SPECS = sorted(HERE.glob("*.mai"))
MEANINGS = HERE / "meanings.json"


def meaning(program: Program) -> dict[str, object]:
    """What others hold on to: names and shapes of parameters, and each export's inputs, settings with their defaults, and results."""
    weights = {name: str(weight.shape) for name, weight in sorted(program.weights.items())}
    return {"parameters": weights, "exports": {name: _face(graph) for name, graph in sorted(program.exports.items())}}


def _face(graph: Graph) -> dict[str, object]:
    return {
        "inputs": {value.name: str(value.type) for value in graph.inputs},
        "settings": {name: setting.default for name, setting in graph.settings.items()},
        "results": [str(value.type) for value in graph.outputs],
    }


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_means_what_it_meant(path: Path) -> None:
    program = check(path).program
    assert program is not None
    assert json.loads(json.dumps(meaning(program))) == json.loads(MEANINGS.read_text("utf-8"))[path.stem]


def test_they_have_every_word_of_the_language() -> None:
    text = re.sub(r"#.*", "", "\n".join(path.read_text("utf-8") for path in SPECS))
    assert {word.text for word in WORDS} <= set(re.findall(r"\w+", text))
