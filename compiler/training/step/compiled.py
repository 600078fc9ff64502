"""The code of a step made faster by `torch.compile`: the same numbers to rounding, by fewer passes over them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable

import torch
from torch import Tensor, fx

from mai.runtime.show.terminal import echo
from mai.spec.diagnostics import Diagnostic, MaiError

USUAL = "clang++" if sys.platform == "darwin" else "g++"  # What torch looks for, where CXX does not say another.


def check_compiler(device: torch.device) -> None:
    """Raise `MaiError` where this machine lacks what torch makes its code with: a C++ compiler, for a GPU triton besides."""
    compiler = os.environ.get("CXX", USUAL)
    if shutil.which(compiler) is None:
        raise _refused(f"makes C++, and there is no compiler of it here: {compiler}", "install it")
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise _refused("makes code for GPUs by triton, which is not installed", "pip install triton")


class Compiled:
    """Some code, whole where that can be; in pieces where something in it stops the compiler, which is said."""

    def __init__(self, code: fx.GraphModule) -> None:
        self.code = code
        self._run: Callable[..., tuple[Tensor, ...]] | None = None

    def __call__(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """What the code gives. Raises `MaiError` where the compiler fails, at the first call."""
        if self._run is not None:
            return self._run(*arguments)
        from torch._dynamo.exc import TorchDynamoException

        try:
            return self._begin(True, arguments)
        except TorchDynamoException as error:
            echo(f"note: the step is compiled in pieces, since torch.compile stops at: {first_line(error)}", err=True)
        torch._dynamo.reset()
        return self._begin(False, arguments)

    def _begin(self, is_whole: bool, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The first call, which compiles."""
        from torch._dynamo.exc import BackendCompilerFailed

        run = torch.compile(self.code, dynamic=False, fullgraph=is_whole)
        try:
            results: tuple[Tensor, ...] = run(*arguments)
        except BackendCompilerFailed as error:
            raise _refused(f"failed: {first_line(error)}", None) from error
        self._run = run
        return results


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _refused(reason: str, help: str | None) -> MaiError:
    other = "leave `compile` out"
    return MaiError(
        [
            Diagnostic(
                "bad-setting", None, f"`compile`: torch.compile {reason}", help=f"{help}, or {other}" if help else other
            )
        ]
    )
