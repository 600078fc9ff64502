"""`mai examples`: all of them are listed, and a copy has what it reads and the commands that it is drawn by."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.spec.examples import FOLDER, commands_for_copy, companions, copies, examples, lacking
from tests.support.command import invoke

READ = re.compile(r"@([\w/]+\.\w+)")
MADE = re.compile(r"--out (\S+)$")


def test_every_example_is_listed_once_with_a_sentence() -> None:
    every = examples()
    assert sorted(every) == sorted(str(f.relative_to(FOLDER).with_suffix("")) for f in FOLDER.rglob("*.mai"))
    listed = invoke("examples").stdout
    for name, example in every.items():
        assert re.search(rf"^  {name} ", listed, re.MULTILINE) and example.says.endswith(".")
        assert 20 < len(example.says) < 250 and not example.says.startswith("#")


@pytest.mark.parametrize(
    "name", [e.name for e in examples().values() if any(f.suffix != ".png" for f in companions(e))]
)
def test_a_copy_has_what_its_commands_read(name: str, tmp_path: Path) -> None:
    example = examples()[name]
    files = {str(file.relative_to(tmp_path)) for file in copies(example, tmp_path / "a")}
    typed = commands_for_copy(example, Path("a"))
    assert typed[0].split()[1] in files
    for command in typed:
        assert set(READ.findall(command)) <= files and "examples/" not in command and "gallery" not in command
        files |= set(MADE.findall(command))


@pytest.mark.parametrize(
    "name", ["reflow", "fourier_operator", "gaussian_process", "papers/wavenet", "papers/latent_ode"]
)
def test_a_copy_checks(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke("examples", name)
    spec = examples()[name].path.name
    assert done.exit_code == 0 and f"mai train {Path(spec).stem}/{spec}" in done.stdout
    assert check(tmp_path / Path(spec).stem / spec).program is not None
    (tmp_path / Path(spec).stem / spec).write_text("# mine\n", encoding="utf-8")
    done = invoke("examples", name)
    assert done.exit_code and "is there already" in done.stderr
    assert invoke("examples", name, "--force").exit_code == 0


def test_what_is_no_example_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words, said in (
        (("examples", "moons_flo"), "moons_flow"),
        (("examples", "mamba"), "papers/mamba or zoo/mamba"),
        (("new", "a.mai", "--kind", "moons"), "mai examples"),
    ):
        done = invoke(*words)
        assert done.exit_code and said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_spec_begins_as_an_example(tmp_path: Path) -> None:
    """With the data beside it and no pictures; weights that an example reads are named."""
    done = invoke("new", tmp_path / "mine.mai", "--kind", "wavenet")
    assert done.exit_code == 0 and {f.name for f in tmp_path.iterdir()} == {"mine.mai", "waves.npz", "waves.py"}
    assert check(tmp_path / "mine.mai").program is not None
    assert "mai compile" in invoke("new", tmp_path / "way.mai", "--kind", "attention_flow").stdout
    assert lacking(examples()["zoo/gpt2"]) == ["model.safetensors"] and lacking(examples()["mlp"]) == []
