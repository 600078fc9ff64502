"""Specs for folders of images: which class one is of, or more of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mai.compiler.describing.images import ImagesSummary
from mai.compiler.describing.lines import share
from mai.runtime.inputs.cells import few_of
from mai.spec.record import record

LARGEST = 64  # Pixels of a side: larger images are made smaller, which trains in minutes on one core.
SMALLEST_MAP = 7  # Sides are halved until they are so short.
WIDTH, MOST_WIDTH = 32, 128
TAKE_OUT = "# Take these out first, they cannot be read: "
# How often all images are seen, by how many there are.
EPOCHS = ((500, 60), (5_000, 30), (20_000, 10), (2**62, 4))


@record
class Frame:
    """The shape of the images of a spec, whether the files are changed to it, and how many there are."""

    channels: int
    height: int
    width: int
    resized: bool
    count: int

    @property
    def shape(self) -> str:
        """As a spec writes it."""
        return f"[{self.channels}, {self.height}, {self.width}]"

    @property
    def halvings(self) -> int:
        """How often the sides are halved."""
        side, count = min(self.height, self.width), 0
        while side > SMALLEST_MAP:
            side, count = side // 2, count + 1
        return count


def draft_images(summary: ImagesSummary, path: str) -> str:
    """The text of a spec: a classifier where there are folders of classes, else a flow that draws images."""
    frame = _frame(summary, multiple=1 if summary.classes else 4)
    blocks = (_classifier if summary.classes else _flow)(summary, frame, path)
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _frame(summary: ImagesSummary, multiple: int) -> Frame:
    width, height = summary.size
    scale = min(1.0, LARGEST / max(height, width))
    sides = [max(multiple, round(side * scale / multiple) * multiple) for side in (height, width)]
    resized = len(summary.sizes) > 1 or sides != [height, width]
    return Frame(summary.channels, sides[0], sides[1], resized, len(summary.files))


def _source(summary: ImagesSummary, frame: Frame, path: str, split: str = "") -> str:
    size = f"{frame.height}" if frame.height == frame.width else f"[{frame.height}, {frame.width}]"
    return f'images("{path}", size = {size}, channels = {frame.channels}{summary.settings}{split})'


def _name(file: object, place: Path) -> str:
    """What an image is called beside others of the same folder or table."""
    return file.relative_to(place).as_posix() if isinstance(file, Path) and file.is_relative_to(place) else str(file)


def _about(summary: ImagesSummary, frame: Frame) -> Iterator[str]:
    if summary.beside:
        choice = summary.other_labels[0] if summary.other_labels else None
        verb = "learns another" if summary.classes else "learns one of them"
        how = "" if choice is None else f": `mai new --data {summary.place.name} --target {choice}` {verb}"
        yield f"# Left out: {few_of(summary.beside)}{how}."
    for table in summary.tables:
        yield f"# Left out: {table.name}: `mai data {table}` shows what it says of images."
    if summary.damaged:
        names = [_name(file, summary.place) for file in summary.damaged]
        yield f"{TAKE_OUT}{few_of(names)}."
    if frame.resized:
        (width, height), most = summary.sizes[0]
        yield f"# {share(most, frame.count)} are {width} x {height}; all are cropped to {frame.width} x {frame.height} (`fit = pad` or `stretch` are other ways)."


def _question(summary: ImagesSummary) -> str:
    if summary.place.is_dir():
        return f"Which folder of {summary.place.name} is an image of?"
    return f"What is the {summary.label} of an image of {summary.place.name}?"


def _epochs(frame: Frame) -> int:
    return next(epochs for most, epochs in EPOCHS if frame.count < most)


def _classifier(summary: ImagesSummary, frame: Frame, path: str) -> Iterator[list[str]]:
    count, total, y = len(summary.classes), frame.count, summary.label
    most = max(summary.classes, key=lambda each: each[1])
    few = min(each for _, each in summary.classes) < 7
    split = ", split = random(0.15, test = 0.15)" if few else f", split = stratified({y}, 0.15, test = 0.15)"
    yield [
        f"# {_question(summary)} {total:,} images, {count} {'folders' if summary.place.is_dir() else 'labels'}; {share(most[1], total)} are `{most[0]}`.",
        *_about(summary, frame),
        f"data x: {frame.shape}, {y}: class[{count}]",
        f"  from {_source(summary, frame, path, split if total >= 50 else '')}",
    ]
    yield [
        "# Two convolutions, and what they change is added to what there was (He et al. 2016).",
        "layer block(x: [k, H, W]) -> [k, H, W] {",
        "  return relu(x + (x |> conv(k, 3) |> batch_norm |> relu |> conv(k, 3) |> batch_norm))",
        "}",
    ]
    widths = [min(MOST_WIDTH, WIDTH * 2**level) for level in range(frame.halvings + 1)]
    yield [
        f"net f(x: {frame.shape}) -> [{count}] {{",
        f"  h = x |> conv({widths[0]}, 3) |> batch_norm |> relu |> block",
        *(
            f"  h = h |> conv({width}, 3, stride = 2) |> batch_norm |> relu |> block      # half the sides"
            for width in widths[1:]
        ),
        f"  return linear(dropout(avg_pool_global(h), 0.2), {count})",
        "}",
    ]
    yield [
        f"train(epochs = {_epochs(frame)}, batch = 64, optimizer = adamw(lr = 2e-3, weight_decay = 0.05), schedule = cosine(warmup = 50), keep = best) {{",
        "  z = f(x)",
        f"  minimize cross_entropy(z, {y})",
        f"  report accuracy(z, {y}) as accuracy",
        "}",
    ]
    yield [
        f"export classify(x: {frame.shape}) -> (class[{count}], [{count}]) {{",
        "  z = f(x)",
        f"  {y} = argmax(z)",
        "  probability = softmax(z)",
        f"  return ({y}, probability)",
        "}",
    ]


def _flow(summary: ImagesSummary, frame: Frame, path: str) -> Iterator[list[str]]:
    shape, c = frame.shape, 32 if frame.height * frame.width > 256 else 64
    yield [
        f"# More images like the {frame.count:,} of {summary.place.name}: noise is carried to images along a learned velocity (flow matching).",
        *_about(summary, frame),
        f"const c = {c}",
        "",
        f"data x: {shape} from {_source(summary, frame, path)}",
    ]
    yield [
        "layer block(x: [k, H, W], t: [m], out) -> [out, H, W] {",
        "  h = x |> group_norm(1) |> silu |> conv(out, 3)",
        "  h += linear(silu(t), out)[:, None, None]",
        "  return conv(x, out, 1) + (h |> group_norm(8) |> silu |> conv(out, 3))",
        "}",
    ]
    inner = min(frame.height, frame.width) > 2 * SMALLEST_MAP  # Sides that can be halved twice.
    yield [
        f"net velocity(x: {shape}, s: []) -> {shape} {{",
        "  t = linear(silu(linear(fourier(s, 128), 4 * c)), 4 * c)",
        "  a = block(conv(x, c, 3), t, c)",
        *(["  b = block(conv(a, 2 * c, 3, stride = 2), t, 2 * c)"] if inner else []),
        f"  m = image_attention(block(conv({'b' if inner else 'a'}, 2 * c, 3, stride = 2), t, 2 * c), heads = 4)",
        *(["  m = block(concat(upsample(m, 2), b, axis = 0), t, 2 * c)"] if inner else []),
        "  u = block(concat(upsample(m, 2), a, axis = 0), t, c)",
        f"  return u |> group_norm(8) |> silu |> conv({frame.channels}, 3)",
        "}",
    ]
    yield [
        "train(steps = 4000, batch = 64, optimizer = adamw(lr = 3e-4), ema = 0.999, clip = 1.0, schedule = cosine(warmup = 200)) {",
        f"  x0 ~ normal({shape})",
        "  s ~ uniform(0, 1)",
        "  minimize mean((x - x0 - velocity((1 - s) * x0 + s * x, s))^2)",
        "}",
    ]
    yield [
        f"export sample(steps: int = 20) -> {shape} {{",
        f"  x ~ normal({shape})",
        "  integrate s in 0..1 using heun(steps) { dx/ds = velocity(x, s) }",
        "  return x",
        "}",
    ]
