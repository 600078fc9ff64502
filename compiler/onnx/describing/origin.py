"""A digest of what a file is compiled from, by which a file of turns is known to be that of the whole file beside it."""

from __future__ import annotations

import hashlib

import numpy as np

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.program import Program

PART = 2**14  # Elements: no two trainings have all of these in common, and a model of any size is read in no time.


def origin_of(program: Program, trained: Trained, options: CompileOptions) -> str:
    """The digest of a text, its consts, the weights and their form, 16 hexadecimal digits.

    Of a large tensor it has the beginning, the middle and the end.
    """
    digest = hashlib.sha256(program.source.text.encode())
    form = options.precision, options.quantize, trained.tuned
    digest.update(repr((sorted(program.constants.items()), form)).encode())
    for name in sorted(trained.weights):
        array = np.asarray(trained.weights[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        for start in dict.fromkeys((0, max(0, array.size // 2 - PART // 2), max(0, array.size - PART))):
            digest.update(array.flat[start : start + PART].tobytes())
    return digest.hexdigest()[:16]
