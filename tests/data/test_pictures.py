"""Images as people have them: of mixed sizes, grey, with opacity, of 16 bits, turned, damaged; and more than fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mai.compiler.check import check
from mai.compiler.data import facts
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.files import pictures
from mai.compiler.data.sources.images import Images
from mai.compiler.data.splitting import copies
from mai.compiler.data.splitting.splits import StratifiedSplit
from mai.compiler.describing.describe import describe
from mai.compiler.describing.images import ImagesSummary
from mai.compiler.describing.parts import save_parts
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError


def field(channels: int, height: int, width: int) -> dict[str, Type]:
    return {"x": Type(DType.REAL, shape=(channels, height, width))}


def read(folder: Path, shape: tuple[int, int, int], **settings: Any) -> Dataset:
    return load(Images(path=".", **settings), field(*shape), 0, folder)


def one(folder: Path, shape: tuple[int, int, int], **settings: Any) -> np.ndarray:
    return read(folder, shape, **settings).batch(0, 1)["x"][0]


def seen(folder: Path, shape: tuple[int, int, int], **settings: Any) -> np.ndarray:
    """All images of a folder."""
    data = read(folder, shape, **settings)
    assert data.count is not None
    return data.batch(0, data.count)["x"]


def refused(folder: Path, shape: tuple[int, int, int] = (1, 2, 2), **settings: Any) -> str:
    with pytest.raises(MaiError) as caught:
        seen(folder, shape, **settings)
    (diagnostic,) = caught.value.diagnostics
    return f"{diagnostic.message} | {diagnostic.help}"


WIDE = np.zeros((4, 8), np.uint8)
WIDE[:, 2:6] = 255  # White in its middle square.


@pytest.mark.parametrize("kind", ["png", "bmp", "webp", "tif", "tiff", "gif"])
@pytest.mark.parametrize(
    ("fit", "wanted"),
    [
        ("crop", np.ones((4, 4))),
        ("pad", np.array([[-1, -1, -1, -1], [-1, 1, 1, -1], [-1, 1, 1, -1], [-1, -1, -1, -1]])),
        ("stretch", np.array([[-1, 1, 1, -1]] * 4)),
    ],
)
def test_an_image_is_brought_to_a_size(kind: str, fit: str, wanted: np.ndarray, tmp_path: Path) -> None:
    options = {"lossless": True} if kind == "webp" else {}
    Image.fromarray(WIDE).save(tmp_path / f"a.{kind}", **options)
    seen = one(tmp_path, (1, 4, 4), size=4, fit=fit, channels=1)
    assert np.abs(seen[0] - wanted).max() < 0.35  # Edges are smooth.
    assert np.array_equal(np.sign(seen[0]), np.sign(wanted))


def test_sizes_kinds_and_depths_may_be_mixed(tmp_path: Path) -> None:
    Image.new("L", (9, 5), 255).save(tmp_path / "grey.png")
    Image.new("RGB", (4, 7), (255, 0, 0)).save(tmp_path / "red.jpg", quality=100)
    Image.new("RGBA", (3, 3), (0, 0, 255, 0)).save(tmp_path / "clear.png")
    Image.new("P", (6, 6)).save(tmp_path / "palette.gif")
    Image.new("CMYK", (5, 5)).save(tmp_path / "ink.tif")
    Image.fromarray(np.full((8, 8), 65535, np.uint16)).save(tmp_path / "deep.png")
    data = load(Images(path=".", size=(2, 3)), field(3, 2, 3), 0, tmp_path)
    seen = {tuple(np.round(x[:, 0, 0]).tolist()) for x in data.batch(0, 6)["x"]}
    assert data.count == 6 and seen == {(1, 1, 1), (1, -1, -1), (-1, -1, -1)}
    grey = load(Images(path=".", size=2, channels=1), field(1, 2, 2), 0, tmp_path).batch(0, 6)["x"]
    assert grey.shape == (6, 1, 2, 2)
    opaque = load(Images(path=".", size=2, channels=4), field(4, 2, 2), 0, tmp_path).batch(0, 6)["x"]
    assert sorted(np.round(opaque[:, 3, 0, 0]).tolist()) == [-1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_sixteen_bits_are_kept(fit: str, tmp_path: Path) -> None:
    Image.fromarray(np.full((6, 6), 30001, np.uint16)).save(tmp_path / "a.png")
    for settings in ({}, {"size": 3, "fit": fit}):
        size = 3 if settings else 6
        assert one(tmp_path, (1, size, size), **settings) == pytest.approx(2 * 30001 / 65535 - 1, abs=1e-6)


def test_a_photograph_that_was_turned_is_upright(tmp_path: Path) -> None:
    notes = Image.Exif()
    notes[0x0112] = 6
    Image.fromarray(WIDE).save(tmp_path / "a.png", exif=notes)
    np.testing.assert_array_equal(one(tmp_path, (1, 8, 4))[0], np.rot90(WIDE, -1) / 127.5 - 1)
    summary = describe([tmp_path])
    assert isinstance(summary, ImagesSummary) and summary.sizes == (((4, 8), 1),), "width and height, as it is seen"


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Two folders of ten images, each of one grey of its own."""
    for place, label in enumerate(("cat", "dog")):
        (tmp_path / label).mkdir()
        for i in range(10):
            Image.new("L", (4, 4), 10 * place + i).save(tmp_path / label / f"{i}.png")
    return tmp_path


