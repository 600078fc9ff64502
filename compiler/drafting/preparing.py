"""How images are prepared for a model of a folder, as its `preprocessor_config.json` says: their size, and what becomes of their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from mai.compiler.data.fields import bad
from mai.runtime.inputs.framing import Framing, Resample
from mai.spec.diagnostics import MaiError
from mai.spec.record import record

FILTERS: tuple[Resample, ...] = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # By Pillow's numbers.
WHITE = 255
# Of ConvNeXt's: the part of a side that is kept, and from which size on it is all of it.
CROPPED, WARPED = 224 / 256, 384
# What reads images whose `size` is one number: the shorter side of these, else both.
SHORTER_SIDE = ("ConvNext", "MobileNet", "MobileViT", "PoolFormer", "Bit", "CLIP")
SAVE = "`AutoImageProcessor.from_pretrained(FOLDER).save_pretrained(FOLDER)` writes what transformers does"


@record
class Preparation:
    """The size (height, width) of images and how they come to it; the mean and deviation of each channel, of numbers from 0 to 1; whether blue comes first."""

    size: tuple[int, int]
    framing: Framing
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    is_blue_first: bool

    @property
    def settings(self) -> str:
        """Those of `images`, beside the path."""
        height, width = self.size
        fit = f", fit = {self.framing.fit}" if self.framing.fit != "crop" else ""
        resize = f", resize = {_written(self.framing.resize)}" if self.framing.resize else ""
        filter = f", resample = {self.framing.resample}" if self.framing.resample != "bicubic" else ""
        return f"size = {_written((height, width))}{fit}{resize}{filter}, channels = {len(self.means)}"

    @property
    def changes(self) -> bool:
        """Whether numbers from -1 to 1 are not yet those of the model."""
        return self.is_blue_first or {*self.means, *self.deviations} != {0.5}

    def net(self, name: str) -> Iterator[str]:
        """The lines of a net that makes the model's numbers of those of `images`, from -1 to 1."""
        yield "# Numbers of images, from -1 to 1, as the model takes them: those from 0 to 1, by the mean and deviation of each channel."
        yield f"net {name}(x: [channels, H, W]) -> [channels, H, W] {{"
        yield f"  mean = [{', '.join(f'{number:.9g}' for number in self.means)}]"
        yield f"  deviation = [{', '.join(f'{number:.9g}' for number in self.deviations)}]"
        if self.is_blue_first:
            yield "  x = flip(x, axis = 0)  # Blue, green, red."
        yield "  return ((x + 1) / 2 - mean[:, None, None]) / deviation[:, None, None]"
        yield "}"


def _written(size: int | tuple[int, int] | None) -> str:
    """A size as a spec writes it."""
    if isinstance(size, tuple):
        return str(size[0] if size[0] == size[1] else [*size])
    return str(size)


def preparation_of(said: Mapping[str, Any], path: Path, channels: int) -> Preparation:
    """What a folder's file says of its images, which have so many channels. Raises `MaiError` where it says nothing, or what is not known here."""
    file = str(path)
    if not said:
        raise bad(f"there is no {file}, which says how images are prepared", help=SAVE)
    size, framing = _framing(said, file)
    means, deviations = _numbers(said, file, channels)
    return Preparation(size, framing, means, deviations, said.get("do_flip_channel_order") is True)


def _framing(said: Mapping[str, Any], file: str) -> tuple[tuple[int, int], Framing]:
    """The size of images, and how they come to it."""
    filter = said.get("resample")
    if not isinstance(filter, int) or not 0 <= filter < len(FILTERS):
        raise _unknown(file, "resample", filter)
    target = _target(said, file)
    cut = _size(said.get("crop_size"), file, "crop_size") if said.get("do_center_crop") else None
    share = said.get("crop_pct", CROPPED if _kind(said).startswith("ConvNext") else None)
    if share is not None and cut is None and isinstance(target, int) and target >= WARPED:
        target = (target, target)
    elif share is not None and isinstance(target, int):
        cut, target = cut or (target, target), int(target / share)
    elif share is not None:
        raise _unknown(file, "crop_pct", share)
    if cut is not None and cut != target:
        return cut, Framing("crop", target, FILTERS[filter])
    if isinstance(target, int):
        raise bad(
            f"{file}: images keep their shapes, and one spec has images of one size",
            help='`"do_center_crop": true` and a `crop_size` cut out the middle',
        )
    return target, Framing("stretch", None, FILTERS[filter])


def _target(said: Mapping[str, Any], file: str) -> int | tuple[int, int]:
    """What images come to before they are cut: the shorter side, or height and width."""
    size = said.get("size")
    if said.get("do_resize") is False or said.get("do_pad"):
        raise _unknown(file, "do_pad" if said.get("do_pad") else "do_resize", said.get("do_pad", False))
    is_shorter = not said.get("default_to_square", not any(kind in _kind(said) for kind in SHORTER_SIDE))
    shorter = size if isinstance(size, int) and is_shorter else None
    if isinstance(size, Mapping) and {name for name, side in size.items() if side} == {"shortest_edge"}:
        shorter = size["shortest_edge"]
    return shorter if isinstance(shorter, int) else _size(size, file, "size")


def _size(size: object, file: str, name: str) -> tuple[int, int]:
    match size:
        case int(side):
            return side, side
        case {"height": int(height), "width": int(width)}:
            return height, width
    raise _unknown(file, name, size)


def _kind(said: Mapping[str, Any]) -> str:
    return str(said.get("image_processor_type") or said.get("feature_extractor_type") or "")


def _numbers(said: Mapping[str, Any], file: str, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The means and the deviations by which numbers from 0 to 1 become those of the model."""
    scale = WHITE * said.get("rescale_factor", 1 / WHITE) if said.get("do_rescale", True) else WHITE
    below = 1.0 if said.get("rescale_offset") else 0.0
    is_normalised = said.get("do_normalize", "image_mean" in said)
    means = _each(said, "image_mean", file, channels) if is_normalised else (0.0,) * channels
    stated = _each(said, "image_std", file, channels) if is_normalised else (1.0,) * channels
    if said.get("include_top", _kind(said).startswith("EfficientNet")):  # EfficientNet's are divided once more.
        more = _each(said, "image_std", file, channels)
        stated = tuple(a * b for a, b in zip(stated, more, strict=True))
    return tuple((mean + below) / scale for mean in means), tuple(each / scale for each in stated)


def _each(said: Mapping[str, Any], name: str, file: str, channels: int) -> tuple[float, ...]:
    """A number for each channel."""
    stated = said.get(name)
    numbers: Sequence[object] = stated if isinstance(stated, list) else [stated] * channels
    if len(numbers) != channels or not all(isinstance(each, int | float) for each in numbers):
        raise _unknown(file, name, stated)
    return tuple(float(cast("float", each)) for each in numbers)


def _unknown(file: str, name: str, value: object) -> MaiError:
    return bad(f"{file}: `{name}` is {str(value)[:60]}, of which nothing is known here", help=SAVE)
