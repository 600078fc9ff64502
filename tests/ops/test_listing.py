"""`ops.md` says what there is."""

from __future__ import annotations

from pathlib import Path

import mai.compiler.ops
from mai.compiler.ir.operation import OPERATIONS
from mai.compiler.ops.operation_reference import listing


def test_the_list_is_up_to_date() -> None:
    path = Path(mai.compiler.ops.__path__[0]) / "ops.md"
    assert path.read_text(encoding="utf-8") == listing(), "run `make docs`"


def test_every_operation_is_listed() -> None:
    text = listing()
    assert len(OPERATIONS) > 60
    assert all(f"**`{name}(" in text for name in OPERATIONS)
