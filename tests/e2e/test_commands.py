"""The command line as people use it, each example from text to pictures."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.training.run.resume_command import resume_command
from mai.runtime import load
from mai.spec import starters
from tests.support.command import run_command as mai

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TRAINED = {
    "mlp": ["classify"],
    "cnn": ["classify"],
    "resnet": ["classify"],
    "two_layer": ["predict"],
    "moons_flow": ["sample", "path", "log_density"],
    "normalizing_flow": ["density", "sample"],
    "neural_ode": ["classify"],
    "diffusion": ["sample", "ddim"],
    "score": ["sample", "flow", "log_density"],
    "digits_unet": ["sample"],
    "dit": ["sample"],
    "vit": ["classify"],
    "sinkformer": ["classify"],
    "gan": ["sample"],
    "transport": ["sample"],
    "ot_flow": ["sample", "energy"],
    "char_gpt": ["score"],
}
SETS = {
    "digits_unet": ["c=8"],
    "dit": ["d=24", "depth=1"],
    "resnet": ["L=4"],
    "char_gpt": ["d=12", "depth=1", "context=32"],
    "transport": ["N=16"],
}


@pytest.mark.parametrize("name", TRAINED)
def test_check_train_compile_run(name: str, tmp_path: Path) -> None:
    sets = [word for setting in SETS.get(name, []) for word in ("--set", setting)]
    spec = EXAMPLES / f"{name}.mai"
    mai("check", spec, *sets)
    done = mai("train", spec, "--out", tmp_path, "--steps", 3, "--batch", 4, *sets)
    for export in TRAINED[name]:
        path = tmp_path / f"{name}.{export}.onnx"
        assert f"wrote {path}" in done.stdout
        model = load(path, providers="cpu")
        assert model.manifest.trained_steps == 3
        assert model.spec == spec.read_text()
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 3


def test_a_spec_without_exports_says_so(tmp_path: Path) -> None:
    spec = tmp_path / "a.mai"
    net = "net f(x: [2]) -> [2] { return linear(x, 2) }\n"
    spec.write_text(f"data x: [2] from moons()\n{net}train(steps = 2) {{ minimize sum((f(x) - x)^2) }}\n")
    assert "note: no exports: nothing is compiled" in mai("train", spec, "--out", tmp_path / "run").stderr
    assert "note: no exports: nothing is compiled" in mai("compile", spec, "--out", tmp_path / "run").stderr


def test_reflow_learns_from_the_first_flow(tmp_path: Path) -> None:
    first, spec = tmp_path / "moons_flow.path.onnx", EXAMPLES / "reflow.mai"
    mai("compile", EXAMPLES / "moons_flow.mai", "--out", tmp_path, "--export", "path", "--set", "width=8")
    mai("train", spec, "--out", tmp_path, "--steps", 3, "--batch", 4, "--data", first)
    assert load(tmp_path / "reflow.sample.onnx", providers="cpu")(batch=5, steps=2).shape == (5, 2)
    done = mai("train", spec, "--out", tmp_path, "--steps", 3, "--data", tmp_path / "reflow.sample.onnx", code=1)
    assert "`path` is [21, 2] in the spec and [2] in the data" in done.stderr


def test_all_examples_check_at_once() -> None:
    done = mai("check", *sorted(EXAMPLES.glob("*.mai")))
    assert done.stdout.count("sound") == len(list(EXAMPLES.glob("*.mai")))


def test_run_makes_pictures_and_files(tmp_path: Path) -> None:
    mai(
        "compile",
        EXAMPLES / "moons_flow.mai",
        "--out",
        tmp_path,
        "--export",
        "sample",
        "--export",
        "path",
        "--set",
        "width=8",
    )
    sample, path = tmp_path / "moons_flow.sample.onnx", tmp_path / "moons_flow.path.onnx"
    for name in ("a.png", "a.svg", "a.npz", "a.npy", "a.csv", "a.json"):
        mai("run", sample, "--batch", 20, "--seed", 1, "--out", tmp_path / name)
        assert (tmp_path / name).stat().st_size > 100
    mai("run", path, "--batch", 5, "--steps", 4, "--out", tmp_path / "p.png")
    points = np.load(tmp_path / "a.npy")
    assert points.shape == (20, 2)
    np.testing.assert_allclose(np.array(json.loads((tmp_path / "a.json").read_text())["sample"]), points, rtol=1e-6)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1), points, rtol=1e-6)
    assert "at least 1" in mai("run", sample, "--steps", 0, code=1).stderr
    assert "did you mean `steps`?" in mai("run", sample, "step=3", code=1).stderr
    assert "gives no text" in mai("run", sample, "--out", tmp_path / "a.txt", code=1).stderr
    assert "mai compile" in mai("run", EXAMPLES / "moons_flow.mai", code=1).stderr
    assert "cannot write .xyz" in mai("run", sample, "--out", tmp_path / "a.xyz", code=1).stderr
    assert "steps" in mai("info", sample).stdout
    assert json.loads(mai("info", sample, "--json").stdout)["export"] == "sample"


def test_show_emits_every_stage(tmp_path: Path) -> None:
    spec = EXAMPLES / "moons_flow.mai"
    assert "544,002 parameters" in mai("show", spec).stdout
    for stage, word in (
        ("ast", "Integrate"),
        ("ir", "integrate("),
        ("torch", "class Sample"),
        ("onnx", "Loop"),
        ("diagram", "flowchart"),
    ):
        assert word in mai("show", spec, "--emit", stage).stdout
    mai("show", spec, "--emit", "diagram", "--out", tmp_path / "d.svg")
    assert (tmp_path / "d.svg").read_text().startswith("<svg")
    assert "summary" in mai("show", spec, "--emit", "everything", code=1).stderr


def test_new_specs_check(tmp_path: Path) -> None:
    assert list(starters()) == ["flow", "classifier", "images"]
    for kind in starters():
        mai("new", tmp_path / f"{kind}.mai", "--kind", kind)
        mai("check", tmp_path / f"{kind}.mai")


def test_a_typo_is_pointed_at(tmp_path: Path) -> None:
    spec = tmp_path / "typo.mai"
    spec.write_text((EXAMPLES / "mlp.mai").read_text().replace("relu(linear(h, width))", "relu(linear(h, widht))"))
    done = mai("check", spec, code=1)
    assert "typo.mai:8:22" in done.stderr
    assert "did you mean `width`?" in done.stderr
    (record,) = json.loads(mai("check", spec, "--format", "json", code=1).stdout)
    assert (record["slug"], record["start"]["line"], record["start"]["column"]) == ("unknown-name", 8, 22)


def test_explain() -> None:
    assert "mapped over P" in mai("explain", "shape-mismatch").stdout
    assert "compile-mismatch" in mai("explain").stdout


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mai.runtime.cli",
        "train",
        EXAMPLES / "mlp.mai",
        "--out",
        tmp_path,
        "--steps",
        "100000",
        "--set",
        "width=16",
        "--batch",
        "8",
        "--quiet",
    ]
    running = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, env={**os.environ})
    deadline = time.monotonic() + 120
    while not (tmp_path / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert list(tmp_path.glob("checkpoint-*.safetensors"))
    _, _, resumed = said.partition("Go on with: mai ")
    assert "trained for" in mai(*shlex.split(resumed), "--steps", 1).stderr


def test_the_command_that_goes_on_has_all_that_was_given() -> None:
    options = {"set": ["width=16", "layers.d=2"], "steps": 9, "seed": 0, "batch": None, "data": [Path("a b.csv")]}
    command = resume_command("x.mai", Path("runs/x"), **options, track=["tensorboard"], quiet=False, debug_nan=True)
    assert command == (
        "mai train x.mai --out runs/x --set width=16 --set layers.d=2 --steps 9 --seed 0 --data 'a b.csv' "
        "--track tensorboard --debug-nan --resume"
    )
