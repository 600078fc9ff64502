"""Samplers some steps at a time: the bits of the whole file, how far they are, and who gives them up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions, OptionError, Trained
from mai.compiler.compiling import compile_all
from mai.compiler.onnx.export import export, export_part
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import Model, ModelError, load
from mai.runtime.model.interruption import TimeLimit
from tests.support.cases.falling import falling
from tests.support.command import invoke

NET = """const none = 3
const vocab = 256
net velocity(x: [2], s: [], y: class[4] = none) -> [2] {
  h = silu(linear(concat(x, fourier(s, 8), embed(y, 4)), 16))
  return linear(h, 2)
}
net pull(x: [2]) -> [2] { return linear(tanh(linear(x, 8)), 2) }
net moved(x: [2]) -> [2] {
  integrate s in 0..1 using euler(3) { dx/ds = pull(x) }
  return x
}
"""
Z = np.linspace(-1, 1, 24, dtype=np.float32)
RK4 = """export f(steps: int = 5) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) }
  return x
}"""
SAMPLERS: dict[str, tuple[str, dict[str, Any], int | None]] = {
    "rk4": (RK4, {"batch": 3}, 5),
    "steps_that_remember": (RK4.replace("rk4", "ab3"), {"batch": 3, "steps": 7}, 7),
    "noise": (
        """export f(steps: int = 5) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using euler_maruyama(steps) { dx = velocity(x, s) * ds + 0.5 * dW }
  return x
}""",
        {"batch": 3, "steps": 6},
        6,
    ),
    "guidance": (
        """export f(y: class[3], guidance: real = 2.0, steps: int = 5) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using heun(steps) {
    free = velocity(x, s, none)
    dx/ds = free + guidance * (velocity(x, s, y) - free)
  }
  return x
}""",
        {"y": np.array([0, 2, 1]), "guidance": 3.0},
        5,
    ),
    "grid": (
        """export f() -> [2] {
  x ~ normal([2])
  integrate s in 2..0.1 using heun(6, grid = power(7)) { dx/ds = velocity(x, s) }
  return x
}""",
        {"batch": 3},
        6,
    ),
    "repeat_with_draws": (  # A setting has the name that the file of some turns would take for its own.
        """export f(turns_now: int = 5) -> [2] {
  x ~ normal([2])
  repeat turns_now as i {
    e ~ normal([2])
    x = 0.9 * x + 0.1 * velocity(x, i / turns_now) + 0.1 * e
  }
  return x
}""",
        {"batch": 3, "turns_now": 4},
        4,
    ),
    "two_integrals": (
        """export f(z: [2], steps: int = 4) -> ([2], [2]) {
  x = z
  integrate s in 0..1 using rk4(steps) { dx/ds = pull(x) }
  half = x
  x = tanh(x)
  integrate s in 1..0 using midpoint(3) { dx/ds = velocity(x, s) }
  return (x, half)
}""",
        {"z": Z[:6].reshape(3, 2)},
        7,
    ),
    "any_size": (
        """export f(z: [N, 2], steps: int = 3) -> [N, 2] {
  x = z
  integrate s in 0..1 using euler(steps) { dx/ds = tanh(x) - mean(x, axis = 0) }
  return x
}""",
        {"z": Z.reshape(3, 4, 2)},
        3,
    ),
    "mapped": (
        """export f(z: [4, 2]) -> [4, 2] { return moved(z) }""",
        {"z": Z.reshape(3, 4, 2)},
        3,
    ),
    "until": (
        falling("f", steps=20),
        {"height": np.array([1.0, 5.0, 40.0], np.float32), "steps": 40},
        None,
    ),
}
REFUSED = {
    "path": (
        """export f(steps: int = 5) -> [steps + 1, 2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = pull(x) } keep x as xs
  return xs
}""",
        "it keeps a path",
    ),
    "own_steps": (
        """export f() -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using dopri5 { dx/ds = pull(x) }
  return x
}""",
        "chooses its steps",
    ),
    "no_loop": ("export f(x: [2]) -> [2] { return pull(x) }", "it has no loop"),
    "text": (
        """export f(x: tokens[P], n: int = 4) -> tokens[P + n] {
  t = x
  extend t by n {
    next ~ categorical(one_hot(t[-1], 256))
    append next
  }
  return t
}""",
        "it grows a text",
    ),
}
Made = Callable[[str], Program]


def two_files(program: Program, folder: Path, name: str = "f", **options: Any) -> Model:
    """The whole file, opened, with that of some turns beside it."""
    trained, chosen = Trained(load_weights(program, None, 0)[0]), CompileOptions(**options)
    whole = export(program, name, trained, folder, replace(chosen, verify=False))
    export_part(program, name, trained, folder, chosen, whole=whole)
    return load(whole.path, providers="cpu", threads=1)


def same(model: Model, one: Any, other: Any) -> None:
    one, other = model.by_output(one), model.by_output(other)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], strict=True)


@pytest.mark.parametrize("name", SAMPLERS)
def test_all_steps_together_are_the_whole_file(name: str, program: Made, tmp_path: Path) -> None:
    text, values, turns = SAMPLERS[name]
    model = two_files(program(NET + text), tmp_path)
    expected = model(**values)
    for every in (1, 2, 100):
        seen = list(model.progress(every, **values))
        same(model, seen[-1].result, expected)
        total = seen[-1].total
        assert [p.turns for p in seen] == [min(n, total) for n in range(every, total + every, every)]
        assert seen[-1].share == 1
        assert total == (turns or {1: 12, 2: 12, 100: 40}[every])  # Of those that end early, as many as were asked for.


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_left_between_two_steps_says_why(
    name: str, program: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, reason = REFUSED[name]
    spec = program(NET + text)
    refusal = prepare_export(spec, "f").refusal
    assert refusal is not None and reason in refusal
    compile_all(spec, ["f"], None, tmp_path, CompileOptions(progress=True, step=False), report=lambda _: None)
    assert f"note: `f` gets no file of some of its steps: {refusal}" in capsys.readouterr().err
    assert [p.name for p in tmp_path.glob("*.onnx")] == ["spec.f.onnx"]


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two files of a flow."""
    checked = check_text(Path("spec.mai"), NET + RK4).program
    assert checked is not None
    return two_files(checked, tmp_path_factory.mktemp("flow")).path.parent


