"""The options of all verbs that open a compiled file: how it is run."""

from __future__ import annotations

from typing import Annotated

from mai.runtime.command_line.markers import Option

Threads = Annotated[int | None, Option(help="How many threads one operation may use; by default one for each core.")]
Provider = Annotated[
    str | None,
    Option(
        help="What computes: cpu, cuda, or another provider of ONNX Runtime; by default cuda where it works, else cpu."
    ),
]
