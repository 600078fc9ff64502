"""What training alone does to examples: right beside scipy, never seen by what is held out or exported, a function of the seed and the step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.ndimage import affine_transform

from mai.runtime import load
from tests.support.command import invoke

SPEC = """import "std/augment"

data x: [1, 8, 8], y: class[10] from digits()
net f(x: [1, 8, 8]) -> [10] { return linear(rearrange(x, "c h w -> (c h w)"), 10) }
train(steps = 6, batch = 32, evaluate = 3) {
  cropped = random_crop(x, 1)
  shifts = []
  off = 1e9
  repeat 3 as i { repeat 3 as j { off = minimum(off, mean(abs(cropped - moved(x, down = i - 1, right = j - 1)))) } }
  gone = sum(1 - cutout(x * 0 + 1, 3))
  (s, t) = mixup(one_hot(y, 10), one_hot(y, 10), 1.0)
  z = x |> random_flip() |> random_crop(1) |> random_rotation(10, 0.1) |> random_brightness() |> random_noise(0.05) |> cutout(2)
  report mean(abs(random_flip(x, 1.0) - flip(x))) as unflipped, mean(where(abs(random_flip(x) - x) > 0, 1, 0)) as flips
  report off, mean(abs(cropped - x)) as cropping, gone, max(t) as most, sum(t) as whole, mean(abs(s - t)) as apart, mean(abs(z - x)) as change
  minimize cross_entropy(f(z), y)
}
export g(x: [1, 8, 8]) -> [1, 8, 8] {
  return x |> random_flip() |> random_crop(1) |> random_rotation(10, 0.1) |> random_brightness() |> random_noise() |> cutout(2)
}
export turned(x: [2, 7, 6], angle: [], larger: [], down: [], right: []) -> [2, 7, 6] { return moved(x, angle, larger, down, right) }
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("augment")
    (folder / "a.mai").write_text(SPEC.replace("  shifts = []\n", ""))
    done = invoke("train", folder / "a.mai", "--out", folder / "run", "--quiet", "--device", "cpu")
    assert done.exit_code == 0, done.output
    return folder / "run"


def test_an_image_is_moved_as_scipy_moves_it(run: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(5, 2, 7, 6)).astype(np.float32)
    angle, larger = draw.uniform(-2, 2, 5).astype(np.float32), draw.uniform(0.5, 2, 5).astype(np.float32)
    down, right = draw.uniform(-2, 2, (2, 5)).astype(np.float32)
    moved = load(run / "a.turned.onnx", providers="cpu")(x=x, angle=angle, larger=larger, down=down, right=right)
    middle = np.array([3, 2.5])
    for place in range(5):
        c, s = np.cos(angle[place]), np.sin(angle[place])
        matrix = np.array([[c, s], [-s, c]]) / larger[place]
        offset = middle - matrix @ (middle + np.array([down[place], right[place]]))
        for channel in range(2):
            expected = affine_transform(x[place, channel], matrix, offset, order=1, mode="nearest")
            np.testing.assert_allclose(moved[place, channel], expected, atol=2e-5)


def test_only_training_sees_it(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    trained = {
        name: np.mean([line[name] for line in lines if name in line]) for name in ("flips", "change", "cropping")
    }
    assert trained["flips"] > 0.1 and trained["change"] > 0.1 and trained["cropping"] > 0
    for line in lines:
        assert line["unflipped"] == 0 and line["off"] < 1e-6 and line["apart"] < 1e-6
        assert line["whole"] == pytest.approx(1, abs=1e-5) and line["most"] < 0.99 and 1 <= line["gone"] <= 9
    held_out = {
        name: value for line in lines for name, value in line.items() if name.startswith(("held", "validation"))
    }
    assert held_out
    assert [value for name, value in held_out.items() if name.endswith(("change", "cropping", "flips", "gone"))] == [
        0
    ] * 4


def test_an_export_never_sees_it(run: Path) -> None:
    x = np.random.default_rng(1).normal(size=(3, 1, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(load(run / "a.g.onnx", providers="cpu")(x=x), x)


def test_a_run_that_goes_on_draws_the_same(run: Path, tmp_path: Path) -> None:
    spec = run.parent / "a.mai"
    words = ("--out", tmp_path / "run", "--quiet", "--device", "cpu")
    assert invoke("train", spec, "--steps", "3", *words).exit_code == 0
    done = invoke("train", spec, "--resume", *words)
    assert done.exit_code == 0, done.output
    again, whole = (load_file(folder / "weights.safetensors") for folder in (tmp_path / "run", run))
    assert all(np.array_equal(again[name], whole[name]) for name in whole)
