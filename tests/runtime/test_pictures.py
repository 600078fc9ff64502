"""Paths that move, maps of the plane, and what `record` kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image, ImageSequence

from mai.runtime import ModelError
from mai.runtime.commands import running
from mai.runtime.inputs.values import parse_value
from mai.runtime.model.manifest import Port
from mai.runtime.show.animate import FIRST_MS, LAST_MS, MAX_FRAMES, animate, motion_of
from mai.runtime.show.field import visible_range
from mai.runtime.show.picture import Look, draw
from mai.runtime.show.records import draw_records, read_records

Array = np.ndarray
TEAL, ACCENT = np.array([0x00, 0x79, 0x8C]), np.array([0xD1, 0x49, 0x5B])


def output(*shape: int | str, path: int | None = None) -> Port:
    return Port(name="f", kind="output", dtype="float32", shape=list(shape), batch=True, path=path)


def frames(path: Path) -> list[tuple[Array, int]]:
    """The frames of a file as pixels, and how many milliseconds each is seen."""
    with Image.open(path) as image:
        return [(np.asarray(f.convert("RGB")), f.info["duration"]) for f in ImageSequence.Iterator(image)]


def rotation(steps: int, radius: float = 1.0) -> Array:
    """Points on a circle a quarter turn apart, which go round once: [4, steps + 1, 2]."""
    turn = np.linspace(0, 2 * np.pi, steps + 1) + np.arange(4)[:, None] * np.pi / 2
    return (radius * np.stack([np.cos(turn), np.sin(turn)], -1)).astype(np.float32)


@pytest.mark.slow
def test_a_long_path_is_a_short_loop_with_a_pause_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.gif"
    animate(motion_of(rotation(999), output("steps + 1", 2, path=0)), path, title="m.path.onnx")
    seen = frames(path)
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        assert image.size[0] <= 500 and image.size[1] <= 500
    assert 40 <= len(seen) <= MAX_FRAMES
    assert (seen[0][1], seen[-1][1]) == (FIRST_MS, LAST_MS)
    assert path.stat().st_size < 200_000
    assert seen[0][0][0, 0].tolist() == [255, 255, 255]


PATHS = {
    "points": ((30, 6, 2), ("steps + 1", 2), 0),
    "tokens": ((2, 6, 9, 2), ("steps + 1", "P", 2), 0),
    "images": ((5, 6, 1, 8, 8), ("steps + 1", 1, 8, 8), 0),
    "colour images": ((5, 6, 3, 8, 8), ("steps + 1", 3, 8, 8), 0),
    "matrices": ((3, 6, 5, 7), ("steps + 1", 5, 7), 0),
    "numbers": ((30, 6), ("steps + 1",), 0),
    "vectors": ((30, 6, 5), ("steps + 1", 5), 0),
    "time last": ((30, 2, 6), (2, "steps + 1"), 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", PATHS)
def test_every_path_moves_and_has_a_picture(kind: str, tmp_path: Path) -> None:
    sizes, shape, axis = PATHS[kind]
    x = np.random.default_rng(0).normal(size=sizes).astype(np.float32)
    port = output(*shape, path=axis)
    animate(motion_of(x, port), tmp_path / "x.gif")
    seen = [pixels for pixels, _ in frames(tmp_path / "x.gif")]
    assert len(seen) == 6
    assert len({p.shape for p in seen}) == 1
    assert all((a != b).any() for a, b in pairwise(seen))
    draw(x, port, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as still:
        assert len(still.convert("RGB").getcolors(1 << 24) or []) > 8


def test_a_path_of_one_for_all_examples_moves_too() -> None:
    port = output("steps + 1", "P", 2, path=0).model_copy(update={"batch": False})
    assert motion_of(np.zeros((7, 9, 2), np.float32), port).values.shape == (7, 9, 2)


def test_labels_order_the_columns_of_moving_images(tmp_path: Path) -> None:
    x = np.zeros((4, 3, 1, 8, 8), np.float32)
    x[1::2, 1:] = 1
    port = output("steps + 1", 1, 8, 8, path=0)
    animate(motion_of(x, port, np.array([0, 1, 0, 1])), tmp_path / "x.gif")
    last = frames(tmp_path / "x.gif")[-1][0]
    dark = (last.max(-1) < 60).sum(0) > 20
    assert dark[: len(dark) // 2].any() and not dark[len(dark) * 3 // 4 :].any()


def test_what_is_no_path_does_not_move() -> None:
    with pytest.raises(ModelError, match="`f` is no path") as caught:
        motion_of(np.zeros((5, 9, 2), np.float32), output("n", 2))
    assert caught.value.slug == "not-a-path"
    assert "keep x as xs" in str(caught.value)


# -------------------------------------------------------------------- the plane


def grid(text: str) -> Array:
    x: Array = parse_value(Port(name="x", kind="input", dtype="float32", shape=[2], batch=True), text, None)
    return x


def test_numbers_along_an_axis_are_curves(tmp_path: Path) -> None:
    """A function on a grid, [n, 1], is a line each, and no image of one column."""
    places = np.linspace(0, 2 * np.pi, 50)[None, :, None]
    draw((np.array([[[1.0]], [[2.0]]]) * np.sin(places)).astype(np.float32), output(50, 1), tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as image:
        dark = np.asarray(image.convert("L")) < 160
    assert dark[:, dark.shape[1] // 4 : -dark.shape[1] // 4].any(0).all(), "a line goes through every column"


def test_functions_of_a_number_are_curves_over_it(tmp_path: Path) -> None:
    """Each result in a colour of its own, named, over the input's name; a line where each number stands once."""
    x, path = np.linspace(3, -3, 40, dtype=np.float32), tmp_path / "x.svg"
    draw(np.stack([x, x**2, np.sin(x)], -1), output(3), path, Look(inputs={"age": x}))
    assert {"age", "[0]", "[1]", "[2]"} <= {*words(path)}
    draw(np.sin(x), output(), path, Look(inputs={"age": x}, over=np.stack([x, np.sin(x)], -1)))
    assert {"age", "data"} <= {*words(path)} and "[0]" not in words(path)


