"""A chat model of transformers and its files, which the tests here share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mai.runtime import load
from mai.runtime.model.model import Model
from tests.support.command import invoke
from tests.support.models.chat_folders import chat_folder


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `save_pretrained` leaves it, with its spec and its files, and the model beside it."""
    place = tmp_path_factory.mktemp("chat")
    torch.manual_seed(0)
    torch.save(chat_folder(place / "small"), place / "model.pt")
    said = invoke("import", place / "small").output
    assert "mai chat small.generate.onnx" in said and "its texts were of 512 tokens at most" in said
    done = invoke("compile", place / "small" / "small.mai", "--export", "generate", "--out", place)
    assert done.exit_code == 0, done.output
    return place


@pytest.fixture(scope="package")
def source(folder: Path) -> Any:
    """The model of transformers."""
    return torch.load(folder / "model.pt", weights_only=False)


@pytest.fixture(scope="package")
def model(folder: Path) -> Model:
    """The same model as a file."""
    return load(folder / "small.generate.onnx", providers="cpu")
