"""Pictures of what `record` kept: neurons that move, and other weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mai.runtime import ModelError
from mai.runtime.show.animate import animate, motion_of
from mai.runtime.show.picture import Look, draw
from mai.runtime.show.records import draw_records, read_records
from tests.support.pictures import ACCENT, TEAL, frames, grid, output, rotation


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with neurons (v, u) that move outwards, and a bias that was recorded less often."""
    times = np.arange(5)[:, None, None]
    v = rotation(19)[0][None] * (1 + times)
    u = np.repeat(np.sign(v[:1, :, 0]), 5, 0)
    steps = {"f.v.steps": np.arange(5) * 10, "f.u.steps": np.arange(5) * 10, "f.b.steps": np.arange(3) * 20}
    np.savez(tmp_path / "records.npz", **{"f.v": v, "f.u": u, "f.b": np.zeros((3, 20))}, **steps)
    return tmp_path


def test_neurons_are_particles(run: Path) -> None:
    draw_records(run, run / "x.gif")
    seen = frames(run / "x.gif")
    assert len(seen) == 5
    last = seen[-1][0].astype(int)
    sides = np.array_split(last[:, : int(0.75 * last.shape[1])], 2, axis=1)
    near = [[int((np.abs(half - colour).max(-1) < 60).sum()) for half in sides] for colour in (ACCENT, TEAL)]
    assert near[0][0] > 3 * near[0][1] and near[1][1] > 3 * near[1][0]
    draw_records(run / "records.npz", run / "x.png")
    assert (run / "x.png").stat().st_size > 5000


@pytest.mark.parametrize("ending", ["png", "gif"])
def test_other_weights_are_numbers(run: Path, ending: str) -> None:
    draw_records(run, run / f"x.{ending}", shown="f.u")
    assert (run / f"x.{ending}").stat().st_size > 1000


def test_records_are_read_by_name(run: Path) -> None:
    assert {name: r.steps[-1] for name, r in read_records(run).items()} == {"f.v": 40, "f.u": 40, "f.b": 40}


WRONG = [
    ({"shown": "f.w"}, "x.png", "input-unknown"),
    ({"hue": "f.b"}, "x.png", "input-shape"),
    ({}, "x.npy", "out-unknown"),
]


@pytest.mark.parametrize(("words", "out", "slug"), WRONG)
def test_what_is_wrong_with_a_drawing_of_records(run: Path, words: dict[str, str], out: str, slug: str) -> None:
    with pytest.raises(ModelError) as caught:
        draw_records(run, run / out, **words)
    assert caught.value.slug == slug


def test_a_file_that_holds_no_records(tmp_path: Path) -> None:
    for name, content in (("text.npz", b"hello"), ("empty.npz", b"")):
        (tmp_path / name).write_bytes(content)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "short.npz", **{"x": np.zeros(3), "x.steps": np.zeros(2)})
    np.savez(tmp_path / "object.npz", x=np.array([{}], dtype=object))
    for name in ("text", "empty", "other", "short", "object"):
        with pytest.raises(ModelError) as caught:
            draw_records(tmp_path / f"{name}.npz", tmp_path / "x.png")
        assert caught.value.slug == "not-a-path", name
    with pytest.raises(ModelError) as caught:
        draw_records(tmp_path, tmp_path / "x.png")
    assert caught.value.slug == "file-not-found"


@pytest.mark.slow
def test_numbers_that_are_none_are_drawn_around(tmp_path: Path, run: Path) -> None:
    """A run that blew up is worth a look: infinite and undefined numbers stop no picture."""
    broken = rotation(6)
    broken[0, 3:], broken[1, 2] = np.nan, np.inf
    animate(motion_of(broken, output("steps + 1", 2, path=0)), tmp_path / "points.gif")
    animate(motion_of(broken[..., 0], output("steps + 1", path=0)), tmp_path / "numbers.gif")
    x = grid("-1..1:9")
    values = x[:, 0].copy()
    values[:3] = -np.inf, np.nan, np.inf
    draw(values, output(), tmp_path / "map.png", Look(inputs={"x": x}))
    with np.load(run / "records.npz") as image:
        arrays = dict(image)
    arrays["f.v"][-1, 0], arrays["f.u"][-1, :2] = np.nan, np.inf
    np.savez(run / "records.npz", **arrays)
    for name, shown in (("v.png", "f.v"), ("v.gif", "f.v"), ("u.png", "f.u")):
        draw_records(run, tmp_path / name, shown=shown)
    assert all((tmp_path / n).stat().st_size > 1000 for n in ("points.gif", "numbers.gif", "map.png", "v.png", "u.png"))