@pytest.mark.parametrize("shape", [(), (2,), (3,), (2, 2), (1, 8, 8)])
def test_truths_have_pictures(shape: tuple[int, ...], tmp_path: Path) -> None:
    port = output(*shape).model_copy(update={"dtype": "bool"})
    draw(np.arange(3 * np.prod(shape, dtype=int)).reshape(3, *shape) % 2 == 0, port, tmp_path / "x.png")
    assert (tmp_path / "x.png").exists()


def test_numbers_of_points_are_a_map(tmp_path: Path) -> None:
    """High on the right, low on the left, so that the right is dark and the left pale."""
    x = grid("-1..1:20")
    draw(x[:, 0], output(), tmp_path / "x.png", Look(inputs={"x": x}))
    with Image.open(tmp_path / "x.png") as image:
        pixels = np.asarray(image.convert("L")).astype(int)
    middle = pixels[pixels.shape[0] // 2]
    assert middle[int(0.2 * len(middle))] > middle[int(0.7 * len(middle))] + 80


def test_an_input_that_is_one_for_all_is_not_what_a_picture_is_of(
    paired: onnx.ModelProto, write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Look] = []
    monkeypatch.setattr(running, "save", lambda results, out, manifest, look: seen.append(look) or [])
    words = ["a=[[1, 2], [3, 4], [5, 6]]", "b=[0, 1]"]
    running.run_file(
        write(paired), words, dict.fromkeys(("batch", "seed", "steps")), running.Wanted(tmp_path / "x.png")
    )
    assert {name: array.tolist() for name, array in seen[0].inputs.items()} == {"a": [[1, 2], [3, 4], [5, 6]]}


@pytest.mark.parametrize("scattered", [False, True])
def test_classes_of_points_are_regions(scattered: bool, tmp_path: Path) -> None:
    x = grid("-1..1:30")
    x = x + np.random.default_rng(0).uniform(0, 0.01, x.shape).astype(np.float32) if scattered else x
    p = np.stack([x[:, 0] < 0, x[:, 0] >= 0], -1).astype(np.float32)
    draw(p, output(2), tmp_path / "x.png", Look(inputs={"x": x}))
    with Image.open(tmp_path / "x.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    without_legend = pixels[:, : int(0.85 * pixels.shape[1])]
    left, _, right = np.array_split(without_legend, 3, axis=1)
    reds = [(np.abs(half - (255 - 0.75 * (255 - ACCENT))).max(-1) < 6).sum() for half in (left, right)]
    blues = [(np.abs(half - (255 - 0.75 * (255 - TEAL))).max(-1) < 6).sum() for half in (left, right)]
    assert reds[0] > 20 * max(reds[1], 1) and blues[1] > 20 * max(blues[0], 1)


def test_colours_span_the_top_of_a_log_density() -> None:
    """Of a narrow ring, whose log density falls off as a parabola, the ring is seen: what is far below is all low."""
    x = grid("-3..3:41")
    ring = -((np.linalg.norm(x, axis=1) - 1) ** 2) / 0.02
    low, high = visible_range(x, ring)
    assert high == ring.max() and ring.min() < 10 * low < 0
    assert 0.05 < (ring > low).mean() < 0.5
    assert visible_range(x, np.where(ring < -100, -np.inf, ring))[1] == high


FALLING = {
    "a slope": lambda x: 3 * x[:, 0] - x[:, 1],
    "a bump": lambda x: np.exp(-8 * (x**2).sum(1)),
    "a well": lambda x: -np.exp(-8 * (x**2).sum(1)),
    "a normal log density": lambda x: -(x**2).sum(1) / 2,
    "two values": lambda x: np.where(x[:, 0] < 0, -1.0, 0.0),
}


@pytest.mark.parametrize("name", FALLING)
def test_colours_span_all_of_another_function(name: str) -> None:
    x = grid("-3..3:41")
    values = FALLING[name](x)
    assert visible_range(x, values) == (values.min(), values.max())
    assert visible_range(x, np.full(len(x), np.nan)) == (0, 0)


def test_colours_span_what_is_asked_for(tmp_path: Path) -> None:
    x = grid("-1..1:20")
    for name, span in (("all", None), ("some", (-0.1, 0.1))):
        draw(x[:, 0], output(), tmp_path / f"{name}.png", Look(inputs={"x": x}, span=span))
    assert (tmp_path / "all.png").read_bytes() != (tmp_path / "some.png").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 8, 8), (64,)])
