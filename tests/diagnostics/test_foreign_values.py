"""What mai says of other libraries' functions computes what these do, by values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, special

from mai.compiler.check import check_text
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.runtime import load
from mai.spec.diagnostics.foreign import FOREIGN, RENAMED

SHAPES = {
    "x": (4, 6),
    "y": (4, 6),
    "v": (4, 6),
    "q": (4, 6),
    "a": (3,),
    "b": (3,),
    "z": (5,),
    "t": (5,),
    "A": (3, 3),
    "R": (3, 3),
}
SHAPES |= {"M": (4, 4), "s": (), "image": (3, 8, 8)}
RANDOM = np.random.default_rng(0)
REALS = {name: 2 * RANDOM.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
REALS["x"][0] = [0, 0.5, -1.5, 2.5, -7, 4]  # Halves, 0, and numbers beyond where functions are cut.
SHARES = {name: RANDOM.uniform(0.05, 0.95, shape).astype(np.float32) for name, shape in SHAPES.items()}
OF_SHARES = ("gammaln", "psi", "ndtri", "erfcinv", "entr")  # Their values beyond where they are defined differ.
ROWS = torch.tensor([0, 2, 2, 1])
OF_X: dict[str, Callable[[Tensor], Any]] = {
    "swish": F.silu, "absolute": torch.abs, "fabs": torch.abs, "asin": torch.asin, "acos": torch.acos, "atan": torch.atan,
    "asinh": torch.asinh, "atanh": torch.atanh, "acosh": torch.acosh, "rint": torch.round, "amax": torch.amax, "amin": torch.amin,
    "cumulative_sum": lambda x: x.cumsum(-1), "cumulative_prod": lambda x: x.cumprod(-1), "expit": special.expit,
    "log_expit": F.logsigmoid, "psi": special.psi, "ndtr": special.ndtr, "log_ndtr": special.log_ndtr, "gammaln": special.gammaln,
    "relu6": F.relu6, "hardtanh": F.hardtanh, "hardsigmoid": F.hardsigmoid, "tanhshrink": F.tanhshrink, "softshrink": F.softshrink,
    "hardshrink": F.hardshrink, "celu": F.celu, "rrelu": F.rrelu, "glu": F.glu, "softmin": lambda x: F.softmin(x, -1), "GELU": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"), "relu2": lambda x: F.relu(x) ** 2, "threshold": lambda x: F.threshold(x, 0.1, 0),
    "logcumsumexp": lambda x: (x.exp().cumsum(-1)).log(), "log10": torch.log10, "log2": torch.log2, "exp2": torch.exp2,
    "exp10": lambda x: 10**x, "trunc": torch.trunc, "frac": torch.frac, "neg": torch.neg, "reciprocal": torch.reciprocal,
    "rsqrt": torch.rsqrt, "square": torch.square, "normalize": lambda x: F.normalize(x, dim=-1), "isnan": torch.isnan,
    "isfinite": torch.isfinite, "isinf": torch.isinf, "nan_to_num": torch.nan_to_num, "nansum": torch.nansum, "nanmean": torch.nanmean,
    "count_nonzero": torch.count_nonzero, "cbrt": lambda x: np.cbrt(x.numpy()), "deg2rad": torch.deg2rad, "rad2deg": torch.rad2deg,
    "sinc": torch.sinc, "sine": torch.sin, "cosine": torch.cos, "arccot": lambda x: torch.atan(1 / x), "cot": lambda x: 1 / torch.tan(x),
    "signbit": torch.signbit, "logit": torch.logit, "ndtri": special.ndtri, "erfcinv": lambda x: special.erfinv(1 - x),
    "erfcx": special.erfcx, "entr": special.entr, "ptp": lambda x: x.max() - x.min(), "average": torch.mean,
    "msort": torch.msort, "kthvalue": lambda x: x.kthvalue(2, -1).values, "frobenius_norm": torch.linalg.matrix_norm,
    "clamp_min": lambda x: x.clamp_min(0.1), "clamp_max": lambda x: x.clamp_max(0.1), "fliplr": torch.fliplr, "around": torch.round,
    "logical_and": lambda x: (x > 0) & (x < 1), "logical_or": lambda x: (x > 0) | (x < -1), "logical_not": lambda x: ~(x > 0),
    "masked_fill": lambda x: x.masked_fill(x > 0, -1e9), "repeat_interleave": lambda x: x.repeat_interleave(2, -1),
    "scatter_add": lambda x: torch.zeros(3, 6).index_add(0, ROWS, x), "narrow": lambda x: x.narrow(1, 1, 2), "T": torch.t,
    "unbind": lambda x: x.unbind(0)[0], "zeros_like": torch.zeros_like, "ones_like": torch.ones_like, "full_like": lambda x: torch.full_like(x, 3),
    "index_select": lambda x: x[[0, 2]],
}  # fmt: skip
OF_X_AND_Y: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "fmod": torch.fmod, "remainder": torch.remainder, "floor_divide": torch.floor_divide, "divide": torch.divide, "add": torch.add,
    "sub": torch.sub, "mul": torch.mul, "fmax": torch.fmax, "fmin": torch.fmin, "eq": torch.eq, "ne": torch.ne, "lt": torch.lt,
    "le": torch.le, "gt": torch.gt, "ge": torch.ge, "isclose": lambda x, y: torch.isclose(x, y, 0, 1e-5),
    "lerp": lambda x, y: torch.lerp(x, y, 0.3), "hypot": torch.hypot, "heaviside": torch.heaviside, "copysign": torch.copysign,
    "logaddexp": torch.logaddexp, "xlog1py": special.xlog1py, "logical_xor": lambda x, y: (x > 0) ^ (y > 0),
    "rel_entr": lambda x, y: special.xlogy(x, x) - special.xlogy(x, y), "pairwise_distance": lambda x, y: F.pairwise_distance(x, y, eps=0),
    "huber_loss": F.huber_loss, "smooth_l1_loss": F.smooth_l1_loss, "poisson_nll_loss": F.poisson_nll_loss,
    "soft_margin_loss": F.soft_margin_loss, "cdist": torch.cdist,
}  # fmt: skip
OTHERS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "mse_loss": lambda d: F.mse_loss(d["a"], d["b"]),
    "l1_loss": lambda d: F.l1_loss(d["a"], d["b"]),
    "bce_with_logits": lambda d: F.binary_cross_entropy_with_logits(d["z"], d["t"]),
    "kl_div": lambda d: F.kl_div(F.log_softmax(d["z"], -1), d["t"], reduction="none").mean(),
    "gaussian_nll_loss": lambda d: (d["v"].log() + (d["x"] - d["y"]) ** 2 / d["v"]).mean() / 2,
    "triplet_margin_loss": lambda d: F.triplet_margin_loss(d["a"], d["b"], d["A"][0], eps=0),
    "cosine_similarity": lambda d: F.cosine_similarity(d["a"], d["b"], 0),
    "pixel_shuffle": lambda d: F.pixel_shuffle(d["q"][:, :, None], 2),
    "pixel_unshuffle": lambda d: F.pixel_unshuffle(d["image"], 2),
    "zero_pad2d": lambda d: F.pad(d["image"], (1, 1, 1, 1)),
    "max_pool2d": lambda d: F.max_pool2d(d["image"], 2),
    "avg_pool2d": lambda d: F.avg_pool2d(d["image"], 2),
    "adaptive_max_pool2d": lambda d: F.adaptive_max_pool2d(d["image"], 1)[:, 0, 0],
    "interpolate": lambda d: F.interpolate(d["image"][None], scale_factor=2)[0],
    "softmax2d": lambda d: F.softmax(d["image"], 0),
    "matmul": lambda d: torch.matmul(d["A"], d["R"]),
    "dot": lambda d: torch.dot(d["a"], d["b"]),
    "inner": lambda d: torch.inner(d["a"], d["b"]),
    "addmm": lambda d: torch.addmm(d["A"], d["M"][:3], d["x"][:, :3]),
    "cross": lambda d: torch.linalg.cross(d["a"], d["b"]),
    "matrix_power": lambda d: torch.matrix_power(d["A"], 2),
    "diag_embed": lambda d: torch.diag_embed(d["a"]),
    "nanmedian": lambda d: torch.nanmedian(d["a"]),
    "percentile": lambda d: torch.quantile(d["a"], 0.9),
    "trapezoid": lambda d: torch.trapezoid(d["a"]),
    "searchsorted": lambda d: torch.searchsorted(d["a"].sort().values, d["s"]),
    "diff": lambda d: torch.diff(d["a"]),
}


def reference(name: str, of: dict[str, Tensor]) -> Any:
    """What the other library computes."""
    if name in OF_X:
        return OF_X[name](of["x"])
    return OF_X_AND_Y[name](of["x"], of["y"]) if name in OF_X_AND_Y else OTHERS[name](of)


def expression(name: str) -> str:
    """What mai says of a name, as a number: a truth is 1 or 0."""
    written = f"{RENAMED[name]}(x)" if name in RENAMED else re.findall("`([^`]+)`", FOREIGN[name])[0]
    return f"where({written}, 1.0, 0.0)" if EXPECTED[name][0].dtype == bool else f"1.0 * ({written})"


def in_a_row(name: str) -> str:
    """The numbers of an expression on one axis."""
    axes = " ".join("abc"[: EXPECTED[name][0].ndim])
    return f'rearrange({expression(name)}, "{axes} -> ({axes})")' if axes else f"[{expression(name)}]"


INPUTS = [{name: torch.from_numpy(np.asarray(array)) for name, array in of.items()} for of in (REALS, SHARES)]
EXPECTED = {name: [np.asarray(reference(name, of)) for of in INPUTS] for name in (*OF_X, *OF_X_AND_Y, *OTHERS)}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one file computes of every name, of two examples: of reals, and of numbers between 0 and 1."""
    inputs = ", ".join(f"{name}: {list(shape)}" for name, shape in SHAPES.items())
    sizes = [EXPECTED[name][0].size for name in EXPECTED]
    lines = f"concat({', '.join(in_a_row(name) for name in EXPECTED)})"
    checked = check_text(Path("f.mai"), f"export f({inputs}) -> [{sum(sizes)}] {{ return {lines} }}\n")
    assert checked.program is not None, [(d.message, d.span and d.span.text) for d in checked.diagnostics]
    file = export(checked.program, "f", Trained({}), tmp_path_factory.mktemp("f")).path
    both = {name: np.stack([REALS[name], SHARES[name]]) for name in SHAPES}
    parts = np.split(np.asarray(load(file, providers="cpu")(**both)), np.cumsum(sizes)[:-1], axis=1)
    return {name: part.reshape(2, *EXPECTED[name][0].shape) for name, part in zip(EXPECTED, parts, strict=True)}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_told_computes_the_same(name: str, results: dict[str, Any]) -> None:
    first = 1 if name in OF_SHARES else 0
    np.testing.assert_allclose(results[name][first:], np.stack(EXPECTED[name])[first:], rtol=2e-4, atol=2e-6)