LABELLED = {**field(1, 4, 4), "y": Type(DType.INT, classes=2)}


def test_more_than_fits_into_memory_is_the_same(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = load(Images(path="."), LABELLED, 0, animals)
    monkeypatch.setattr(pictures, "IN_MEMORY", 0)
    monkeypatch.setattr(copies, "MOST_BYTES", 0)
    monkeypatch.setattr(facts, "NUMBERS", 4 * 16)
    decoded: list[Path] = []
    plain = pictures.decode
    monkeypatch.setattr(pictures, "decode", lambda path, form: (decoded.append(path), plain(path, form))[1])
    lazy = load(Images(path="."), LABELLED, 0, animals)
    before = len(decoded)
    for step in range(12):
        for name, rows in kept.batch(step, 4).items():
            np.testing.assert_array_equal(lazy.batch(step, 4)[name], rows)
    assert before <= 3 + 4 and len(decoded) == before + 2 * 12 * 4
    assert kept.validation is not None and lazy.validation is not None
    np.testing.assert_array_equal(lazy.validation["x"][:], kept.validation["x"][:])


def test_eight_bits_stay_eight_until_a_batch(animals: Path) -> None:
    rows = load(Images(path="."), LABELLED, 0, animals).validation
    assert rows is not None and rows["x"].rows.rows.rows.dtype == np.uint8  # type: ignore[attr-defined]


def test_folders_are_held_out_by_a_rule_or_as_files_of_their_own(animals: Path) -> None:
    data = load(Images(path=".", split=StratifiedSplit(column="y", share=0.2)), LABELLED, 0, animals)
    assert data.validation is not None and sorted(data.validation["y"][:].tolist()) == [0, 0, 1, 1]
    (animals / "train").mkdir()
    (animals / "later" / "dog").mkdir(parents=True)
    for label in ("cat", "dog"):
        (animals / label).rename(animals / "train" / label)
    Image.new("L", (4, 4), 99).save(animals / "later" / "dog" / "new.png")
    data = load(Images(path="train", validation="later"), LABELLED, 0, animals)
    assert data.count == 20 and data.validation is not None
    assert data.validation["y"][:].tolist() == [1] and data.validation["x"][:].max() == pytest.approx(99 / 127.5 - 1)
    message = "is trained on, so that it cannot be held out"
    with pytest.raises(MaiError, match=message):
        load(Images(path="train", validation="train"), LABELLED, 0, animals)


def test_the_part_of_each_image_is_written_by_its_name(animals: Path) -> None:
    """`mai data SPEC --out`: what is held out is what lies under those names."""
    said = 'data x: [1, 4, 4], y: class[2] from images(".", split = stratified(y, 0.2, test = 0.1))\n'
    (animals / "s.mai").write_text(f"{said}train(steps = 1) {{ minimize cross_entropy(conv(x, 2, 4)[:, 0, 0], y) }}\n")
    program = check(animals / "s.mai").program
    assert program is not None
    save_parts(program, animals / "parts.csv")
    head, *rows = [line.split(",") for line in (animals / "parts.csv").read_text().split()]
    assert head == ["file", "part"] and [name for name, _ in rows] == sorted(name for name, _ in rows)
    data = load(program.trainings[0].data, LABELLED, 0, animals)
    for part, kept in (("held-out", data.validation), ("test", data.test)):
        greys = [int(name[4]) + 10 * (name[:3] == "dog") for name, each in rows if each == part]
        assert kept is not None and len(greys) > 1
        assert sorted((kept["x"][:][:, 0, 0, 0] + 1) * 127.5) == pytest.approx(greys)


@pytest.mark.parametrize(("path", "names"), [
    ("*/*3.png", ["cat/3.png", "dog/3.png"]),
    (("one/pets", "two/pets"), ["one/pets/a.png", "two/pets/a.png"]),
    (("one/pets",), ["a.png"]),
])  # fmt: skip
def test_two_images_have_two_names(animals: Path, path: str | tuple[str, ...], names: list[str]) -> None:
    """Where a pattern says which they are, or folders of one name."""
    for place in ("one/pets", "two/pets"):
        (animals / place).mkdir(parents=True)
        Image.new("L", (4, 4)).save(animals / place / "a.png")
    data = load(Images(path=path), field(1, 4, 4), 0, animals)
    assert sorted(name for each in data.places.values() for name in ([] if each.files is None else each.files)) == names


def damaged(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(folder / f"{i}.png")
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:2000])


