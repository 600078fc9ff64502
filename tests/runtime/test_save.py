"""Results to files, and pictures that suit them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from PIL import Image

from mai.runtime import ModelError
from mai.runtime.model.manifest import Manifest, Port
from mai.runtime.show.canvas import NO_IMAGE, fix_limits, grid_of, image_span, plotting
from mai.runtime.show.picture import Look, draw
from mai.runtime.show.save import save

Array = np.ndarray


def outputs(**shapes: list[int | str]) -> Manifest:
    ports = [Port(name=name, kind="output", dtype="float32", shape=shape, batch=True) for name, shape in shapes.items()]
    return Manifest(name="m", export="f", inputs=[], settings=[], outputs=ports, spec_sha256="", opset=23)


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(5, 1, 2, 2)).astype(np.float32)
    described = outputs(f=[1, 2, 2])
    for ending in ("npy", "npz", "csv", "json", "NPZ"):
        assert save({"f": x}, tmp_path / "deep" / f"x.{ending}", described) == [tmp_path / "deep" / f"x.{ending}"]
    folder = tmp_path / "deep"
    np.testing.assert_array_equal(np.load(folder / "x.npy"), x)
    np.testing.assert_array_equal(np.load(folder / "x.npz")["f"], x)
    np.testing.assert_array_equal(np.load(folder / "x.NPZ")["f"], x)
    np.testing.assert_array_equal(np.loadtxt(folder / "x.csv", np.float32, delimiter=",", skiprows=1), x.reshape(5, 4))
    assert (folder / "x.csv").read_text().startswith("f0,f1,f2,f3\n")
    np.testing.assert_array_equal(np.array(json.loads((folder / "x.json").read_text())["f"], np.float32), x)


def test_whole_numbers_in_a_table_keep_their_digits(tmp_path: Path) -> None:
    save({"n": np.array([2**53 + 1, -3])}, tmp_path / "n.csv", outputs(n=[]))
    assert (tmp_path / "n.csv").read_text().split() == ["n", str(2**53 + 1), "-3"]


def test_a_table_has_labels_by_their_names_and_dates(tmp_path: Path) -> None:
    whole = {"kind": "output", "dtype": "int64", "batch": True, "field": "town", "classes": 3}
    real = {"kind": "output", "dtype": "float32", "batch": True}
    ports = [
        Port(name="town", **whole), Port(name="two", shape=[2], **whole), Port(name="chance", shape=[3], field="town", **real),
        Port(name="day", dates="day", **real),
    ]  # fmt: skip
    described = outputs().model_copy(update={"outputs": ports, "labels": {"town": ["Köln, Süd", "Ulm"]}})
    results = {
        "town": np.array([1, 0, 2]), "two": np.array([[1, 0]]), "chance": np.array([[0.5, 0.25, 0.25]], np.float32),
        "day": np.array([19797.0, np.nan]),
    }  # fmt: skip
    save(results, tmp_path / "x.csv", described)
    assert {name: (tmp_path / f"x.{name}.csv").read_text(encoding="utf-8").splitlines() for name in results} == {
        "town": ["town", "Ulm", '"Köln, Süd"', "2"],
        "two": ["two0,two1", 'Ulm,"Köln, Süd"'],
        "chance": ['"chance.Köln, Süd",chance.Ulm,chance.2', "0.5,0.25,0.25"],
        "day": ["day", "2024-03-15", "nan"],
    }


def test_several_results_go_to_one_file_or_one_each(tmp_path: Path) -> None:
    results = {"a": np.zeros((3, 2), np.float32), "b": np.ones(3, np.float32)}
    described = outputs(a=[2], b=[])
    assert save(results, tmp_path / "x.npz", described) == [tmp_path / "x.npz"]
    assert set(np.load(tmp_path / "x.npz").files) == {"a", "b"}
    assert save(results, tmp_path / "x.csv", described) == [tmp_path / "x.a.csv", tmp_path / "x.b.csv"]
    assert (tmp_path / "x.b.csv").read_text().split() == ["b", "1", "1", "1"]
    for path in save(results, tmp_path / "x.png", described):
        assert path.exists()


def test_of_several_results_the_paths_move(tmp_path: Path) -> None:
    results = {"xs": np.random.default_rng(0).normal(size=(5, 3, 2)), "l": np.zeros(5)}
    manifest = outputs(xs=["steps + 1", 2], l=[])
    ports = [manifest.outputs[0].model_copy(update={"path": 0}), manifest.outputs[1]]
    assert save(results, tmp_path / "x.gif", manifest.model_copy(update={"outputs": ports})) == [tmp_path / "x.gif"]
    assert (tmp_path / "x.gif").stat().st_size > 1000
    with pytest.raises(ModelError, match="`xs` is no path"):
        save(results, tmp_path / "none.gif", manifest)
    assert not (tmp_path / "none.gif").exists()


def test_each_of_several_pictures_has_the_name_of_its_result(tmp_path: Path) -> None:
    results = {"a": np.arange(9.0), "b": np.arange(9.0)}
    save(results, tmp_path / "x.svg", outputs(a=[], b=[]), Look("m.f.onnx"))
    assert "<!-- m.f.onnx: a -->" in (tmp_path / "x.a.svg").read_text()
    assert "<!-- m.f.onnx: b -->" in (tmp_path / "x.b.svg").read_text()
    save({"a": results["a"]}, tmp_path / "one.svg", outputs(a=[]), Look("m.f.onnx"))
    assert "<!-- m.f.onnx -->" in (tmp_path / "one.svg").read_text()


@pytest.mark.parametrize("name", ["x", "x.xyz", ".png"])
def test_an_unknown_ending(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError) as caught:
        save({"f": np.zeros((2, 2))}, tmp_path / name, outputs(f=[2]))
    assert caught.value.slug == "out-unknown"
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "x.npy").mkdir()
    with pytest.raises(ModelError, match="cannot write"):
        save({"f": np.zeros((2, 2))}, tmp_path / "x.npy", outputs(f=[2]))


def test_without_matplotlib_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModelError, match="pip install matplotlib"):
        save({"f": np.zeros((2, 2))}, tmp_path / "x.png", outputs(f=[2]))


SHAPES: list[tuple[list[int | str], tuple[int, ...]]] = [
    ([2], (200, 2)),
    (["steps + 1", 2], (20, 21, 2)),
    (["steps + 1", "P", 2], (1, 21, 30, 2)),
    ([1, 8, 8], (30, 1, 8, 8)),
    ([3, 8, 8], (1, 3, 8, 8)),
    ([8, 8], (4, 8, 8)),
    ([], (500,)),
    ([], (1,)),
    (["P - 1"], (3, 17)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "sizes"), SHAPES, ids=[str(s) for _, s in SHAPES])
def test_every_shape_has_a_picture(tmp_path: Path, shape: list[int | str], sizes: tuple[int, ...]) -> None:
    """A picture that shows something: more than one colour in it."""
    x = np.random.default_rng(0).normal(size=sizes).astype(np.float32)
    path = tmp_path / "x.png"
    draw(x, outputs(f=shape).outputs[0], path, Look("m.f.onnx"))
    pixels = image.imread(path)
    assert min(pixels.shape[:2]) > 100
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 8


@pytest.mark.parametrize("examples", [1, 3, 40])
def test_probabilities_are_bars_and_the_best_is_marked(tmp_path: Path, examples: int) -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(10), size=examples).astype(np.float32)
    path = tmp_path / "x.png"
    draw(p, outputs(f=[10]).outputs[0], path)
    accent = np.array([0xD1, 0x49, 0x5B]) / 255
    assert (np.abs(image.imread(path)[..., :3] - accent).max(-1) < 0.01).any()


def test_a_label_of_few_images_is_a_column_and_one_of_many_is_a_row() -> None:
    columns = grid_of(6, np.array([2, 0, 2, 0, 1, 2]))
    assert columns.below == ["0", "1", "2"] and not columns.left
    assert np.array(columns.rows).tolist() == [[1, 4, 0], [3, NO_IMAGE, 2], [NO_IMAGE, NO_IMAGE, 5]]
    ten = grid_of(10, np.arange(10))
    assert [row.tolist() for row in ten.rows] == [list(range(10))]
    rows = grid_of(6, np.array([1, 0, 0, 0, 1, 0]))
    assert rows.left == ["0", "1"] and [row.tolist() for row in rows.rows] == [[1, 2, 3, 5], [0, 4]]


@pytest.mark.parametrize(
    ("low", "high", "span"),
    [
        (0.1, 0.3, (0, 1)),
        (-0.6, 0.2, (-1, 1)),
        (-1.1, 1.1, (-1, 1)),
        (-3, 2, (-3, 2)),
        (0, 40, (0, 40)),
        (2, 250, (0, 255)),
        (0, 400, (0, 400)),
    ],
)
def test_images_are_shown_in_the_range_that_they_live_in(low: float, high: float, span: tuple[float, float]) -> None:
    images = np.linspace(low, high, 4 * 64).reshape(4, 1, 8, 8)
    assert image_span(images) == pytest.approx(span)
    assert image_span((images * 0 + 7).astype(np.uint8)) == (0, 255)


def test_coordinates_of_two_units_have_two_scales(tmp_path: Path) -> None:
    """A picture of an age and a wage is no thin strip, still or moving; a plane keeps its aspect."""
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    port = outputs(f=[2]).outputs[0]
    for scale, is_plane in (([1, 1], True), ([1, 3], True), ([1, 2000], False)):
        with plotting() as plt:
            _, axes = plt.subplots()
            fix_limits(axes, x * scale)
            assert (axes.get_aspect() == 1) is is_plane
            inside = [
                np.ptp(x[:, i] * scale[i]) / np.ptp(limits)
                for i, limits in enumerate((axes.get_xlim(), axes.get_ylim()))
            ]
            assert min(inside) > (0.2 if is_plane else 0.8)
        draw(x * np.float32(scale), port, tmp_path / "x.png")
        with Image.open(tmp_path / "x.png") as picture:
            assert min(picture.size) > 400 or is_plane


@pytest.mark.parametrize("labels", [None, np.full(50, 3)])
def test_a_long_strip_becomes_a_square(labels: Array | None) -> None:
    grid = grid_of(50, labels)
    assert grid.columns == 8
    assert np.concatenate(grid.rows).tolist() == list(range(50))
