"""`mai run` and `mai info`, also where nothing but the runtime is installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mai.runtime.cli import EXTRAS, PACKAGES
from mai.runtime.command_line.markers import Misuse
from mai.runtime.model.manifest import MANIFEST_KEY, Port
from mai.runtime.show.description import origin
from tests.support.cases.small_files import build, manifest

Write = Callable[..., Path]
TRAINING = [
    "torch",
    "lark",
    "onnx",
    "onnx_ir",
    "onnxscript",
    "accelerate",
    "safetensors",
    "sklearn",
    "matplotlib",
    "scipy",
    "starlette",
]
BARE = f"""
import sys
for name in {TRAINING}: sys.modules[name] = None
from mai.runtime.cli import main
main()
"""


def bare(*words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The command in an interpreter that has the runtime's own dependencies and nothing else."""
    command = [sys.executable, "-c", BARE, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_run_shows_or_saves(counting: onnx.ModelProto, write: Write, tmp_path: Path) -> None:
    path = write(counting)
    done = bare("run", path, "--batch", "3", "--seed", "4")
    assert "3 examples in" in done.stderr
    assert "f: float32 [3, 2]" in done.stdout
    assert "mean 5," in done.stdout
    bare("run", path, "--batch", "3", "seed=4", "--out", tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").tolist() == [[4, 4], [5, 5], [6, 6]]
    assert "as a word and as --seed" in bare("run", path, "--seed", "3", "seed=4", code=1).stderr


def test_run_takes_inputs(shifted: onnx.ModelProto, write: Write, tmp_path: Path) -> None:
    bare("run", write(shifted), "x=[1, 2]", "y=0..2", "--batch", "4", "scale=10", "--out", tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text())["f"] == [[10, 20], [11, 21], [12, 22], [10, 20]]


def test_a_reader_that_has_read_enough_ends_a_command_without_a_word(shifted: onnx.ModelProto, write: Write) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "mai", "info", str(write(shifted))]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({}, "untrained"),
        ({"weights_from": "m.safetensors"}, "weights of m.safetensors"),
        ({"trained_steps": 1200, "weights_from": "m.safetensors"}, "trained for 1,200 steps from m.safetensors"),
        ({"trained_steps": 7, "trained_blocks": {"a": 3, "b": 4}}, "trained for 7 steps (a 3, b 4)"),
    ],
)
def test_info_tells_where_weights_come_from(properties: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"")
    assert f", {said}; made by" in origin(manifest([], [], []).model_copy(update=properties), path)


@pytest.mark.slow
def test_info(shifted: onnx.ModelProto, write: Write) -> None:
    path = write(shifted)
    said = bare("info", path).stdout
    assert "small.f: A file for tests." in said
    assert "int64 [batch], from 0 to 9" in said
    assert "float32 [] = 2.0, at least 0" in said
    assert json.loads(bare("info", path, "--json").stdout)["opset"] == 23
    assert bare("info", path, "--spec").stdout.startswith("# A file for tests.")


def test_info_tells_the_sizes_that_are_taken(paired: onnx.ModelProto, write: Write) -> None:
    record = json.loads(next(p.value for p in paired.metadata_props if p.key == MANIFEST_KEY))
    onnx.helper.set_model_props(paired, {MANIFEST_KEY: json.dumps({**record, "least": {"P": 2}, "most": {"P": 257}})})
    assert "  sizes     P              from 2 to 257\n" in bare("info", write(paired)).stdout


@pytest.mark.parametrize(("names", "shown"), [([], "0, 2, 1"), (["cat", "dog", "eel"], "cat, eel, dog")])
def test_labels_are_shown_without_a_mean(names: list[str], shown: str, write: Write) -> None:
    taken = Port(name="y", kind="input", dtype="int64", batch=True, minimum=0, maximum=2, classes=3, field="kind")
    port = Port(name="same", kind="output", dtype="int64", batch=True, classes=3, field="kind")
    described = manifest([taken], [], [port]).model_copy(update={"labels": {"kind": names} if names else {}})
    path = write(build(described, [onnx.helper.make_node("Identity", ["y"], ["same"])]))
    assert bare("run", path, "y=[0, 2, 1]").stdout == f"same: int64 [3]\n  {shown}\n"
    if names:
        assert bare("run", path, 'y=["cat", "eel", "dog"]').stdout.endswith(f"  {shown}\n")


@pytest.mark.parametrize(
    ("value", "shown"), [("true, false", "50.0% are true\n  [[ True False]]"), ("false, false", "0.0%")]
)
def test_truths_are_no_probabilities(value: str, shown: str, write: Write) -> None:
    taken = Port(name="y", kind="input", dtype="bool", shape=[2], batch=True)
    port = taken.model_copy(update={"kind": "output", "name": "same"})
    path = write(build(manifest([taken], [], [port]), [onnx.helper.make_node("Identity", ["y"], ["same"])]))
    assert shown in bare("run", path, f"y=[[{value}]]").stdout