@pytest.fixture
def whole(flow: Path, tmp_path: Path) -> Model:
    """The file of the flow, opened, with that of some turns beside it, in a folder of the test's own."""
    shutil.copytree(flow, tmp_path, dirs_exist_ok=True)
    return load(tmp_path / "spec.f.onnx", providers="cpu", threads=1)


@pytest.mark.parametrize("options", [{"settings": "required"}, {"portable": True, "opset": 21, "settings": "required"}, {"quantize": "int8"}])  # fmt: skip
def test_other_forms_of_a_file(options: Mapping[str, Any], program: Made, tmp_path: Path) -> None:
    model = two_files(program(NET + RK4), tmp_path, **options)
    *_, last = model.progress(2, batch=4, seed=3, steps=5)
    same(model, last.result, model(batch=4, seed=3, steps=5))


def test_a_step_shows_what_fewer_steps_have_come_to(program: Made, tmp_path: Path) -> None:
    text = """export f(z: [], steps: int = 4) -> [] {
  x = z
  repeat steps as i { x += i + 1 }
  return 2 * x
}"""
    model = two_files(program(text), tmp_path)
    parts = [float(p.result[0]) for p in model.progress(z=1.0)]
    assert parts == [4.0, 8.0, 14.0, 22.0]


def test_the_file_of_some_steps_is_a_sampler_by_itself(whole: Model, tmp_path: Path) -> None:
    part = load(tmp_path / "spec.f.step.onnx", providers="cpu", threads=1)
    same(whole, part(batch=3, seed=9, steps=4), whole(batch=3, seed=9, steps=4))
    assert (list(part.inputs), sorted(part.settings), list(part.outputs)) == ([], ["batch", "seed", "steps"], ["f"])
    part.verify()


def test_a_setting_that_is_called_every_has_the_number(program: Made, tmp_path: Path) -> None:
    model = two_files(program(NET + RK4.replace("steps", "every")), tmp_path)
    seen = list(model.progress(every=7, batch=2))
    assert [each.turns for each in seen] == [1, 2, 3, 4, 5, 6, 7]
    same(model, seen[-1].result, model(every=7, batch=2))


