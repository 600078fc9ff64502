"""Operations over axes and along them: sums, extremes, softmax, running sums, normalisations."""

from mai.compiler.ops.reductions.base import Along, Reduction
from mai.compiler.ops.reductions.places import Argmax
from mai.compiler.ops.reductions.running import Cumprod, Cumsum
from mai.compiler.ops.reductions.softmax import LogSoftmax, Softmax
from mai.compiler.ops.reductions.sums import Logsumexp, Max, Mean, Min, Sum

__all__ = [
    "Along",
    "Argmax",
    "Cumprod",
    "Cumsum",
    "LogSoftmax",
    "Logsumexp",
    "Max",
    "Mean",
    "Min",
    "Reduction",
    "Softmax",
    "Sum",
]