def test_info_puts_labels_with_commas_into_quotes(write: Write) -> None:
    taken = Port(name="y", kind="input", dtype="int64", batch=True, minimum=0, maximum=1, classes=2)
    described = manifest([taken], [], [taken.model_copy(update={"kind": "output", "name": "same"})])
    described = described.model_copy(update={"labels": {"y": ["Oslo, Norway", "Rome"]}})
    path = write(build(described, [onnx.helper.make_node("Identity", ["y"], ["same"])]))
    assert '"Oslo, Norway", Rome\n' in bare("info", path).stdout


WRONG = [
    (["x=[1, 2]"], "error[input-missing]: the input `y` is missing"),
    (["x=[1, 2]", "y=3", "scael=1"], "did you mean `scale`?"),
    (["x=[1, 2]", "3"], "`3` is no input (write name=value, as in y=3)"),
    (["x=[1, 2]", "other.onnx"], "`other.onnx` is no input (a command takes one compiled file)"),
    (["x=[1, 2]", "y=3", "y=4"], "`y` is given twice (several examples: y=[..., ...])"),
    (["x=[1, 2]", "y=10"], "error[input-range]"),
    (["x=[1, 2]", "y=cat"], "error[input-dtype]: `y` takes numbers: this file has no names of its labels"),
    (["x=[1, 2]", 'y=["cat", 1]'], "error[input-dtype]: `y` mixes names and numbers: `cat` and `1`"),
    (["x=[1, 2]", "y=3", "--seed", "1"], "no input or setting `seed`"),
    (["x=[1, 2]", "y=3", "--batch", "0"], "`batch` is at least 1"),
    (["x=[1, 2]", "y=3", "--threads", "0"], "threads is at least 1"),
    (["x=[1, 2]", "y=3", "--provider", "tpu"], "cpu or cuda"),
    (["x=[1, [2]]", "y=3"], "rows differ in length"),
    (["x=[1, 2]", "y=3", "--out", "x.xyz"], "error[out-unknown]: mai cannot write .xyz"),
    (["x=[1, 2]", "y=3", "--out", "x.png"], "pictures need matplotlib"),
    (["x=[1, 2]", "y=3", "--out", "x.gif"], "error[not-a-path]: `f` is no path"),
    (["x=[1, 2]", "y=3", "--range", "1"], "error[input-dtype]: `1` is no range of numbers"),
    (["x=0..1:2000", "y=3"], "error[input-range]: `x=0..1:2000` is more than 1,000,000 examples"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_is_told_in_a_line(words: list[str], said: str, shifted: onnx.ModelProto, write: Write) -> None:
    done = bare("run", write(shifted), *words, code=1)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_file_that_is_none(tmp_path: Path, write: Write) -> None:
    assert "error[model-not-found]" in bare("run", tmp_path / "none.onnx", code=1).stderr
    assert "error[model-foreign]" in bare("info", write(b"hello"), code=1).stderr


def test_drawing_records_that_are_none(tmp_path: Path) -> None:
    assert "error[file-not-found]" in bare("draw", tmp_path, "--out", tmp_path / "x.png", code=1).stderr
    assert "error[out-unknown]" in bare("draw", tmp_path, "--out", tmp_path / "x.npy", code=1).stderr
    (tmp_path / "records.npz").write_bytes(b"hello")
    assert "error[not-a-path]" in bare("draw", tmp_path, "--out", tmp_path / "x.gif", code=1).stderr


@pytest.mark.slow
def test_the_verbs_of_the_compiler_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # Where no parser's tables are kept yet.
    spec = tmp_path / "a.mai"
    spec.write_text("export f(x: [2]) -> [2] { return x }\n", encoding="utf-8")
    for verb in ("check", "show", "train", "compile"):
        said = bare(verb, spec, code=1).stderr
        assert "pip install 'mai-lang[train]', or '.[train]' in a clone of mai" in said
        assert re.search(r"error: this needs ([\w-]+), which is not installed\nhelp: .*; pip install \1 brings", said)
    said = bare("serve", spec, code=1).stderr
    assert said.startswith(
        "error: this needs starlette, which is not installed\nhelp: pip install 'mai-lang[serve]', or '.[serve]'"
    )


@pytest.mark.parametrize("extra", ["train", "serve"])
def test_every_package_of_an_extra_is_told_with_one(extra: str) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = {re.split("[<>=]", needed)[0] for needed in project["optional-dependencies"][extra]}
    assert packages <= {PACKAGES.get(name, name) for name in EXTRAS}


def test_what_an_option_and_what_a_file_has_wrong_is_told_apart() -> None:
    option, file = Misuse("--wait 0: no", help="write 1"), Misuse("a.mai is there already")
    assert (option.of("mai new").message, option.of("mai new").help) == ("invalid value: --wait 0: no", "write 1")
    assert (file.of("mai new").message, file.of("mai new").command) == ("a.mai is there already", "mai new")
