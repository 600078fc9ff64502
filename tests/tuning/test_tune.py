"""`mai tune` from a compiled file to a compiled file: what is chosen, what it says, what stays, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file

from mai.compiler.check import check
from mai.compiler.compile_options import DEFAULTS, CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.solvers.grid import Grid, Interval, Plan
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.tuning.search import Point, Search, SearchResult
from mai.compiler.tuning.subject import METHODS
from mai.compiler.tuning.tune import Options, Outcome, tune
from mai.runtime import Model, load
from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import MANIFEST_KEY
from mai.spec.diagnostics import MaiError
from tests.support.command import run_command as mai

pytestmark = pytest.mark.slow

STRAIGHT = """
export sample(steps: int = 6) -> [2] {{
  x ~ normal([2])
  integrate s in 0..1 using {solver} {{ dx/ds = concat([3 * x[1]], [-1]) / (1 + 0 * s) }}
  return x
}}
"""
# A net that is not trained moves points along curves; data that its own fine samples could be are made by the tests.
NET = """
data x: [2], y: class[2] from moons(noise = 0.05)
const width = 16
net velocity(x: [2], y: class[2], s: []) -> [2] {
  h = tanh(linear(concat(x, [s]), width) + embed(y, width))
  return linear(tanh(linear(h, width)), 2)
}
train(steps = 1, batch = 8) { minimize sum((x - velocity(x, y, 0))^2) }
export sample(y: class[2], scale: real = 1, steps: int = 5) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = scale * velocity(x, y, s) }
  return x
}
"""
DRIFT = STRAIGHT.replace("concat([3 * x[1]], [-1]) / (1 + 0 * s)", "concat([3], [-1])")
FEW = Options(samples=60, seeds=1, factor=1.001)
Written = Callable[..., Path]


def silent(point: Point, reference: Point) -> None:
    return


@pytest.fixture
def compiled(tmp_path: Path) -> Written:
    """The first export of a text as a file in a folder of its own, with its weights beside it."""

    def write(text: str, seed: int = 0, options: CompileOptions = DEFAULTS, loss_change: float | None = None) -> Path:
        spec = tmp_path / "flow.mai"
        spec.write_text(text, encoding="utf-8")
        checked = check(spec)
        assert checked.program is not None, [(d.slug, d.message) for d in checked.diagnostics]
        arrays, _ = load_weights(checked.program, None, seed)
        if arrays:
            save_file(arrays, tmp_path / "weights.safetensors", {"trained_steps": "7"})
        return export(
            checked.program,
            next(iter(checked.program.exports)),
            Trained(arrays, loss_change=loss_change),
            tmp_path,
            options,
        ).path

    return write


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Standard normal points moved by [3, -1]: where the straight flow carries them."""
    path = tmp_path / "points.npy"
    np.save(path, np.random.default_rng(5).standard_normal((300, 2)) + np.array([3, -1]))
    return path


def tuned(path: Path, **more: Any) -> Outcome:
    options = {"samples": 60, "seeds": 1, "factor": 1.001, **more}
    return tune(path, path, Options(**options), silent)


def test_a_straight_flow_takes_one_step_of_euler(compiled: Written, points: Path) -> None:
    path = compiled(DRIFT.format(solver="rk4(steps)"))
    before = load(path, providers="cpu")(batch=5, seed=3)
    outcome = tuned(path, against=points)
    assert outcome.search.chosen is not None and outcome.search.chosen.plan == Plan("euler", 1)
    model = load(path, providers="cpu")
    np.testing.assert_allclose(model(batch=5, seed=3), before, atol=1e-5)
    said = model.manifest.tuned
    assert said is not None and model.settings["steps"].default == 1
    assert (said.before.method, said.before.steps, said.before.evaluations) == ("rk4", 6, 24)
    assert (said.after.method, said.after.steps, said.after.evaluations) == ("euler", 1, 1)
    assert {p.method for p in said.curve} == set(METHODS)
    assert said.metric == "W2" and said.samples == 60


