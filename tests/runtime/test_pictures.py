"""Paths that move, and maps of the plane."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image

from mai.runtime import ModelError
from mai.runtime.commands import running
from mai.runtime.inputs.values import parse_value
from mai.runtime.model.manifest import Port
from mai.runtime.show.animate import FIRST_MS, LAST_MS, MAX_FRAMES, animate, motion_of
from mai.runtime.show.field import visible_range
from mai.runtime.show.picture import Look, draw
from tests.support.cases.small_files import build, manifest, real
from tests.support.command import invoke
from tests.support.pictures import ACCENT, TEAL, frames, grid, output, rotation, words


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


def test_points_have_the_colours_of_their_labels(tmp_path: Path) -> None:
    """Of those that are asked for, or of a result beside them; the legend has their names. Of many labels none has a colour."""
    label = Port(name="kind", kind="output", dtype="int64", shape=[], batch=True, classes=2, field="kind")
    points = Port(name="f", kind="output", dtype="float32", shape=[2], batch=True)
    described = manifest([real("t")], [], [points, label]).model_copy(update={"labels": {"kind": ["cat", "dog"]}})
    nodes = [
        helper.make_node("Concat", ["column", "column"], ["f"], axis=1),
        helper.make_node("Unsqueeze", ["t", "one"], ["column"]),
        helper.make_node("Cast", ["t"], ["kind"], to=7),
    ]
    onnx.save(build(described, [nodes[1], nodes[0], nodes[2]], {"one": np.array([1])}), tmp_path / "m.onnx")
    said = invoke("run", tmp_path / "m.onnx", "t=[0,1,1,0]", "--out", tmp_path / "p.svg")
    assert said.exit_code == 0
    picture = (tmp_path / "p.f.svg").read_text()
    assert all(f"<!-- {name} -->" in picture for name in ("cat", "dog"))
    draw(np.zeros((9, 2)), output(2), tmp_path / "q.svg", Look(labels=np.arange(9)))
    assert "<!-- 8 -->" not in (tmp_path / "q.svg").read_text()


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
