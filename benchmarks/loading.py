"""The speed of training where data are read: steps of mai's loop against loops written by hand in PyTorch, at their best settings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pyarrow import csv, table
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from benchmarks import measure
from benchmarks.loops import Pair, Run, classifying, repeated, trainer_of

ROWS, COLUMNS, CLASSES, SIDE = 100_000, 12, 4, 64
KEPT, MORE = 20_000, 4_000  # Images that mai keeps in memory; with so many more, it decodes each when it is asked for.
TABLE = """data x: [12], y: class[4] from table("table.csv")
train(steps = 1000000, batch = 128) {
  h = x |> linear(64) |> relu |> linear(64) |> relu
  minimize cross_entropy(linear(h, 4), y)
}
"""
IMAGES = """data x: [3, 64, 64], y: class[4] from images(PLACES)
train(steps = 1000000, batch = 64) {
  h = x |> conv(16, 3, stride = 2) |> relu |> conv(32, 3, stride = 2) |> relu |> avg_pool_global
  minimize cross_entropy(linear(h, 4), y)
}
"""


def write_table(path: Path) -> tuple[Tensor, Tensor]:
    """A table of real numbers and labels, as a csv file; the numbers [n, 12] and the labels [n]."""
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    y = (np.tanh(x) @ random.normal(size=(COLUMNS, CLASSES))).argmax(1)
    csv.write_csv(table({**{f"x{i}": x[:, i] for i in range(COLUMNS)}, "y": y}), path)
    return torch.from_numpy(x), torch.from_numpy(y)


def write_images(folder: Path, number: int) -> list[tuple[Path, int]]:
    """Colour images of 64 x 64, half of them png and half jpeg, in a folder a class; their paths and classes."""
    random, files = np.random.default_rng(0), []
    for place in range(number):
        label = place % CLASSES
        path = folder / f"class_{label}" / f"{place}.{'png' if place // CLASSES % 2 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
        files.append((path, label))
    return files


class Rows(Dataset[Pair]):
    """Batches of a table, by the numbers of their rows."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: list[int]) -> Pair:
        return self.x[rows], self.y[rows]


class Files(Dataset[Pair]):
    """Images that are decoded when they are asked for."""

    def __init__(self, files: list[tuple[Path, int]]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> Pair:
        path, label = self.files[place]
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image)).permute(2, 0, 1), torch.tensor(label)


def shuffled(x: Tensor, y: Tensor, batch: int) -> Iterator[Pair]:
    """Batches of tensors, in a new order every epoch."""
    while True:
        order = torch.randperm(len(x))
        for begin in range(0, len(x) - batch + 1, batch):
            chosen = order[begin : begin + batch]
            yield x[chosen], y[chosen]


def again(loader: DataLoader[Pair]) -> Iterator[Pair]:
    """The batches of a loader, epoch after epoch."""
    while True:
        yield from loader


def rows_loader(x: Tensor, y: Tensor, batch: int, workers: int) -> Iterator[Pair]:
    """A loader that takes whole batches of a table."""
    rows = Rows(x, y)
    batches = BatchSampler(RandomSampler(rows), batch, drop_last=True)
    return again(
        DataLoader(rows, batch_size=None, sampler=batches, num_workers=workers, persistent_workers=workers > 0)
    )


def files_loader(files: list[tuple[Path, int]], batch: int, workers: int) -> Iterator[Pair]:
    """A loader that decodes images."""
    return again(
        DataLoader(
            Files(files), batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
        )
    )


def scaled(batches: Iterator[Pair]) -> Iterator[Pair]:
    """Images of whole numbers as real ones in [-1, 1]."""
    return ((x.float() / 127.5 - 1, y) for x, y in batches)


def net() -> nn.Sequential:
    """The net of the table by hand."""
    return nn.Sequential(nn.Linear(COLUMNS, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, CLASSES))