def test_it_is_the_file_of_the_spec_written_by_hand(compiled: Written, points: Path, tmp_path: Path) -> None:
    hand = tmp_path / "hand.onnx"
    shutil.copy(compiled(DRIFT.format(solver="euler(steps)").replace("= 6", "= 1")), hand)
    path = compiled(DRIFT.format(solver="rk4(steps)"))
    tuned(path, against=points)
    one, two = load(path, providers="cpu"), load(hand, providers="cpu")
    for settings in ({"seed": 1}, {"seed": 9, "steps": 4}):
        np.testing.assert_array_equal(one(batch=7, **settings), two(batch=7, **settings))
    assert [p.model_dump() for p in one.manifest.settings] == [p.model_dump() for p in two.manifest.settings]


def test_what_is_tuned_stays_as_it_is_when_it_is_tuned_again(compiled: Written, points: Path) -> None:
    path = compiled(DRIFT.format(solver="rk4(steps)"))
    tuned(path, against=points)
    raw = path.read_bytes()
    again = tuned(path, against=points)
    assert again.path is None and again.current == Plan("euler", 1)
    assert path.read_bytes() == raw


def test_a_flow_with_a_net_and_labels_keeps_its_interface(compiled: Written) -> None:
    path = compiled(NET, options=CompileOptions(opset=21))
    before = load(path, providers="cpu")
    outcome = tuned(path, factor=1.05)
    after = load(path, providers="cpu")
    assert outcome.search.chosen is not None and outcome.search.chosen.plan.evaluations < 20
    assert after.manifest.opset == 21 and after.manifest.trained_steps == 7
    assert list(after.inputs) == ["y"] and after.settings["scale"] == before.settings["scale"]
    y = np.array([0, 1, 1, 0])
    fine = before(y=y, seed=1, steps=60)
    np.testing.assert_allclose(after(y=y, seed=1, steps=60), fine, atol=0.02 * np.abs(fine).max())
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(after(y=y, seed=1, scale=0), fine, atol=1e-3)


def test_what_is_reusable_is_reused(compiled: Written) -> None:
    """A part that no step changes is computed once; the file's setting computes it everywhere, and it can be tuned again."""
    text = NET.replace(
        "return linear(tanh(linear(h, width)), 2)", "return linear(h, 2) + 0.1 * reusable(deep(y))"
    ).replace(
        "net velocity",
        "net deep(y: class[2]) -> [2] { return linear(tanh(linear(embed(y, 64), 64)), 2) }\nnet velocity",
    )
    path = compiled(text.replace("scale * velocity", "scale * (1 + 4 * cos(12 * s)) * velocity"))
    before = load(path, providers="cpu")
    outcome = tuned(path, factor=1.02)
    assert outcome.search.chosen is not None and outcome.search.chosen.plan.reuse > 1
    after = load(path, providers="cpu")
    assert "reuse" not in before.settings and after.settings["reuse"].default == outcome.search.chosen.plan.reuse
    said = after.manifest.tuned
    assert said is not None and said.after.reuse > 1 and said.after.cost is not None
    assert said.after.cost < said.after.evaluations <= said.before.evaluations == said.before.cost
    inputs = {"y": np.array([0, 1, 1]), "seed": 1}
    np.testing.assert_allclose(after(**inputs), after(**inputs, reuse=1), atol=1e-5)
    np.testing.assert_allclose(after(**inputs), before(**inputs), atol=0.1)
    assert tuned(path, factor=1.5).current == outcome.search.chosen.plan


def test_a_fine_reference_and_a_bound_on_evaluations(compiled: Written) -> None:
    path = compiled(NET)
    outcome = tuned(path, fine=True, factor=1.02, most=9)
    assert outcome.search.reference.plan == Plan("rk4", 100)
    assert outcome.search.chosen is not None and outcome.search.chosen.plan.evaluations <= 9


