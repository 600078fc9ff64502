"""Small files and compiled ones, and services of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from onnx import helper

from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions
from mai.compiler.compiling import compile_all
from mai.runtime import Model, load
from tests.support.cases.small_files import Write, build, loops, manifest, output, real, setting
from tests.support.serving import Client, running

FLOW = """# A small flow.
net velocity(x: [2], s: []) -> [2] {
  h = silu(linear(concat(x, fourier(s, 8)), 16))
  return linear(h, 2)
}
export sample(seed: int, example: int, steps: int = 4) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) }
  return x
}
export plain(steps: int = 4) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) }
  return x
}
"""
TEXT = """# A small text.
const vocab = 256
data text: tokens[16] from text(tokenizer = bytes, context = 1000)
net logits(x: tokens[P]) -> [P, 256] {
  h = embed(x, 16)
  h += attention(layer_norm(h), 2, causal = true)
  return linear(h, vocab)
}
export generate(prompt: tokens[P], seed: int, example: int, count: int = 6, temperature: real = 1.0, end: token = 0) -> tokens[P + count] {
  x = prompt
  extend x by count until end {
    next ~ categorical(logits(x)[-1] / temperature)
    append next
  }
  return x
}
export features(x: tokens[P]) -> [16] { return mean(embed(x, 16), axis = 0) }
"""


def compiled(text: str, folder: Path, options: CompileOptions | None = None) -> dict[str, Model]:
    """The exports of a spec by `spec.NAME`."""
    program = check_text(Path("spec.mai"), text).program
    assert program is not None
    compile_all(program, list(program.exports), None, folder, options or CompileOptions(), report=lambda _: None)
    files = [path for path in sorted(folder.glob("*.onnx")) if ".step" not in path.name]
    return {path.stem: load(path, providers="cpu", threads=1) for path in files}


@pytest.fixture(scope="session")
def flow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    return compiled(FLOW, tmp_path_factory.mktemp("flow"))


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    return compiled(TEXT, tmp_path_factory.mktemp("text"))


@pytest.fixture
def with_places(tmp_path: Path) -> dict[str, Model]:
    """The small text, whose file of turns has places for 24 tokens."""
    return compiled(TEXT, tmp_path, CompileOptions(capacity=24))


@pytest.fixture(scope="session")
def biased(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The small text with a bias that is added to its logits."""
    text = TEXT.replace("prompt: tokens[P],", "prompt: tokens[P], logit_bias: [vocab],")
    text = text.replace("logits(x)[-1] /", "(logits(x)[-1] + logit_bias) /")
    return compiled(text, tmp_path_factory.mktemp("biased"))["spec.generate"]


@pytest.fixture(scope="session")
def service(flow: dict[str, Model], text: dict[str, Model]) -> Iterator[Client]:
    with running({**flow, **text}, limits={"steps": 50}, examples=100, body=100_000, page=False) as client:
        yield client


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a model to a file."""

    def written(content: onnx.ModelProto, name: str = "small.f.onnx") -> Path:
        path = tmp_path / name
        path.write_bytes(content.SerializeToString())
        return path

    return written


@pytest.fixture
def scaled(write: Write) -> Model:
    """f(x, k = 1) = k x."""
    described = manifest([real("x", 2)], [setting("k", 1.0, "float32")], [output("f", 2)])
    return load(write(build(described, [helper.make_node("Mul", ["x", "k"], ["f"])])), providers="cpu", threads=1)


@pytest.fixture
def looping(write: Write) -> Model:
    """f(x, n = 3) = x + n, in n turns: as long a call as one likes."""
    return load(write(loops()), providers="cpu")
