"""The examples of the reference: each is sound, and gives what stands there."""

from __future__ import annotations

import json
import math
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mai.compiler.editor.desk import Desk
from mai.compiler.editor.examples import result_of, results
from mai.compiler.editor.hover import hover
from mai.compiler.editor.settings.lines import settings_in
from mai.compiler.editor.settings.reference import all_settings, explained_setting
from mai.compiler.elaborate.functions.function_reference import explained, library_entries, library_text, sections
from mai.spec import library, library_names
from mai.spec.diagnostics import MaiError
from mai.spec.reference import BY_HAND, RESULTS, example_of_setting


@pytest.mark.slow
def test_every_entry_has_an_example_that_runs() -> None:
    """What is kept is what the numpy reference gives now, for all entries of all sections."""
    assert RESULTS.read_text(encoding="utf-8") == results()
    assert [entry.name for section in sections() for entry in section.entries if entry.example is None] == []


def test_what_an_example_gives_is_computed() -> None:
    """The engine that fills the page, against numbers that are known."""
    e = [math.exp(k) / sum(map(math.exp, (1, 2, 3))) for k in (1, 2, 3)]
    assert json.loads(result_of("softmax([1, 2, 3])")) == pytest.approx(e, rel=1e-3)
    assert result_of("[1, 2] > 1 and x with x: bool = true") == "[false, true]"
    assert result_of("grad(x^2, x) with x = 3") == "6"
    assert result_of("linear(x, 4) with x = [1, 2]") == "a tensor [4]"
    assert result_of("x + 1 with x: [2, 3]") == "a tensor [2, 3]"
    assert result_of("repeat 3 { x = 2 * x }") == ""
    for wrong in ("softmx([1])", "repeat 3 { x = y }", "data x: [3] from moons()"):
        with pytest.raises(MaiError):
            result_of(wrong)


def test_lines_of_data_fit_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that read files, beside such files: their columns and shapes are looked at."""
    lines = [line for line in by_hand() if line.startswith("data ") and re.search(r'"\w+(\.(csv|npz))?"', line)]
    assert len(lines) > 10
    monkeypatch.chdir(tmp_path)
    Path("houses.csv").write_text(
        "area,price,town,sold\n"
        + "".join(f"{50 + i}.5,{100 + i}.5,{'north' if i % 2 else 'south'},2024-01-{i + 1:02}\n" for i in range(20))
    )
    Path("reviews.csv").write_text("review,mood\n" + "splendid,good\nawful,bad\n" * 10)
    np.savez("points.npz", x=np.zeros((6, 2), np.float32), y=np.array([0, 1, 2] * 2))
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (40, 30)).save(tmp_path / "pets" / name / "1.png")
    for line in lines:
        assert result_of(line) == ""
    with pytest.raises(MaiError, match="acre"):
        result_of('data acre: [] from table("houses.csv")')


def by_hand() -> list[str]:
    return [line for own in tomllib.loads(BY_HAND.read_text(encoding="utf-8")).values() for line in own.values()]


def test_every_setting_has_a_line_that_shows_it() -> None:
    """And hover, `mai explain` and the page show it; what a model refuses is no setting of it."""
    settings = {f"{taker}.{name}": example_of_setting(taker, name) for name, _, taker in all_settings()}
    assert [name for name, line in settings.items() if line is None] == ["any spec with `tokens`.vocab"]
    assert {name for name, line in settings.items() if line and name not in settings_in(line.code)} == set()
    assert "for example: train(steps = 2000, optimizer = sgd(lr = 0.1" in (explained_setting("nesterov") or "")
    text = "train(steps = 10, schedule = linear(final = 0.1)) { minimize 1 }\n"
    said = hover(Desk().put(Path("a.mai"), text, None), text.index("final"))
    assert said is not None and "schedule = linear(warmup = 100, final = 0.1)" in said.text
    assert not {"series.rest", "series.needs", "examples.without"} & {*settings} and "table.rest" in settings


def test_the_terminal_shows_them() -> None:
    assert "for example: softmax([1, 2, 3]) gives [0.09003, 0.2447, 0.6652]" in (explained("softmax") or "")
    conv = explained("conv") or ""
    assert "groups = 1, init" in conv and conv.count("(") == conv.count(")")


@pytest.mark.parametrize("name", library_names())
def test_a_library_and_each_of_its_layers_are_explained(name: str) -> None:
    written = re.findall(r"^layer ([a-z]\w*)", library(name).read_text(encoding="utf-8"), re.MULTILINE)
    note, entries = library_entries(name)
    assert [entry.name for entry in entries] == written and f'import "{name}"' in note
    assert all(entry.says and entry.form in (library_text(name) or "") for entry in entries)
    assert all(f'(import "{name}")' in (library_text(layer) or "") for layer in written)