@pytest.mark.parametrize("options", [{"unroll": True}, {"quantize": "int8"}, {"precision": "fp16"}], ids=str)
def test_how_it_was_compiled_is_kept(options: dict[str, Any], compiled: Written) -> None:
    path = compiled(NET.replace("width = 16", "width = 64"), options=CompileOptions(**options), loss_change=0.01)
    before = load(path, providers="cpu").manifest
    tuned(path, factor=1.2)
    after = load(path, providers="cpu").manifest
    assert after.tuned is not None
    kept = ("unrolled", "quantize", "precision", "loss_change", "opset", "inputs", "spec_sha256")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]


def test_a_number_of_steps_in_the_spec(compiled: Written, points: Path) -> None:
    text = DRIFT.replace("steps: int = 6", "").format(solver="heun(6)")
    path = compiled(text)
    tuned(path, against=points)
    manifest = load(path, providers="cpu").manifest
    assert manifest.tuned is not None and manifest.tuned.after.evaluations == 1
    assert [p.name for p in manifest.settings] == ["seed", "batch"]


def tuned_to(chosen: Plan, path: Path) -> Model:
    """The file as it is written where the search finds this plan; it can be tuned again from it."""

    def run(self: Search, current: Plan) -> SearchResult:
        point, reference = (Point(p, tuple(self.measure(p, s) for s in self.confirming)) for p in (chosen, current))
        return SearchResult([self.reference, point], self.reference, reference, point)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mai.compiler.tuning.tune.Search.run", run)
        tuned(path)
    model = load(path, providers="cpu")
    assert tuned(path, factor=1.5).current == chosen
    return model


def test_a_grid_that_was_chosen_is_in_the_file(compiled: Written) -> None:
    """With a setting that makes all steps of one length."""
    even = compiled(NET.replace("= 5", "= 3").replace("rk4(steps)", "midpoint(steps)"))
    even = even.rename(even.with_name("even.onnx"))
    model, by_hand = tuned_to(Plan("midpoint", 3, Grid((-0.6, 0.0, 0.3))), compiled(NET)), load(even, providers="cpu")
    said = model.manifest.tuned
    assert said is not None and said.after.bends == (-0.6, 0.0, 0.3) and said.after.evaluations == 6
    assert model.settings["uneven"].default == 1
    inputs = {"y": np.array([0, 1, 1]), "seed": 1, "scale": 5}
    np.testing.assert_allclose(model(**inputs, uneven=0), by_hand(**inputs), atol=1e-5)
    assert np.abs(model(**inputs) - by_hand(**inputs)).max() > 1e-3


def test_guidance_in_an_interval_is_in_the_file(compiled: Written) -> None:
    """With settings that compute it everywhere, as a weight of 1 does, and with what is reusable reused."""
    text = NET.replace("y: class[2], s: []", "y: class[3], s: []").replace("scale: real = 1", "scale: real = 2")
    text = text.replace("return linear(tanh", "return linear(reusable(tanh").replace("width)), 2)", "width))), 2)")
    guided = "free = velocity(x, 2, s)\n    dx/ds = free + scale * (velocity(x, y, s) - free)"
    path = compiled(text.replace("dx/ds = scale * velocity(x, y, s)", guided))
    before = load(path, providers="cpu")
    after = tuned_to(Plan("heun", 6, Grid((0.3, 0.0, 0.0)), 2, Interval(0.2, 0.6)), path)
    said = after.manifest.tuned
    assert said is not None and (said.after.guided, said.after.reuse) == ((0.2, 0.6), 2)
    assert (after.settings["guide_from"].default, after.settings["guide_to"].default) == (0.2, 0.6)
    inputs, everywhere = {"y": np.array([0, 1, 1]), "seed": 1}, {"guide_from": 0, "guide_to": 1}
    fine = before(**inputs, steps=60)
    np.testing.assert_allclose(after(**inputs, **everywhere, steps=60, reuse=1), fine, atol=0.01)
    np.testing.assert_allclose(after(**inputs, scale=1), after(**inputs, **everywhere, scale=1), atol=1e-5)
    assert np.abs(after(**inputs) - after(**inputs, **everywhere)).max() > 1e-3


