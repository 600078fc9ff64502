"""The gallery speaks of every example, and its page and pictures are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gallery import __main__ as gallery
from benchmarks.gallery.page import quoted, write_page
from benchmarks.gallery.rows import ROWS, Row, Shot
from benchmarks.twins.__main__ import TWINS, figures

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.mai"))
PICTURES = ROOT / "examples" / "pictures"
EXACT = 1e-5  # An error that files have by their seven digits.


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_is_short_and_has_a_row(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 90
    (row,) = [row for row in ROWS if row.name == path.stem]
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert quoted(text, row.shows) and f"({path.name})\n\n```\n{quoted(text, row.shows)}\n```" in page


def test_pictures_are_small_and_each_has_its_command() -> None:
    record = json.loads((PICTURES / "made.json").read_text(encoding="utf-8"))
    files = {p.name for p in PICTURES.iterdir()} - {"made.json"}
    assert files == set(record) <= {shot.file for row in ROWS for shot in row.shots}
    assert sum(p.stat().st_size for p in PICTURES.iterdir()) < 3_000_000
    for name, fields in record.items():
        assert fields["commands"][-1].endswith(f"--out examples/pictures/{name}")


def test_twins_have_their_figures() -> None:
    """Every twin was trained, and its example comes as near as it, but for luck."""
    kept, rows = figures(), {row.name for row in ROWS}
    assert set(kept) == {twin.key for twin in TWINS}
    shown, listed = ((ROOT / page).read_text(encoding="utf-8") for page in ("examples/README.md", "docs/papers.md"))
    for twin in TWINS:
        record = kept[twin.key]
        assert f"| {record['says']} | {record['mai']:.3g} | {record['torch']:.3g} |" in listed
        assert twin.spec not in rows or f"The {record['says']}: {record['mai']:.3g};" in shown
        assert record["mai"] < EXACT or 0.4 < record["mai"] / record["torch"] < 2.5


def test_what_is_trained_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one text: whole runs stand for quick ones, quick ones do not stand for whole ones; a new text begins anew."""
    monkeypatch.setattr(gallery, "ROOT", tmp_path)
    said: list[str] = []

    def mai(command: str) -> None:
        said.append(command)
        if command.startswith("train"):
            (tmp_path / command.split()[3] / "weights.safetensors").touch()

    monkeypatch.setattr(gallery, "mai", mai)
    spec = tmp_path / "examples" / "a.mai"
    spec.parent.mkdir()
    spec.write_text("# one", encoding="utf-8")
    row = Row("a", "", "", "", (Shot("a.png", "run {f} --out {out}"),), quick=7)
    assert gallery.trained(row, True) == Path("runs/gallery/quick/a")
    assert said.pop() == "train examples/a.mai --out runs/gallery/quick/a --steps 7 --quiet"
    assert gallery.trained(row, True) and said.pop().startswith("compile")
    assert gallery.trained(row, False) == Path("runs/gallery/a")
    assert said.pop() == "train examples/a.mai --out runs/gallery/a --quiet"
    (tmp_path / "runs/gallery/a/weights.safetensors").rename(
        tmp_path / "runs/gallery/a/checkpoint-00000001.safetensors"
    )
    assert gallery.trained(row, False) == Path("runs/gallery/a")
    assert said.pop() == "train examples/a.mai --out runs/gallery/a --resume --quiet"
    assert gallery.trained(row, True) == Path("runs/gallery/a") and said.pop().startswith("compile")
    spec.write_text("# two", encoding="utf-8")
    assert gallery.trained(row, False) and said.pop().startswith("train")


@pytest.mark.slow
def test_a_command_that_fails_leaves_the_other_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        Row("bad", "", "", "", (Shot("bad.png", "run {none}"),), quick=None),
        Row(
            "good",
            "",
            "",
            "",
            (Shot("good.svg", "show {spec} --emit diagram --out {out}"),),
            quick=None,
            shows=("export",),
        ),
    )
    monkeypatch.setattr(gallery, "ROWS", rows)
    monkeypatch.setattr(gallery, "ROOT", tmp_path)
    monkeypatch.setattr(gallery, "KEPT", tmp_path / "examples" / "pictures" / "made.json")
    (tmp_path / "examples").mkdir()
    for row in rows:
        (tmp_path / "examples" / f"{row.name}.mai").write_text("export f(x: [2]) -> [2] { return x }\n")
    assert gallery.main([]) == 1
    assert (tmp_path / "examples" / "pictures" / "good.svg").stat().st_size > 100
    page = (tmp_path / "examples" / "README.md").read_text()
    assert "mai show examples/good.mai" in page and "*not made yet*" in page
    assert gallery.main(["nothing"]) == 2


def test_the_page_quotes_whole_declarations(tmp_path: Path) -> None:
    spec = "# a\nconst n = 3\n\nnet f(x: [n]) -> [n] {\n  return x      # as it is\n}\n\nexport g(x: [n]) -> [n] { return f(x) }\n"
    assert quoted(spec, ["net"]) == "net f(x: [n]) -> [n] {\n  return x\n}"
    assert quoted(spec, ["const", "export"]) == "const n = 3\n\nexport g(x: [n]) -> [n] { return f(x) }"
    long = "claim a(count = 2,\n  seeds = 3) {      # of [two\n  check b({1})\n}\nconst c = 1\n"
    assert quoted(long, ["claim"]) == "claim a(count = 2,\n  seeds = 3) {\n  check b({1})\n}"
    (tmp_path / "a.mai").write_text(spec)
    shot = Shot("a.png", "")
    row = Row("a", "A", "x = x", "It is.", (shot,))
    write_page(tmp_path, [row], {"a.png": {"training": ["train a"], "commands": ["run a"], "steps": 1200}})
    page = (tmp_path / "README.md").read_text()
    write_page(tmp_path, [row], {}, {"a": {"says": "error", "mai": 0.0123, "torch": 0.5}})
    assert (
        "The error: 0.0123; written by hand in torch and trained on the same data, 0.5."
        in (tmp_path / "README.md").read_text()
    )
    assert "$$x = x$$" in page and "Trained for 1,200 steps." in page and "mai train a\nmai run a\n" in page
