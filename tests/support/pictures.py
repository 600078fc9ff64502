"""What pictures are drawn of in the tests, and what there is to see in them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from mai.runtime.inputs.values import parse_value
from mai.runtime.model.manifest import Port

Array = np.ndarray
TEAL, ACCENT = np.array([0x00, 0x79, 0x8C]), np.array([0xD1, 0x49, 0x5B])


def output(*shape: int | str, path: int | None = None) -> Port:
    """A result of this shape; along the axis `path` it is a path."""
    return Port(name="f", kind="output", dtype="float32", shape=list(shape), batch=True, path=path)


def frames(path: Path) -> list[tuple[Array, int]]:
    """The frames of a file as pixels, and how many milliseconds each is seen."""
    with Image.open(path) as image:
        return [(np.asarray(f.convert("RGB")), f.info["duration"]) for f in ImageSequence.Iterator(image)]


def rotation(steps: int, radius: float = 1.0) -> Array:
    """Points on a circle a quarter turn apart, which go round once: [4, steps + 1, 2]."""
    turn = np.linspace(0, 2 * np.pi, steps + 1) + np.arange(4)[:, None] * np.pi / 2
    return (radius * np.stack([np.cos(turn), np.sin(turn)], -1)).astype(np.float32)


def grid(text: str) -> Array:
    """Points of the plane, as they are written on the command line."""
    x: Array = parse_value(Port(name="x", kind="input", dtype="float32", shape=[2], batch=True), text, None)
    return x


def words(path: Path) -> list[str]:
    """The texts of an .svg, which are comments beside their outlines."""
    return re.findall("<!-- (.+?) -->", path.read_text(encoding="utf-8"))
