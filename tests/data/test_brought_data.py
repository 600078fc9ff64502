"""Data as people bring them: images of 16 bits and with transparency, several files, a held-out part that seeds share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.sources import SOURCES
from mai.compiler.program import Program
from mai.spec.diagnostics import MaiError

IMAGES = (
    'data x: [{0}, 2, 2] from images("pictures")\ntrain(steps = 1) {{ minimize mean(x^2) * linear(x[0, 0], 1)[0] }}\n'
)
NUMBERS = 'data x: [2]{0} from {1}("{2}")\ntrain(steps = 1) {{ minimize sum(linear(x, 2)^2) }}\n'


@pytest.fixture
def read(program: Callable[[str], Program], tmp_path: Path) -> Callable[..., Dataset]:
    """The data of a spec's text, from files of the temporary folder."""

    def dataset(text: str, *files: str, seed: int = 0) -> Dataset:
        training = program(text).training
        assert training is not None
        return load(training.data, training.fields, seed, tmp_path, [tmp_path / f for f in files], training.where)

    return dataset


def pixels(dataset: Dataset) -> np.ndarray:
    return dataset.batch(0, 1)["x"][0]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize(("value", "wanted"), [(0, -1.0), (32768, 2 * 32768 / 65535 - 1), (65535, 1.0)])
def test_grey_of_16_bits(read: Callable[..., Dataset], tmp_path: Path, value: int, wanted: float, suffix: str) -> None:
    (tmp_path / "pictures").mkdir()
    image = Image.fromarray(np.full((2, 2), value, np.uint16))
    image.save(tmp_path / "pictures" / "a.png", format=suffix.upper())
    assert np.allclose(pixels(read(IMAGES.format(1))), wanted, atol=1e-6)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_lies_over_white(read: Callable[..., Dataset], tmp_path: Path, mode: str) -> None:
    (tmp_path / "pictures").mkdir()
    image = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 0, 255))
    image.convert(mode).save(tmp_path / "pictures" / "a.png")
    seen = pixels(read(IMAGES.format(1 if mode == "LA" else 3)))
    assert np.allclose(seen[:, 0, 0], -1) and np.allclose(seen[:, 1, 1], 1)


def test_real_pixels_are_refused(read: Callable[..., Dataset], tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Image.fromarray(np.full((2, 2), 0.5, np.float32)).save(tmp_path / "pictures" / "a.png", format="TIFF")
    with pytest.raises(MaiError, match="real numbers"):
        read(IMAGES.format(1))


def archive(path: Path, **arrays: object) -> None:
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]


def rows(dataset: Dataset) -> list[float]:
    """The first numbers of all examples, trained on or held out."""
    assert dataset.count is not None and dataset.validation is not None
    return sorted([*dataset.batch(0, dataset.count)["x"][:, 0], *dataset.validation["x"][:, 0]])


def test_every_file_is_read(read: Callable[..., Dataset], tmp_path: Path) -> None:
    archive(tmp_path / "a.npz", x=np.stack([np.arange(20.0), np.zeros(20)], 1))
    archive(tmp_path / "b.npz", x=np.stack([np.arange(20.0, 50.0), np.zeros(30)], 1))
    dataset = read(NUMBERS.format("", "npz", "none.npz"), "a.npz", "b.npz")
    assert rows(dataset) == [*map(float, range(50))]


def test_every_table_is_read_and_words_are_one_list(read: Callable[..., Dataset], tmp_path: Path) -> None:
    for name, word in (("a.csv", "cat"), ("b.csv", "ant")):
        (tmp_path / name).write_text("x0,x1,y\n" + f"1,2,{word}\n" * 12 + "3,4,dog\n")
    dataset = read(NUMBERS.format(", y: class[3]", "csv", "none.csv"), "a.csv", "b.csv")
    assert dataset.labels == {"y": ("ant", "cat", "dog")} and len(rows(dataset)) == 26


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((20, 3))}, r"an example of `x` is \[2\] in .*a\.npz and \[3\] in .*b\.npz"),
        ({"z": np.zeros((20, 2))}, r"a\.npz has `x`, .*b\.npz has not|b\.npz has `z`, .*a\.npz has not"),
    ],
)
def test_files_that_do_not_fit_together(
    read: Callable[..., Dataset], tmp_path: Path, arrays: Mapping[str, np.ndarray], message: str
) -> None:
    archive(tmp_path / "a.npz", x=np.zeros((20, 2)))
    archive(tmp_path / "b.npz", **arrays)
    with pytest.raises(MaiError, match=message):
        read(NUMBERS.format("", "npz", "none.npz"), "a.npz", "b.npz")


def test_seeds_hold_the_same_examples_out(read: Callable[..., Dataset], tmp_path: Path) -> None:
    archive(tmp_path / "a.npz", x=np.stack([np.arange(100.0), np.zeros(100)], 1))
    text = NUMBERS.format("", "npz", "a.npz")
    first, second = read(text, seed=1), read(text, seed=2)
    assert first.validation is not None and second.validation is not None
    assert np.array_equal(first.validation["x"], second.validation["x"])
    assert not np.array_equal(first.batch(0, 90)["x"], second.batch(0, 90)["x"])


def test_a_split_of_another_kind_says_nothing_of_brought_data(tmp_path: Path) -> None:
    """`digits(split = train)` names a part of its own rows, and no share of a file's."""
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 64)), y=np.zeros(9, int))
    brought = SOURCES["arrays"].for_file(tmp_path / "a.npz", SOURCES["digits"].of({"split": "train"}))
    assert brought is not None and getattr(brought, "split", 0) is None
