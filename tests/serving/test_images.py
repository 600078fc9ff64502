"""Images in requests and answers are those that training reads and pictures show."""

from __future__ import annotations

import io
import struct
import zlib
from base64 import b64encode
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from mai.compiler.data.files.pictures import pictures
from mai.runtime import Model, ModelError, load
from mai.runtime.inputs.framing import Framing
from mai.runtime.model.manifest import Facts
from mai.runtime.serving.images import as_png, as_pngs, image_size, read_images
from tests.support.cases.small_files import Write, build, manifest, output, real
from tests.support.serving import running


def photograph(path: Path, mode: str, size: tuple[int, int] = (23, 17)) -> bytes:
    width, height = size
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 4), np.uint8)
    Image.fromarray(pixels, "RGBA").convert(mode).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
@pytest.mark.parametrize(
    "framing",
    [
        Framing("crop"),
        Framing("pad"),
        Framing("stretch"),
        Framing("crop", 15, "bilinear"),
        Framing("crop", (9, 30), "box"),
    ],
    ids=str,
)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_read_as_for_training(mode: str, framing: Framing, channels: int, tmp_path: Path) -> None:
    raw = photograph(tmp_path / "a.png", mode)
    expected = pictures([tmp_path / "a.png"], (8, 12), framing, channels)[:][0]
    facts = Facts(low=[-1], high=[1], middle=[0], **asdict(framing))
    (read,) = read_images(real("x", channels, 8, 12), [b64encode(raw).decode()], facts)
    np.testing.assert_allclose(read, expected, atol=1e-6)
    assert read.dtype == np.float32


def test_a_range_of_the_data_is_that_of_black_and_white(tmp_path: Path) -> None:
    raw = photograph(tmp_path / "a.png", "L", (12, 8))
    facts = Facts(low=[0], high=[16], middle=[3])
    (read,) = read_images(real("x", 8, 12), [f"data:image/png;base64,{b64encode(raw).decode()}"], facts)
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_allclose(read, pixels / 255 * 16, atol=1e-5)


def test_an_image_comes_back_as_it_went() -> None:
    numbers = np.random.default_rng(1).uniform(-1, 1, (2, 3, 6, 5)).astype(np.float32)
    coded = [b64encode(raw).decode() for raw in as_pngs(output("f", 3, 6, 5), numbers, (-1.0, 1.0))]
    np.testing.assert_allclose(read_images(real("x", 3, 6, 5), coded, None), numbers, atol=1 / 255)
    assert as_png(np.full((1, 2, 2), np.nan, np.float32), (0, 1)) == as_png(np.zeros((1, 2, 2), np.float32), (0, 1))


@pytest.mark.parametrize("text", ["", "no base64!", b64encode(b"no image").decode()])
def test_what_is_no_image(text: str) -> None:
    with pytest.raises(ModelError, match="`x` is no image that can be read"):
        read_images(real("x", 3, 8, 8), [text], None)


def test_other_formats_are_not_read(tmp_path: Path) -> None:
    """Pillow would start another program for one of them."""
    raw = photograph(tmp_path / "a.bmp", "RGB")
    with pytest.raises(ModelError, match="`x` is no image that can be read: it has another format"):
        read_images(real("x", 3, 8, 8), [b64encode(raw).decode()], None)


def empty_png(width: int, height: int) -> str:
    """The head of an image without any pixels behind it, in base64."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    raw = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    end = b"IDAT" + zlib.compress(b"")
    return b64encode(raw + struct.pack(">I", len(end) - 4) + end + struct.pack(">I", zlib.crc32(end))).decode()


@pytest.mark.parametrize("size", [(8_000, 8_000), (20_000, 20_000)])
def test_an_image_of_too_many_pixels_is_refused_by_its_head(size: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match="pixels"):
        read_images(real("x", 8, 8), [empty_png(*size)], None)


def test_the_images_of_a_request_have_a_limit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mai.runtime.serving.images.MOST_TOGETHER", 2 * 23 * 17)
    coded = b64encode(photograph(tmp_path / "a.png", "L")).decode()
    assert read_images(real("x", 8, 8), [coded] * 2, None).shape == (2, 8, 8)
    with pytest.raises(ModelError, match="23 x 17 pixels, and 0 are read at most"):
        read_images(real("x", 8, 8), [coded] * 3, None)


def test_which_ports_are_images() -> None:
    shapes = {(3, 8, 8): (3, 8, 8), (8, 9): (1, 8, 9), (2, 8, 8): None, (8,): None, (8, 2): None, ("P", 8): None}
    assert {shape: image_size(real("x", *shape)) for shape in shapes} == shapes


@pytest.fixture
def negative(write: Write) -> Model:
    """f(x) = -x, of images [1, 6, 5]."""
    described = manifest([real("x", 1, 6, 5)], [], [output("f", 1, 6, 5)])
    return load(write(build(described, [helper.make_node("Neg", ["x"], ["f"])])), providers="cpu")


def test_images_of_a_service(negative: Model, tmp_path: Path) -> None:
    coded = b64encode(photograph(tmp_path / "a.png", "L", (5, 6))).decode()
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    with running({"negative": negative}) as client:
        reply = client.post("/run/negative?format=png&range=-1..1", {"x": coded})
        assert reply.headers["content-type"] == "image/png"
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(reply.raw))), 255 - pixels)
        both = client.post("/run/negative?format=base64&range=-1..1", {"x": [coded, coded]}).json
        assert both["shapes"] == {"f": [2, 1, 6, 5]}
        assert both["outputs"]["f"] == [b64encode(reply.raw).decode()] * 2
        assert client.post("/run/negative", {"x": coded}, Accept="image/png").raw[:4] == b"\x89PNG"
        assert "one image" in client.post("/run/negative?format=png", {"x": [coded] * 2}).error["message"]
        assert "mixes images" in client.post("/run/negative", {"x": [coded, 1]}).error["message"]