@pytest.mark.parametrize("memory", [1 << 28, 0])
def test_the_one_that_is_damaged_is_named(memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "IN_MEMORY", memory)
    damaged(tmp_path)
    assert "1.png is no image that can be read: " in refused(tmp_path, (1, 64, 64))


BAD: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: [Image.new("L", (s, s)).save(p / f"{s}.png") for s in (2, 3)], "differ in size: 2 x 2, 3 x 3 | `size = [2, 2]` brings them to one"),
    (lambda p: (p / "a.png").write_bytes(b""), "a.png is no image that can be read"),
    (lambda p: (p / "a.txt").write_text("text"), "there are no images in"),
    (lambda p: Image.fromarray(np.zeros((2, 2), np.float32)).save(p / "a.tif"), "a.tif holds real numbers"),
    (lambda p: Image.fromarray(np.full((2, 2), 70_000, np.int32)).save(p / "a.tif"), "a.tif has 70000 for a pixel: more than 16 bits"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "message"), BAD, ids=[message[:25] for _, message in BAD])
def test_what_is_no_set_of_images_is_told(write: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    write(tmp_path)
    assert message in refused(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("channels = 2", "needs 1, 3 or 4 channels"), ("size = 0", "needs a size of 1 or more pixels"), ("fit = cut", "crop, pad or stretch"),
        ('split = random(0.1), validation = "b"', "takes `split` or `validation`"),
        ('split = random(0.5, test = 0.5)', "leaves nothing to train on: 0.5 and 0.5 of the rows are kept aside"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_told(settings: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "s.mai").write_text(
        f'data x: [1, 4, 4] from images("a", {settings})\ntrain(steps = 1) {{ minimize sum(linear(x[0, 0], 1)^2) }}\n'
    )
    assert message in " ".join(d.message for d in check(tmp_path / "s.mai").diagnostics)


def test_hidden_files_are_no_images_and_an_empty_folder_no_class(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / name / "1.png")
        (tmp_path / name / "._1.png").write_bytes(b"of another system")
    summary = describe([tmp_path])
    assert isinstance(summary, ImagesSummary)
    assert (len(summary.files), summary.damaged) == (2, ())
    (tmp_path / "loose.png").write_bytes((tmp_path / "cat" / "1.png").read_bytes())
    (tmp_path / "cat" / "indoors").mkdir()
    (tmp_path / "cat" / "indoors" / "2.png").write_bytes((tmp_path / "cat" / "1.png").read_bytes())
    beside, inside = read(tmp_path, (3, 4, 6)).notes[:2]
    assert "1 image beside the folders of the classes" in beside and "loose.png: left out" in beside
    assert "1 image in folders inside those of the classes" in inside and "2.png: left out" in inside
    (tmp_path / "bird").mkdir()
    for look in (lambda: describe([tmp_path]), lambda: Images.of({"path": "."}).find(tmp_path, ["."])):
        with pytest.raises(MaiError, match=r"no images in .*bird") as caught:
            look()
        assert "take it out" in (caught.value.diagnostics[0].help or "")
