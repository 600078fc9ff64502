"""Weight files that mai writes: equal bytes for equal content, and a checksum that sees a flipped bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.run import checkpoint as ck
from mai.compiler.training.run.folder import checkpoint_of
from mai.compiler.weights.sealed import CHECKSUM, is_intact, sealed
from mai.spec.diagnostics import MaiError

TENSORS = {
    "b": torch.arange(6.0).reshape(2, 3),
    "a": torch.ones(3),
    "steps": torch.tensor(7),
    "none": torch.zeros(0, 2),
}
METADATA = {name: str(len(name)) for name in ("spec", "seed", "settings", "labels", "batch", "step", "é")}
SPEC = "net f(x: [2]) -> [2] { return linear(x, 2) }\nexport g(x: [2]) -> [2] { return f(x) }\n"


def flipped(raw: bytes, place: int) -> bytes:
    damaged = bytearray(raw)
    damaged[place] ^= 0x20
    return bytes(damaged)


def test_equal_content_in_any_order_is_equal_bytes(tmp_path: Path) -> None:
    raw = sealed(TENSORS, METADATA)
    assert raw == sealed(dict(reversed(TENSORS.items())), dict(reversed(METADATA.items())))
    for name, tensor in load(raw).items():
        assert torch.equal(tensor, TENSORS[name])
    (tmp_path / "w.safetensors").write_bytes(raw)
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        metadata = dict(file.metadata())
    assert len(metadata.pop(CHECKSUM)) == 64 and metadata == METADATA


@pytest.mark.parametrize("place", [-1, -20])
def test_a_flipped_bit_is_seen(place: int, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(sealed(TENSORS, METADATA))
    assert is_intact(path)
    path.write_bytes(flipped(path.read_bytes(), place))
    assert not is_intact(path)


def test_another_number_in_the_header_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(sealed(TENSORS, {"seed": "0"}).replace(b'"seed":"0"', b'"seed":"1"'))
    assert not is_intact(path)


def test_files_of_other_tools_have_no_checksum(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(save(TENSORS, METADATA))
    assert is_intact(path)


def test_damaged_weights_are_not_compiled(program: Callable[[str], Program], tmp_path: Path) -> None:
    spec, path = program(SPEC), tmp_path / "weights.safetensors"
    arrays = load_weights(spec, None)[0]
    path.write_bytes(sealed({n: torch.from_numpy(a) for n, a in arrays.items()}, {"trained_steps": "3"}))
    assert load_weights(spec, path)[1] == 3
    path.write_bytes(flipped(path.read_bytes(), -1))
    with pytest.raises(MaiError, match="damaged"):
        load_weights(spec, path)


def test_a_damaged_checkpoint_is_passed_over_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step in (10, 20):
        ck.write(tmp_path, ck.Checkpoint(step, {"weights/a": torch.ones(3)}, {"seed": "0"}))
    last = checkpoint_of(tmp_path, 20)
    last.write_bytes(flipped(last.read_bytes(), -1))
    checkpoint = ck.latest(tmp_path)
    assert checkpoint is not None and (checkpoint.step, checkpoint.metadata["seed"]) == (10, "0")
    assert "checksum" in capsys.readouterr().err
    first = checkpoint_of(tmp_path, 10)
    first.write_bytes(flipped(first.read_bytes(), -1))
    assert ck.latest(tmp_path) is None
    assert "checksum" in str(ck.nothing_to_resume(tmp_path))
