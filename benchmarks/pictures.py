"""Draw each kind of picture that mai makes, of numbers whose right picture is known, into `docs/pictures` and `docs/pictures.md`.

python -m benchmarks.pictures                 a minute; nothing is trained
python -m benchmarks.pictures FOLDER          somewhere else
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mai.compiler.evaluating.answers import Answers, Labelled, Measured, Quantiles
from mai.compiler.evaluating.metrics import calibration, figures, of_classes
from mai.compiler.evaluating.pictures.picture import draw_evaluation
from mai.compiler.evaluating.report import Evaluation
from mai.runtime.arrays import Array
from mai.runtime.model.manifest import Port
from mai.runtime.run_folders.curves import draw_run
from mai.runtime.show.picture import Look, draw

ROOT = Path(__file__).parents[1]
HEAD = """# Pictures

What `mai draw`, `mai run --out`, `mai eval --out` and a training draw, chosen by the shape of a result and by what it was computed from.
They are of numbers whose right picture is known. Made by `make pictures`.
"""
Picture = Callable[[Path], None]


def result(*shape: int, classes: int | None = None, path: int | None = None) -> Port:
    """A result of examples of this shape."""
    dtype = "float32" if classes is None or shape else "int64"
    return Port(name="y", kind="output", dtype=dtype, shape=[*shape], batch=True, classes=classes, path=path)


def numbers(seed: int) -> np.random.Generator:
    """Random numbers, the same for everyone."""
    return np.random.default_rng(seed)


def plane(count: int = 60) -> Array:
    """Points of a grid, [count * count, 2], from -2 to 2 and from -1 to 1."""
    x, y = np.meshgrid(np.linspace(-2, 2, count), np.linspace(-1, 1, count))
    return np.stack([x, y], -1).reshape(-1, 2).astype(np.float32)


def moons(count: int) -> Array:
    """Points of two arcs, [count, 2]."""
    rng = numbers(0)
    angle, upper = np.pi * rng.random(count), rng.random(count) < 0.5
    points = np.stack(
        [np.where(upper, np.cos(angle), 1 - np.cos(angle)), np.where(upper, np.sin(angle), 0.5 - np.sin(angle))], -1
    )
    return (points + 0.06 * rng.normal(size=(count, 2))).astype(np.float32)


# ------------------------------------------------------------------ results


def unlike_units(path: Path) -> None:
    rng = numbers(1)
    height = rng.normal(170, 9, 400)
    draw(np.stack([height, 900 * height + rng.normal(0, 9000, 400)], -1).astype(np.float32), result(2), path)


def a_map(path: Path) -> None:
    x = plane()
    draw(np.sin(3 * x[:, 0]) * np.cos(4 * x[:, 1]), result(), path, Look(inputs={"x": x}))


def a_density(path: Path) -> None:
    x, data = plane(90) * np.float32([1.2, 1.4]) + np.float32([0.5, 0.25]), moons(500)
    distance = ((x[:, None] - data[None]) ** 2).sum(-1)
    density = np.exp(-distance / 0.02).mean(1)
    draw(np.log(density + 1e-6), result(), path, Look(inputs={"x": x}, over=data[:200]))


def regions(path: Path) -> None:
    x = plane()
    z = np.stack([2 * x[:, 0], -2 * x[:, 0], 3 * x[:, 1]], -1)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    draw(p.astype(np.float32), result(3), path, Look(inputs={"x": x}, names={"y": ("red", "green", "blue")}))


def a_forecast(path: Path) -> None:
    rng = numbers(2)
    past = np.sin(np.arange(48) / 4) + 0.1 * rng.normal(size=(4, 48))
    steps = np.arange(48, 60) / 4
    future = np.sin(steps) + 0.12 * rng.normal(size=(4, 80, 12)).cumsum(2)
    draw(future, result(80, 12), path, Look(inputs={"x": past}, series=(48, 12)))


def images(path: Path) -> None:
    grid = np.linspace(-1, 1, 16)
    radius = np.hypot(*np.meshgrid(grid, grid))
    rings = np.stack([np.exp(-((radius - 0.1 * (k % 10)) ** 2) / 0.02) for k in range(40)])[:, None]
    draw((255 * rings).astype(np.float32), result(1, 16, 16), path, Look(labels=np.arange(40) % 10))


def classes_of_images(path: Path) -> None:
    rng = numbers(3)
    shown = rng.random((6, 1, 12, 12)).astype(np.float32)
    p = rng.dirichlet(np.ones(10) / 3, 6).astype(np.float32)
    draw(p, result(10), path, Look(inputs={"x": shown}))


def a_function(path: Path) -> None:
    rng = numbers(11)
    x = np.linspace(-3, 3, 90).astype(np.float32)
    at = rng.uniform(-3, 3, 120)
    data = np.stack([at, np.sin(2 * at) + at / 2 + 0.2 * rng.normal(size=120)], -1)
    draw(np.sin(2 * x) + x / 2, result(), path, Look(inputs={"x": x}, over=data))


def curves(path: Path) -> None:
    x = np.linspace(0, 6, 100)
    draw((np.arange(1, 6)[:, None] * np.sin(x))[..., None].astype(np.float32), result(100, 1), path)


def paths(path: Path) -> None:
    start = numbers(4).normal(size=(120, 2))
    ends = moons(120)
    s = np.linspace(0, 1, 12)[None, :, None]
    draw(((1 - s) * start[:, None] + s * ends[:, None]).astype(np.float32), result(12, 2, path=0), path)


def several_numbers(path: Path) -> None:
    rng = numbers(5)
    draw(
        np.stack(
            [rng.normal(size=800), rng.exponential(size=800), rng.random(800), rng.normal(3, 0.1, 800)], -1
        ).astype(np.float32),
        result(4),
        path,
    )


# ------------------------------------------------------------------ trainings and evaluations


def a_training(path: Path) -> None:
    folder = path.parent / "run"
    folder.mkdir(exist_ok=True)
    rng, lines = numbers(6), []
    for step in range(20, 2001, 20):
        loss = 0.3 + 2 * np.exp(-step / 300) + 0.03 * rng.normal()
        lines.append(
            json.dumps(
                {
                    "step": step,
                    "loss": loss,
                    "held-out loss": loss + 0.05 + step / 20000,
                    "accuracy": 1 - loss / 3,
                    "lr": 1e-3 * (1 - step / 2000),
                }
            )
        )
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw_run(folder, path)
    (folder / "metrics.jsonl").unlink()
    folder.rmdir()


def evaluated(answers: Answers, path: Path) -> None:
    bins = calibration(answers) if isinstance(answers, Labelled) and answers.probabilities is not None else []
    evaluation = Evaluation(
        "", "y", None, answers, figures(answers, 5), of_classes(answers) if isinstance(answers, Labelled) else [], bins, [], 0, (), [],
    )  # fmt: skip
    draw_evaluation(evaluation, path)


def two_labels(path: Path) -> None:
    rng = numbers(7)
    p = rng.beta(0.8, 1.4, 900)
    truth = (rng.random(900) < p**1.3).astype(np.int64)
    evaluated(Labelled(truth, (p > 0.5).astype(np.int64), ("lost", "saved"), np.stack([1 - p, p], 1), p), path)


def ten_labels(path: Path) -> None:
    rng = numbers(8)
    truth = rng.integers(0, 10, 1500)
    z = 2.5 * np.eye(10)[truth] + rng.normal(size=(1500, 10))
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    evaluated(Labelled(truth, p.argmax(1), tuple(map(str, range(10))), p), path)


def errors(path: Path) -> None:
    rng = numbers(9)
    truth = rng.gamma(2, 20, (700, 1))
    evaluated(Measured(truth, truth * rng.normal(1, 0.1, (700, 1)) + 2), path)


def quantiles(path: Path) -> None:
    rng = numbers(10)
    middle = rng.normal(0, 2, (500, 1))
    truth = middle + rng.normal(size=(500, 1))
    said = np.stack([middle - 1.2, middle, middle + 1.2], 1)
    evaluated(Quantiles(truth, said, (0.1, 0.5, 0.9)), path)


ALL: Sequence[tuple[str, Picture]] = (
    ("Points, whose axes have units of their own", unlike_units),
    ("A function of the plane, as a map", a_map),
    ("A log density, with data over it", a_density),
    ("Classes of the plane, as regions", regions),
    ("A forecast: the past, the middle of what may come, and bands of 50 and 90 %", a_forecast),
    ("Images in their own range, here 0 to 255, in ten columns for ten labels", images),
    ("Classes of images, beside these", classes_of_images),
    ("A function of one number, with data over it", a_function),
    ("Functions on a grid, a curve each", curves),
    ("Paths of an integral", paths),
    ("Some numbers of each example", several_numbers),
    ("A training: `mai draw RUN`", a_training),
    ("Two labels, evaluated: confusions, calibration, scores", two_labels),
    ("Ten labels, evaluated", ten_labels),
    ("Numbers, evaluated: answers, residuals", errors),
    ("Quantiles, evaluated: calibration, intervals, widths", quantiles),
)


def main(words: Sequence[str]) -> int:
    folder = Path(words[0]) if words else ROOT / "docs"
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    lines = [HEAD]
    for title, picture in ALL:
        place = f"pictures/{picture.__name__}.png"
        picture(folder / place)
        lines.append(f"## {title}\n\n![{title}]({place})\n")
    (folder / "pictures.md").write_text("\n".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
