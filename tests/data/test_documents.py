"""Texts as people have them: a file, several, a folder, a pattern, packed, in other letters, rows of a table; or refused with the place."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from mai.compiler.check import check_text
from mai.compiler.data.source_kinds import Corpus, Request
from mai.compiler.data.sources.text import Bpe, Text
from mai.compiler.describing.texts import summarise_texts
from mai.spec.diagnostics import MaiError

FIRST, SECOND = "The first text, of some letters.\nIt has two lines.", "Der zweite: Übung, naïve Löffel."
BOTH = f"{FIRST}\n\n{SECOND}"
ROWS = [{"text": FIRST, "n": 1}, {"text": SECOND, "n": 2}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def read(folder: Path, files: tuple[str, ...] = (), **settings: object) -> tuple[str, Corpus]:
    """The text of a source, from its bytes."""
    corpus = Text.of(settings).read(Request(folder, [Path(f) for f in files], 0))
    assert isinstance(corpus, Corpus)
    return bytes(corpus.tokens.astype(np.uint8)).decode(errors="replace"), corpus


FILES: dict[str, Callable[[Path], object]] = {
    "a.txt": lambda p: p.write_text(BOTH),
    "a.md": lambda p: p.write_text(BOTH),
    "a.txt.gz": lambda p: p.write_bytes(gzip.compress(BOTH.encode())),
    "a.jsonl": lambda p: p.write_text(LINES),
    "a.jsonl.gz": lambda p: p.write_bytes(gzip.compress(LINES.encode())),
    "a.csv": lambda p: p.write_text(f'n,text\n1,"{FIRST}"\n2,"{SECOND}"\n'),
    "a.parquet": lambda p: parquet.write_table(pa.Table.from_pylist(ROWS), p),
    "a.feather": lambda p: feather.write_feather(pa.Table.from_pylist(ROWS), p),
}


@pytest.mark.parametrize("name", FILES)
def test_every_form_is_the_same_text(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path / name)
    assert read(tmp_path, path=name)[0] == BOTH
    assert read(tmp_path, (name,))[0] == BOTH, "as a file of --data"


def test_several_files_a_folder_and_a_pattern(tmp_path: Path) -> None:
    inside = tmp_path / "texts"
    inside.mkdir()
    (inside / "b.txt").write_text(SECOND)
    (inside / "a.txt").write_text(FIRST)
    (inside / "notes.pdf").write_bytes(b"%PDF")
    assert read(tmp_path, path="texts")[0] == BOTH
    assert read(tmp_path, path="texts/*.txt")[0] == BOTH
    assert read(tmp_path, path=("texts/b.txt", "texts/a.txt"))[0] == f"{SECOND}\n\n{FIRST}"
    assert read(tmp_path, ("texts",))[0] == BOTH


def test_a_column_of_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINES.replace('"text"', '"story"'))
    assert read(tmp_path, path="a.jsonl", field="story")[0] == BOTH


@pytest.mark.parametrize(
    ("encoding", "stated", "noted"),
    [("latin-1", None, True), ("latin-1", "latin-1", False), ("utf-16", None, False), ("utf-8-sig", None, False)],
)
def test_letters_of_other_encodings(encoding: str, stated: str | None, noted: bool, tmp_path: Path) -> None:
    """They are found, and told, or said; what a tokenizer gets is never a text with letters replaced."""
    (tmp_path / "a.txt").write_bytes(BOTH.encode(encoding))
    corpus = Text.of({"path": "a.txt", "tokenizer": Bpe(vocab=300), "encoding": stated}).read(Request(tmp_path, [], 0))
    assert isinstance(corpus, Corpus)
    from mai.runtime.text.tokenizer import tokenizer_of

    assert tokenizer_of(corpus.tokenizer).decode(corpus.tokens.tolist()) == BOTH
    assert any("line 4" in note and "Windows-1252" in note for note in corpus.notes) is noted


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_bytes_of_a_text_that_names_its_encoding_are_its_letters(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(BOTH.encode(encoding))
    (tmp_path / "b.txt").write_bytes(BOTH.encode("utf-8-sig"))
    assert read(tmp_path, path=("a.txt", "b.txt"))[0] == f"{BOTH}\n\n{BOTH}"
    assert summarise_texts([tmp_path / "a.txt"]).characters == len(BOTH)


def test_bytes_of_other_letters_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(BOTH.encode("latin-1"))
    _, corpus = read(tmp_path, path="a.txt")
    assert bytes(corpus.tokens.astype(np.uint8)) == BOTH.encode("latin-1")
    (note,) = corpus.notes
    assert "line 4 is no UTF-8" in note


def test_bytes_are_taken_as_they_are(tmp_path: Path) -> None:
    raw = bytes(range(256)) * 4
    (tmp_path / "a.bin").write_bytes(raw)
    corpus = read(tmp_path, path="a.bin")[1]
    assert bytes(corpus.tokens.astype(np.uint8)) == raw
    assert corpus.notes == ()


DAMAGED: dict[str, tuple[str, bytes, dict[str, object], str]] = {
    "empty": ("a.txt", b" \n", {}, "a.txt is empty"),
    "cut": ("a.txt.gz", gzip.compress(BOTH.encode())[:-9], {}, "a.txt.gz cannot be read"),
    "no such column": ("a.jsonl", LINES.encode(), {"field": "story"}, "has no `story`; it has text, n"),
    "no text": ("a.jsonl", b'{"text": "a"}\n{"text": null}\n', {}, "row 2: `text` is nothing"),
    "a number": ("a.jsonl", b'{"text": 1}\n', {}, "row 1: `text` is no text: 1"),
    "no JSON": ("a.jsonl", LINES.encode() + b"{\n", {}, "a.jsonl"),
    "wrong encoding": (
        "a.txt",
        BOTH.encode("latin-1"),
        {"encoding": "utf-8"},
        "line 4: these bytes are no text in UTF-8",
    ),
    "no encoding": ("a.txt", BOTH.encode(), {"encoding": "klingon"}, "there is no encoding `klingon`"),
    "no text at all": ("a.txt", b"\x00\xff\xfe" * 9, {"tokenizer": Bpe(vocab=300)}, "line 1: these bytes are no text"),
    "missing": ("b.txt", b"x", {"path": "a.txt"}, "there is no file"),
    "no tokenizer": ("a.txt", b"x", {"tokenizer": "t.json"}, "there is no tokenizer"),
    "a tokenizer of no text": ("a.json", b"\xff", {"tokenizer": "a.json"}, "it is no text in utf-8: byte 1"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    file, raw, settings, message = DAMAGED[name]
    (tmp_path / file).write_bytes(raw)
    with pytest.raises(MaiError) as caught:
        read(tmp_path, **{"path": file} | settings)
    words = caught.value.diagnostics[0].message
    assert message in words and "Errno" not in words


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('text("notes/a.txt")', '`text` has its tokenizer before the path: `text(bytes, "notes/a.txt")`'),
        ("text(byte)", "`text` needs a tokenizer: `bytes`, `bpe(vocab = 4096)`, or the path of a .json file"),
    ],
)
def test_a_tokenizer_that_is_none_is_refused(call: str, message: str, tmp_path: Path) -> None:
    checked = check_text(tmp_path / "a.mai", f"const vocab = 256\ndata x: tokens[8] from {call}\n")
    assert [d.message for d in checked.diagnostics] == [message]
