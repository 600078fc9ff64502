"""What each kind of file gives by a tensor's name: its shape at once, its numbers when they are asked for."""

from __future__ import annotations

from typing import Protocol

import torch


class Readable(Protocol):
    """A tensor that is read when it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    def read(self) -> torch.Tensor:
        """The tensor."""


class RowReadable(Readable, Protocol):
    """A tensor of which one place on the first axis can be read alone."""

    def row(self, place: int) -> Readable:
        """One place on the first axis, which stays, of size 1."""