def image_net() -> nn.Sequential:
    """The net of the images by hand."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES),
    )  # fmt: skip


def by_hand(model: nn.Module, batches: Iterator[Pair], steps: int) -> Run:
    """So many steps of a loop by hand, which looks at its loss once at their end."""
    step = classifying(model, torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True), batches)
    before = repeated(step, steps - 1)

    def run() -> None:
        before()
        step().item()

    return run


def best_workers(make: Callable[[int], Run]) -> tuple[int, Run]:
    """The number of workers with which a loop is fastest, and that loop."""
    loops = {str(workers): make(workers) for workers in range((os.cpu_count() or 1) + 1)}
    times = measure.medians(measure.interleaved(loops, 3))
    best = min(times, key=times.__getitem__)
    return int(best), loops[best]


def ours(folder: Path, text: str, steps: int) -> Run:
    """So many steps of mai's loop, with all that it does between them."""
    spec = folder / "spec.mai"
    spec.write_text(text, encoding="utf-8")
    trainer, places = trainer_of(spec, folder / "run"), count()

    def step() -> None:
        place = next(places)
        trainer.step(place, trainer.cadence.is_reported(place + 1))

    return repeated(step, steps)


def compare(loops: Mapping[str, Run], steps: int, rounds: int) -> dict[str, float]:
    """Steps a second of each loop, and mai's speed relative to each rival's."""
    times = measure.interleaved(loops, rounds)
    middle = measure.medians(times)
    speeds = {f"{name}, steps/s": steps / seconds for name, seconds in middle.items()}
    return speeds | {f"against {name}": measure.ratio(times, name, "mai") for name in loops if name != "mai"}


def tables(folder: Path, rounds: int, steps: int = 500) -> dict[str, float]:
    """A table of 100,000 rows."""
    x, y = write_table(folder / "table.csv")
    workers, loader = best_workers(lambda w: by_hand(net(), rows_loader(x, y, 128, w), steps))
    loops = {"mai": ours(folder, TABLE, steps), "tensors": by_hand(net(), shuffled(x, y, 128), steps), "loader": loader}
    return {**compare(loops, steps, rounds), "workers": workers}


def images(folder: Path, number: int, rounds: int, steps: int = 60) -> dict[str, float]:
    """A folder of images, which mai keeps in memory or decodes, as they are many."""
    files = write_images(folder / "images", number)
    workers, loader = best_workers(lambda w: by_hand(image_net(), scaled(files_loader(files, 64, w)), steps))
    kept = Files(files)
    x, y = (torch.stack(each) for each in zip(*(kept[i] for i in range(number)), strict=True))
    loops = {
        "mai": ours(folder, IMAGES.replace("PLACES", '"images"'), steps),
        "tensors": by_hand(image_net(), scaled(shuffled(x, y, 64)), steps),
        "loader": loader,
    }
    return {**compare(loops, steps, rounds), "workers": workers}


def row(name: str, figures: Mapping[str, float]) -> list[str]:
    """A row of the table."""
    speeds = [f"{figures[f'{loop}, steps/s']:,.0f}" for loop in ("mai", "loader", "tensors")]
    return [name, *speeds, *(f"{figures[f'against {loop}']:.2f} ×" for loop in ("loader", "tensors"))]


def main(rounds: int = 9) -> None:
    """Measure, print and record the table."""
    torch.set_num_threads(1)
    figures = {}
    for name, run in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            figures[name] = run(Path(folder), rounds)
    head = [
        "steps a second",
        "mai",
        "by hand: a DataLoader",
        "by hand: all as tensors",
        "mai against the first",
        "against the second",
    ]
    rows = [row(name, each) for name, each in figures.items()]
    measure.record("loading", measure.table(head, rows), figures, f"{os.cpu_count()} cores of")


CASES: dict[str, Callable[[Path, int], dict[str, float]]] = {
    "a table of 100,000 rows": tables,
    "20,000 images, in memory": lambda folder, rounds: images(folder, KEPT, rounds),
    "24,000 images, decoded": lambda folder, rounds: images(folder, KEPT + MORE, rounds),
}

if __name__ == "__main__":
    main()