def test_a_metric_of_ones_own(compiled: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("judge_of_drift.py").write_text(
        "def score(samples, data):\n    assert data is None\n    return 1 + abs(samples.mean(0) - [3, -1]).sum()\n"
    )
    path = compiled(DRIFT.format(solver="rk4(steps)"))
    outcome = tuned(path, metric="judge_of_drift:score")
    assert outcome.tuned.metric == "judge_of_drift:score"
    assert outcome.search.chosen is not None and outcome.search.chosen.plan == Plan("euler", 1)


def test_a_kept_path_stays_on_even_steps(compiled: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "judge_of_ends.py").write_text("def score(samples, data):\n    return 1 + abs(samples[:, -1]).mean()\n")
    path = compiled(
        body("integrate s in 0..1 using rk4(steps) { dx/ds = -x } keep x as xs", result="[steps + 1, 2]", back="xs")
    )
    outcome = tuned(path, metric="judge_of_ends:score", factor=1.01)
    assert all(p.plan.grid.even for p in outcome.search.curve)
    model = load(path, providers="cpu")
    assert outcome.search.chosen is not None
    assert model(batch=2).shape == (2, outcome.search.chosen.plan.steps + 1, 2)
    assert model.outputs["sample"].path == 0


def test_a_reference_that_is_no_number(compiled: Written, points: Path) -> None:
    path = compiled(
        body("integrate s in 0..1 using rk4(steps) { dx/ds = where(x > 0.5, exp(exp(exp(x * x + 9))), 0 * x) }")
    )
    with pytest.raises(MaiError) as caught:
        tuned(path, against=points)
    assert "no finite quality" in caught.value.diagnostics[0].message


def body(inside: str, head: str = "steps: int = 6", result: str = "[2]", back: str = "x") -> str:
    return f"export sample({head}) -> {result} {{\n  x ~ normal([2])\n  {inside}\n  return {back}\n}}\n"


REFUSED = {
    "chooses its own steps": body("integrate s in 0..1 using dopri5() { dx/ds = -x }", head=""),
    "draws at every step": body("integrate s in 0..1 using euler_maruyama(steps) { dx = -x * ds + 0.1 * dW }"),
    "integrates nothing": body("x = 2 * x", head=""),
    "has 2 integrals": body("repeat 2 { integrate s in 0..1 using rk4(steps) { dx/ds = linear(x, 2) } }").replace(
        "repeat 2 {", "integrate s in 0..1 using rk4(steps) { dx/ds = -x }\n  repeat 2 {"
    ),
    "neither a setting nor a number": body("integrate s in 0..1 using rk4(2 * steps) { dx/ds = -x }"),
    "at every `2 * k`-th step": body(
        "integrate s in 0..1 using ab2(steps, reuse = 2 * k) { dx/ds = s - reusable(sin(3 * x)) }",
        "steps: int = 6, k: int = 1",
    ),
    "as many points as the spec says": body(
        "integrate s in 0..1 using rk4(6) { dx/ds = -x } keep x as xs", "", "[7, 2]", "xs"
    ),
    "there are no data of that shape": body("integrate s in 0..1 using rk4(steps) { dx/ds = -x }"),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_tuned_is_told(said: str, compiled: Written) -> None:
    path = compiled(REFUSED[said])
    raw = path.read_bytes()
    with pytest.raises(MaiError) as caught:
        tuned(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "tune-refused" and said in diagnostic.message
    assert path.read_bytes() == raw


def slug(path: Path, **options: Any) -> str:
    with pytest.raises(MaiError) as caught:
        tuned(path, **options)
    return caught.value.diagnostics[0].slug


def test_weights_that_are_not_the_files(compiled: Written, tmp_path: Path) -> None:
    path = compiled(NET)
    raw = path.read_bytes()
    compiled(NET, seed=1)
    path.write_bytes(raw)
    assert slug(path) == "tune-mismatch"
    (tmp_path / "weights.safetensors").unlink()
    assert slug(path) == "weights-missing"
    assert slug(path, weights=tmp_path / "none.safetensors") == "weights-missing"
    assert path.read_bytes() == raw


@pytest.mark.parametrize(
    "change",
    [
        {"method": "rk9"},
        {"steps": 0},
        {"grid": [0.9, 0.4]},
        {"bends": [float("nan"), 0, 0]},
        {"guided": [0.9, 0.4]},
    ],
)
def test_a_manifest_that_was_tampered_with(change: dict[str, Any], compiled: Written, points: Path) -> None:
    path = compiled(DRIFT.format(solver="rk4(steps)"))
    tuned(path, against=points)
    model = onnx.load(path)
    (property_,) = [p for p in model.metadata_props if p.key == MANIFEST_KEY]
    said = json.loads(property_.value)
    said["tuned"]["after"] |= change
    property_.value = json.dumps(said)
    onnx.save(model, path)
    assert slug(path, against=points) == "tune-refused"


def test_data_that_are_none(compiled: Written, tmp_path: Path) -> None:
    path = compiled(NET)
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "nan.npy", np.full((5, 2), np.nan))
    np.save(tmp_path / "one.npy", np.float32(1))
    np.save(tmp_path / "x.npy", np.zeros((5, 2)))
    for name in ("text.npy", "nan.npy", "one.npy", "missing.npy"):
        assert slug(path, against=tmp_path / name) == "data-bad"
    assert slug(path, against=tmp_path / "x.npy") == "tune-refused"  # It takes labels.
    np.savez(tmp_path / "labels.npz", x=np.zeros((5, 2)), y=np.array([0, 1, 7, 1, 0]))
    with pytest.raises(ModelError, match="from 0 to 1, this holds 7"):
        tuned(path, against=tmp_path / "labels.npz")


def test_nothing_is_good_enough(compiled: Written, points: Path) -> None:
    # One step of euler sees the velocity at 0, where it is zero.
    path = compiled(DRIFT.replace("concat([3], [-1])", "2 * s * concat([3], [-1])").format(solver="rk4(steps)"))
    raw = path.read_bytes()
    assert slug(path, against=points, fine=True, most=1) == "tune-quality"
    assert path.read_bytes() == raw


def test_the_command(compiled: Written, points: Path, tmp_path: Path) -> None:
    path = compiled(DRIFT.format(solver="rk4(steps)"))
    out, plot = tmp_path / "fast.onnx", tmp_path / "curve.svg"
    common = ("--against", points, "--samples", "50", "--seeds", "1")
    done = mai("tune", path, *common, "--quality", "1.01", "--out", out, "--plot", plot)
    assert "euler(1) in the place of rk4(6), 1 evaluations for 24" in done.stdout
    shown = done.stderr.splitlines()
    assert any("rk4(6)" in line and line.endswith("reference") for line in shown)
    assert any("euler(1)" in line and line.endswith("chosen") for line in shown)
    every = mai("tune", path, *common, "--quality", "1.01", "--out", out, "--all").stderr
    assert sum(" evaluations " in line for line in shown) < sum(" evaluations " in line for line in every.splitlines())
    assert "ab3(" in every
    assert "chosen" in plot.read_text() or plot.stat().st_size > 5000
    assert "euler(1) for rk4(6): 1 evaluations of the velocity for 24" in mai("info", out).stdout
    assert json.loads(mai("info", out, "--json").stdout)["tuned"]["after"]["method"] == "euler"
    assert load(path, providers="cpu").manifest.tuned is None
    assert "cheapest already" in mai("tune", out, *common, "--quiet").stdout
    assert "error: " in mai("tune", path, "--quality", "0.5", code=1).stderr
    assert ".png" in mai("tune", path, "--plot", "curve.txt", code=1).stderr
    assert "model-not-found" in mai("tune", tmp_path / "none.onnx", code=1).stderr
    assert "tune-metric" in mai("tune", path, *common, "--metric", "nothing:here", code=1).stderr
    assert "judge:score" in mai("tune", "--help").stdout