def test_classes_of_images_stand_below_them(shape: tuple[int, ...], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, *shape)).astype(np.float32)
    p = rng.dirichlet(np.ones(10), 7).astype(np.float32)
    for name, inputs in (("with", {"x": x}), ("without", {})):
        draw(p, output(10), tmp_path / f"{name}.png", Look(inputs=inputs))
    with Image.open(tmp_path / "with.png") as seen, Image.open(tmp_path / "without.png") as bare:
        grey = [np.asarray(i.convert("RGB")) for i in (seen, bare)]
    dark = [int(((g.max(-1) < 120) & (np.ptp(g, -1) == 0)).sum()) for g in grey]
    assert dark[0] > 500 + dark[1]


def words(path: Path) -> list[str]:
    """The texts of an .svg, which are comments beside their outlines."""
    return re.findall("<!-- (.+?) -->", path.read_text(encoding="utf-8"))


def test_classes_are_shown_by_their_names(tmp_path: Path) -> None:
    rng, names, path = np.random.default_rng(0), ["cat", "dog"], tmp_path / "x.svg"
    x = grid("-1..1:9")
    right = (x[:, 0] > 0).astype(np.int64)
    labels = Port(name="f", kind="output", dtype="int64", batch=True, classes=2)
    look = Look(inputs={"x": x}, names={"f": names})
    for result, port in ((np.eye(2)[right], output(2)), (right, labels)):
        draw(result, port, path, look)
        assert {*names, "x[0]", "x[1]"} <= {*words(path)}
    draw(np.eye(2)[right], output(2), path, Look(inputs={"x": x}, over=x))
    assert words(path)[-3:] == ["0", "1", "data"], "colours without names are numbered, with data over them, too"
    p = rng.dirichlet(np.ones(2), 1)
    draw(p, output(2), path, Look(inputs={"x": rng.normal(size=(1, 1, 8, 8))}, names={"f": names}))
    assert [f"{names[p.argmax()]}  ({p.max():.0%})", *names] == words(path)
    draw(p, output(2), path)
    assert words(path) == ["0", "1"]


