"""Examples typed letter by letter into the real server: it answers at every stop, and what it says is what a fresh check of that text says."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mai.compiler.check import look_at
from mai.compiler.editor.convert import place_and_words
from mai.compiler.editor.desk import Desk
from mai.compiler.editor.outline import hints, outline, tokens
from mai.compiler.editor.view import View
from mai.spec.source import Source
from tests.support.language_client import LanguageClient

pytest.importorskip("pygls")
ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.mai"))
QUESTIONS = ("completion", "signatureHelp", "definition", "documentHighlight", "hover")
BURST = 8  # letters at most that come in one message
STOPS = 2  # of each example: where everything is asked, and compared; and at its end


def fresh(path: Path, text: str) -> View:
    """A text as somebody sees it who opens it now."""
    desk = Desk()
    view = desk.put(path, text, None)
    view.check(desk.texts())
    return view


def compare(client: LanguageClient, uri: str, path: Path, text: str) -> None:
    """What the server says of a text, and what is said of it afresh."""
    view = fresh(path, text)
    said = sorted(d["message"] for d in client.diagnostics(uri))
    assert view.meaning is not None
    assert said == sorted(place_and_words(view, d)[1] for d in view.meaning.diagnostics)
    assert not any(d["code"] == "internal" for d in client.diagnostics(uri))
    assert [h["label"] for h in client.whole(uri, "inlayHint")] == [h.text for h in hints(view, 0, len(text))]
    assert [s["name"] for s in client.whole(uri, "documentSymbol")] == [entry.name for entry in outline(view)]
    assert client.whole(uri, "semanticTokens/full")["data"][2::5] == [length for _, length, _ in tokens(view)]


def put(client: LanguageClient, uri: str, text: str, draw: random.Random) -> None:
    """Type a text from its first letter to its last, some letters at a time, with a mistake here and there that is taken back."""
    path, end = Path(uri.removeprefix("file://")), 0
    stops = {*draw.sample(range(1, len(text)), STOPS), len(text)}
    while end < len(text):
        begin, end = end, min(end + draw.randint(1, BURST), *(stop for stop in stops if stop > end))
        written = text[:end]
        client.type(uri, text[:begin], text[begin:end])
        if end not in stops:
            continue
        for question in QUESTIONS:
            client.at_offset(uri, question, written, end)
        compare(client, uri, path, written)
        wrong = draw.choice('({[}="x\n')
        client.type(uri, written, wrong)
        client.at_offset(uri, "completion", written + wrong, end + 1)
        client.erase(uri, written + wrong)


def type_example(client: LanguageClient, example: Path, text: str, folder: Path) -> None:
    uri = client.open(folder / f"typed_{example.name}", "")
    put(client, uri, text, random.Random(example.stem))
    compare(client, uri, folder / f"typed_{example.name}", text)
    client.tell("textDocument/didClose", {"textDocument": {"uri": uri}})


def test_the_beginning_of_an_example(client: LanguageClient) -> None:
    example = ROOT / "examples" / "gan.mai"
    type_example(client, example, example.read_text()[:400], example.parent)


@pytest.mark.slow
def test_every_example(client: LanguageClient) -> None:
    for example in EXAMPLES:
        type_example(client, example, example.read_text(), example.parent)


def test_a_fresh_check_is_that_of_the_command() -> None:
    """What the others are compared with is not the server's own."""
    path = ROOT / "examples" / "gan.mai"
    text = path.read_text().replace("leaky_relu", "leeky_relu", 1)
    view = fresh(path, text)
    assert view.meaning is not None
    diagnostics = look_at(path, texts={str(path): Source(str(path), text, path.name)}).diagnostics
    assert [d.message for d in view.meaning.diagnostics] == [d.message for d in diagnostics] != []