def test_none_beside_is_told(whole: Model, tmp_path: Path) -> None:
    (tmp_path / "spec.f.step.onnx").unlink()
    with pytest.raises(ModelError, match=r"spec\.f\.onnx has no file of some of its steps beside it") as caught:
        whole.progress(batch=2)
    assert caught.value.slug == "progress-unavailable"
    assert "mai compile --progress" in str(caught.value.help)


def test_a_text_has_no_progress_whether_its_turns_were_taken_or_not(program: Made, tmp_path: Path) -> None:
    compile_all(program(NET + REFUSED["text"][0]), ["f"], None, tmp_path, CompileOptions(), report=lambda _: None)
    model = load(tmp_path / "spec.f.onnx", providers="cpu", threads=1)
    for _ in range(2):
        with pytest.raises(ModelError, match="has no file of some of its steps") as caught:
            model.progress(x=[[1, 2]])
        assert caught.value.slug == "progress-unavailable"
        assert len(list(model.stream([[1, 2]], 2))) == 2


def test_a_file_of_another_kind_beside_is_told(whole: Model, tmp_path: Path) -> None:
    (tmp_path / "spec.f.step.onnx").write_bytes(whole.path.read_bytes())
    with pytest.raises(ModelError, match=r"spec\.f\.step\.onnx does not take some steps of spec\.f\.onnx"):
        whole.progress(batch=2)


def test_a_file_of_another_training_beside_is_told(whole: Model, program: Made, tmp_path: Path) -> None:
    """A copy, or a cache, may bring the turns of earlier weights, which would lead to another point without a word."""
    model, trained, options = (
        program(NET + RK4),
        Trained(load_weights(program(NET + RK4), None, 1)[0]),
        CompileOptions(verify=False),
    )
    other = export(model, "f", trained, tmp_path / "other", options)
    export_part(model, "f", trained, tmp_path, options, whole=other)
    with pytest.raises(ModelError, match=r"spec\.f\.step\.onnx is not of the spec\.f\.onnx beside it") as caught:
        load(whole.path, providers="cpu").progress(batch=2)
    assert caught.value.slug == "turns-foreign"
    ran = invoke("run", whole.path, "--batch", "2", "--progress")
    assert "turns-foreign" in str(ran.output) + repr(getattr(ran.exception, "slug", ""))


def test_an_older_file_of_some_steps_goes(program: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has other weights: what it gives at its end would not be what a call gives."""
    spec = program(NET + RK4)
    for progress in (True, False):
        compile_all(spec, ["f"], None, tmp_path, CompileOptions(progress=progress), report=lambda _: None)
        assert (tmp_path / "spec.f.step.onnx").exists() == progress
    assert "note: spec.f.step.onnx is removed: it was of an earlier spec.f.onnx" in capsys.readouterr().err


def test_wrong_words(whole: Model) -> None:
    with pytest.raises(ModelError, match="`every` is at least 1"):
        whole.progress(0, batch=2)
    with pytest.raises(ModelError, match=r"a whole number, this is 1\.5"):
        whole.progress(1.5, batch=2)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no input or setting `stepz`"):
        whole.progress(stepz=2)
    with pytest.raises(ModelError, match="no input or setting `turns_before`"):
        whole.progress(turns_before=2)
    with pytest.raises(OptionError, match="--unroll leaves none"):
        CompileOptions(progress=True, unroll=True)


def test_whoever_cancels_gets_no_further_step(whole: Model) -> None:
    limit = TimeLimit(60)
    steps = whole.progress(batch=2, steps=10, timeout=limit)
    assert next(steps).turns == 1
    limit.cancel()
    with pytest.raises(ModelError) as caught:
        next(steps)
    assert caught.value.slug == "call-cancelled"


def test_the_command_tells_how_far_it_is(whole: Model, tmp_path: Path) -> None:
    out = tmp_path / "x.json"
    ran = invoke("run", whole.path, "--batch", "2", "--out", out, "--progress")
    assert ran.exit_code == 0, ran.output
    assert "5 turns" in ran.output
    np.testing.assert_array_equal(np.float32(json.loads(out.read_text())["f"]), whole(batch=2))