@pytest.mark.parametrize("shape", [(1, 8, 8), (5, 1, 8, 8)])
def test_rows_of_images_have_the_names_of_their_labels(shape: tuple[int, ...], tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(2, *shape))
    draw(
        x, output(*shape, path=0 if len(shape) > 3 else None), tmp_path / "x.svg", Look(labels=np.array(["cat", "dog"]))
    )
    assert words(tmp_path / "x.svg") == ["cat", "dog"]


def test_long_names_are_whole_in_what_moves(tmp_path: Path) -> None:
    """The left edge is white: no name runs out of the frame."""
    x = np.random.default_rng(0).normal(size=(2, 3, 1, 8, 8)).astype(np.float32)
    port = output(3, 1, 8, 8, path=0)
    animate(motion_of(x, port, np.array(["a name of thirty letters or so", "cat"])), tmp_path / "x.gif")
    pixels, _ = frames(tmp_path / "x.gif")[0]
    assert (pixels[:, :2] == 255).all()


def test_data_are_drawn_over_a_map_and_beside_points(tmp_path: Path) -> None:
    x, data = grid("-1..1:20"), np.array([[0.5, 0.5], [-0.5, 0.0]], np.float32)
    np.savetxt(tmp_path / "d.csv", data, delimiter=",", header="x0,x1", comments="")
    over = running.read_points(tmp_path / "d.csv")
    np.testing.assert_array_equal(over, data)
    for result, port, inputs in ((x[:, 0], output(), {"x": x}), (x, output(2), {})):
        counts = []
        for points in (None, over):
            draw(result, port, tmp_path / "x.png", Look(inputs=inputs, over=points))
            with Image.open(tmp_path / "x.png") as image:
                counts.append((np.abs(np.asarray(image.convert("RGB")).astype(int) - TEAL).sum(-1) < 6).sum())
        assert counts[0] == 0 < counts[1]
    with pytest.raises(ModelError, match="no map of the plane"):
        draw(np.zeros((3, 1, 8, 8)), output(1, 8, 8), tmp_path / "x.png", Look(over=over))


def test_a_forecast_is_a_curve_after_its_past(tmp_path: Path) -> None:
    """Beside what it was made from: dark before, red after; with several futures a band is paler than the curve."""
    past = np.sin(np.arange(20) / 3)[None].repeat(2, 0)
    look = Look(inputs={"x": past}, series=(20, 6))
    shares = []
    for future, shape in ((np.zeros((2, 6)), (6,)), (np.random.default_rng(0).normal(size=(2, 50, 6)), (50, 6))):
        draw(future, output(*shape), tmp_path / "x.png", look)
        with Image.open(tmp_path / "x.png") as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        red = np.abs(pixels - ACCENT).sum(-1) < 12
        assert red.any()
        pale = (pixels[..., 0] - pixels[..., 1] > 20) & ~red
        shares.append(pale.sum())
        middle = np.flatnonzero((np.abs(pixels - [0x20, 0x30, 0x4A]).sum(-1) < 12).any(0)).min()
        assert middle < np.flatnonzero(red.any(0)).min()
    assert shares[1] > 5 * shares[0]


def test_a_grid_on_the_command_line() -> None:
    assert grid("-1..1:2").tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert grid("0..1,-5..5:2,3").tolist() == [[0, -5], [0, 0], [0, 5], [1, -5], [1, 0], [1, 5]]
    assert grid("0..1, -5..5:2").tolist() == [[0, -5], [0, 5], [1, -5], [1, 5]]
    number = Port(name="s", kind="input", dtype="float32", batch=True)
    assert parse_value(number, "0..1:3", None).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("-1..1", "input-dtype"),
        ("-1..1:one", "input-dtype"),
        ("-1..1:1", "input-dtype"),
        ("-1..1,0..1,0..2:3", "input-dtype"),
        ("-1..1:3,3,3", "input-dtype"),
        ("-1..1:3,", "input-dtype"),
        ("-1..1:2000,2000", "input-range"),
        ("a..1:3", "input-dtype"),
        ("1..0:3", "input-range"),
        ("nan..1:3", "input-range"),
        ("0..1:5000", "input-range"),
        ("0..1:" + "9" * 5000, "input-range"),
    ],
)
def test_a_grid_that_is_none(text: str, slug: str) -> None:
    with pytest.raises(ModelError) as caught:
        grid(text)
    assert caught.value.slug == slug


# -------------------------------------------------------------------- records


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
