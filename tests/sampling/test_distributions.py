"""Distributions: formulas against torch.distributions, draws against scipy.stats, special functions against scipy.special."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import distributions as td

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes.forms import prepare
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
Tensor = torch.Tensor
A, B = np.asarray([[0.4, 1.3, 12.0]]), np.asarray([[2.5, 0.7, 3.0]])
UNIT, COUNT, REAL = np.asarray([[0.2, 0.7, 0.9]]), np.asarray([[0.0, 3.0, 14.0]]), np.asarray([[-1.0, 0.3, 8.0]])
ta, tb = torch.as_tensor(A[0]), torch.as_tensor(B[0])
FAMILIES = {
    "normal(a, b)": (td.Normal(ta, tb), td.Normal(tb, ta), "normal(b, a)", REAL),
    "laplace(a, b)": (td.Laplace(ta, tb), td.Laplace(tb, ta), "laplace(b, a)", REAL),
    "gumbel(a, b)": (td.Gumbel(ta, tb), td.Gumbel(tb, tb), "gumbel(b, b)", REAL),
    "uniform(-b, a)": (td.Uniform(-tb, ta), td.Uniform(-tb - 1, ta + tb), "uniform(-b - 1, a + b)", -0.1 * A),
    "exponential(a)": (td.Exponential(ta), td.Exponential(tb), "exponential(b)", A),
    "gamma(a, b)": (td.Gamma(ta, tb), td.Gamma(tb, ta), "gamma(b, a)", A),
    "beta(a, b)": (td.Beta(ta, tb), td.Beta(tb, ta), "beta(b, a)", UNIT),
    "poisson(a)": (td.Poisson(ta), td.Poisson(tb), "poisson(b)", COUNT),
    "bernoulli(x)": (td.Bernoulli(torch.as_tensor(UNIT[0]), validate_args=False), None, "", UNIT),
    "bernoulli(logits = a)": (td.Bernoulli(logits=ta), td.Bernoulli(logits=-tb), "bernoulli(logits = -b)", COUNT > 1),
    "bernoulli(logits = b)": (td.Bernoulli(logits=tb), td.Bernoulli(0.3 + 0 * ta), "bernoulli([3], 0.3)", COUNT > 1),
    "bernoulli(sigmoid(b))": (td.Bernoulli(logits=tb), td.Bernoulli(logits=ta), "bernoulli(logits = a)", COUNT > 1),
    "student_t(a, b, 2)": (td.StudentT(ta, tb, 2.0), None, "", REAL),
    "dirichlet(a)": (td.Dirichlet(ta), td.Dirichlet(tb), "dirichlet(b)", UNIT / UNIT.sum()),
    "multivariate_normal(a, tril(diag(b) + outer(a, b)))": (
        td.MultivariateNormal(ta, scale_tril=torch.tril(torch.diag(tb) + torch.outer(ta, tb))),
        td.MultivariateNormal(tb, scale_tril=torch.diag(ta)), "multivariate_normal(b, diag(a))", REAL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("written", FAMILIES)
def test_formulas_are_torchs(program: Maker, written: str) -> None:
    q, p, other, x = FAMILIES[written]
    value = "x > 0.5" if "logits" in written else "x"
    asked = [f"log_prob(q, {value})"] + ([f"kl(q, {other})"] if p is not None else [])
    has_entropy = not isinstance(q, td.Poisson)
    asked += ["entropy(q)"] if has_entropy else []
    body = f"q = {written}\n  return [{', '.join(asked)}]"
    spec = f"export f(a: [3], b: [3], x: [3]) -> [{len(asked)}] {{\n  {body}\n}}"
    (ours,) = evaluate(prepare(program(spec).exports["f"]), {"a": A, "b": B, "x": x.astype(float)}, None, {})
    target = torch.as_tensor(x[0].astype(float))
    wanted = [q.log_prob(target).sum()] + ([td.kl_divergence(q, p).sum()] if p is not None else [])
    wanted += [q.entropy().sum()] if has_entropy else []
    np.testing.assert_allclose(ours[0], [float(w) for w in wanted], rtol=2e-6, atol=1e-8)


LARGE = {"beta(a, b)": "beta(b, 1.01 * b)", "gamma(a, b)": "gamma(b, b)", "dirichlet(a)": "dirichlet(1.01 * a)"}
SMALL = {
    "beta(a, b)": "beta([3], 0.2, 0.1)",
    "gamma(a, b)": "gamma([3], 0.9, 0.9)",
    "dirichlet(a)": "dirichlet(a / 1000000)",
}


def test_large_parameters_keep_their_digits(program: Maker) -> None:
    """Float32 has seven: where logarithms of gammas of 10,000 are taken from each other, some two were left."""
    a, b = np.asarray([[1e4, 5e5, 3.0]], np.float32), np.asarray([[2.02e4, 4.9e5, 1e6]], np.float32)
    x = a / (a + b)
    terms = ["log_prob(beta(a, b), x)", "entropy(student_t(a))"]
    terms += [f"entropy({q})" for q in LARGE] + [f"kl({q}, {p})" for q, p in (*LARGE.items(), *SMALL.items())]
    spec = f"export f(a: [3], b: [3], x: [3]) -> [{len(terms)}] {{ return [{', '.join(terms)}] }}"
    graph = prepare(program(spec).exports["f"])
    (ours,) = run(lower(graph, Weights({})), graph, {"a": a, "b": b, "x": x}, {})
    ta, tb, tx = (torch.as_tensor(v[0].astype(float)) for v in (a, b, x))
    laws = td.Beta(ta, tb), td.Gamma(ta, tb), td.Dirichlet(ta)
    others = td.Beta(tb, 1.01 * tb), td.Gamma(tb, tb), td.Dirichlet(1.01 * ta)
    wanted = [laws[0].log_prob(tx), td.StudentT(ta).entropy(), *(q.entropy() for q in laws)]
    small = td.Beta(0 * ta + 0.2, 0 * ta + 0.1), td.Gamma(0 * ta + 0.9, 0 * ta + 0.9), td.Dirichlet(ta / 1e6)
    wanted += [td.kl_divergence(q, p) for q, p in zip((*laws, *laws), (*others, *small), strict=True)]
    np.testing.assert_allclose(ours[0], [float(w.sum()) for w in wanted], rtol=1e-5, atol=1e-4)


SLOPES: dict[str, tuple[Array, Callable[[Tensor], Tensor]]] = {
    "erfc(x)": (REAL * 0, torch.erfc),
    "normal_cdf(x)": (REAL * 0, torch.special.ndtr),
    "log_normal_cdf(x)": (REAL * 0, torch.special.log_ndtr),
    "xlogy(x, 3)": (REAL * 0, lambda x: torch.xlogy(x, 3 + 0 * x)),
    "log_prob(gamma(x, 2), [0.3, 0.3, 0.3])": (A * 0 + 1, lambda x: td.Gamma(x, 2).log_prob(tb * 0 + 0.3)),
    "log_prob(beta(x, x), [0.3, 0.3, 0.3])": (A * 0 + 1, lambda x: td.Beta(x, x).log_prob(tb * 0 + 0.3)),
    "log_prob(dirichlet(x), [0.2, 0.5, 0.3])": (A * 0 + 1, lambda x: td.Dirichlet(x).log_prob(torch.tensor([0.2, 0.5, 0.3]))),
    "kl(gamma(x, 2), gamma([3], 9, 3))": (A * 0 + 8, lambda x: td.kl_divergence(td.Gamma(x, 2 + 0 * x), td.Gamma(9 + 0 * x, 3))),
    "grad(log_prob(logistic(x, 2), [0, 0, 0]), x)": (REAL * 0, lambda x: -torch.tanh(x / 4) / 2),
    "grad(kl(laplace(x, 2), laplace([3], 0, 3)), x)": (REAL * 0, lambda x: x / 6),
}  # fmt: skip


@pytest.mark.parametrize("written", SLOPES)
def test_derivatives_where_a_formula_changes_sides(program: Maker, written: str) -> None:
    """At 0, at a concentration of 1, where weights often begin, and at one of 8, where a series does: a derivative of 0 there would keep them from moving."""
    x, reference = SLOPES[written]
    spec = f"export f(x: [3]) -> [3] {{ return grad(sum({written}), x) }}"
    (ours,) = evaluate(prepare(program(spec).exports["f"]), {"x": x}, None, {})
    moving = torch.as_tensor(x[0]).requires_grad_()
    reference(moving).sum().backward()
    np.testing.assert_allclose(ours[0], moving.grad, rtol=1e-5)


@pytest.mark.parametrize(
    ("written", "law"),
    [
        ("uniform(0, 1)", stats.uniform()),
        ("exponential(2)", stats.expon(scale=0.5)),
        ("gamma(2, 1)", stats.gamma(2)),
        ("gamma(1, 1)", stats.gamma(1)),
        ("gamma(0.5, 1)", stats.gamma(0.5)),
        ("beta(1, 1)", stats.beta(1, 1)),
        ("beta(2, 0.5)", stats.beta(2, 0.5)),
        ("truncated_normal(0, 1, -0.5, 1)", stats.truncnorm(-0.5, 1)),
    ],
)  # fmt: skip
def test_outside_of_the_support_there_is_no_density(program: Maker, written: str, law: stats.rv_continuous) -> None:
    """And at its border the limit; the derivative outside is 0, and not NaN."""
    x = np.array([-1.5, -0.5, 0.0, 0.5, 1.0, 1.5])
    spec = f"export f(x: []) -> [2] {{\n  l = log_prob({written}, x)\n  return [l, grad(l, x)]\n}}"
    (ours,) = evaluate(prepare(program(spec).exports["f"]), {"x": x}, None, {})
    with np.errstate(divide="ignore"):
        wanted = law.logpdf(x)
    np.testing.assert_allclose(ours[:, 0], wanted, atol=1e-8)
    assert wanted[0] == -np.inf and ours[0, 1] == 0


def test_what_is_no_label_has_no_probability(program: Maker) -> None:
    spec = "export f(y: int, a: [3]) -> ([], []) { return (log_prob(categorical([0, 1, 2]), y), log_prob(dirichlet([1, 2, 1]), a)) }"
    y, a = np.array([-1, 0, 2, 3]), np.array([[-0.5, 1, 0.5], [0, 1, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]])
    labels, shares = evaluate(prepare(program(spec).exports["f"]), {"y": y, "a": a}, None, {})
    np.testing.assert_allclose(labels, [-np.inf, *np.log(special.softmax([0, 1, 2]))[[0, 2]], -np.inf])
    np.testing.assert_allclose(shares, [-np.inf, *np.log([6.0, 3.0]), -np.inf], atol=1e-6)


def test_what_torch_does_not_have(program: Maker) -> None:
    """A truncated normal and a logistic against scipy; labels and mixtures by hand; axes before a draw are mapped over."""
    spec = """
export f(a: [3], b: [3], x: [3]) -> [6] {
  t = truncated_normal(a, b, -1, 2)
  l = logistic(a, b)
  return [log_prob(t, 0.1 * x), entropy(t), log_prob(l, x), entropy(l), log_prob(mixture(a, normal(b, a)), 0.7), log_prob(categorical([a, b]), [2, 0])]
}
export many(a: [3], x: [5, 2, 3]) -> ([5, 2], [5]) { return (log_prob(normal(a, 1), x), log_prob(mixture(a, normal([[0, 1], [2, 3], [4, 5]], 1)), x[:, :, 0])) }
"""
    checked = program(spec)
    (ours,) = evaluate(prepare(checked.exports["f"]), {"a": A, "b": B, "x": REAL}, None, {})
    t = stats.truncnorm((-1 - A) / B, (2 - A) / B, A, B)
    logistic = stats.logistic(A, B)
    softmax = special.log_softmax(A[0])
    mixed = special.logsumexp(softmax + stats.norm(B[0], A[0]).logpdf(0.7))
    labels = softmax[2] + special.log_softmax(B[0])[0]
    wanted = [
        t.logpdf(0.1 * REAL).sum(),
        t.entropy().sum(),
        logistic.logpdf(REAL).sum(),
        logistic.entropy().sum(),
        mixed,
        labels,
    ]
    np.testing.assert_allclose(ours[0], wanted, rtol=2e-6)
    x = np.random.default_rng(1).standard_normal((1, 5, 2, 3))
    one, two = evaluate(prepare(checked.exports["many"]), {"a": A, "x": x}, None, {})
    np.testing.assert_allclose(one, stats.norm(A, 1).logpdf(x).sum(-1))
    parts = stats.norm([[0, 1], [2, 3], [4, 5]], 1).logpdf(x[..., None, :, 0]).sum(-1)
    np.testing.assert_allclose(two, special.logsumexp(parts + softmax, axis=-1))


DRAWS = {
    "exponential(2)": stats.expon(scale=0.5),
    "gamma(0.3, 2)": stats.gamma(0.3, scale=0.5),
    "gamma(40, 2)": stats.gamma(40, scale=0.5),
    "beta(0.4, 2)": stats.beta(0.4, 2),
    "laplace(1, 2)": stats.laplace(1, 2),
    "gumbel(1, 2)": stats.gumbel_r(1, 2),
    "logistic(1, 2)": stats.logistic(1, 2),
    "student_t(3, 1, 2)": stats.t(3, 1, 2),
    "truncated_normal(0, 1, -1, 9)": stats.truncnorm(-1, 9),
    "truncated_normal(1, 2, 13, 15)": stats.truncnorm(6, 7, 1, 2),
}
COUNTS = {
    "poisson(0.7)": stats.poisson(0.7),
    "poisson(9)": stats.poisson(9),
    "poisson(10)": stats.poisson(10),
    "poisson(400)": stats.poisson(400),
}


@pytest.mark.slow
def test_draws_have_their_distributions(program: Maker, tmp_path: Path) -> None:
    """What the file draws, which is what numpy draws: Kolmogorov and Smirnov's test, and chi squared of counts."""
    kinds = [*DRAWS, *COUNTS]
    lines = "\n".join(f"  x{i} ~ {kind}" for i, kind in enumerate(kinds))
    names = ", ".join(f"x{i}" for i in range(len(kinds)))
    spec = program(f"export f() -> [{len(kinds)}] {{\n{lines}\n  return [{names}]\n}}")
    path = export(spec, "f", Trained(load_weights(spec, None)[0]), tmp_path).path
    drawn = np.asarray(load(path, providers="cpu")(batch=4000, seed=3))
    again = evaluate(prepare(spec.exports["f"]), {}, {"seed": 3, "batch": 50}, {})[0]
    np.testing.assert_allclose(drawn[:50], again, rtol=1e-4, atol=1e-5)
    for column, (kind, reference) in zip(drawn.T, DRAWS.items(), strict=False):
        assert stats.kstest(column, reference.cdf).pvalue > 1e-3, kind
    for column, (kind, counts) in zip(drawn.T[len(DRAWS) :], COUNTS.items(), strict=True):
        edges = np.unique(counts.ppf(np.linspace(0.05, 0.95, 12)))
        expected = 4000 * np.diff(np.concatenate([[0], counts.cdf(edges), [1]]))
        seen = np.diff(np.concatenate([[0], (column[:, None] <= edges).sum(0), [4000]]))
        assert stats.chisquare(seen, expected).pvalue > 1e-3, kind


def test_draws_of_vectors(program: Maker) -> None:
    """Means of draws with a shape of their own: probabilities, components, labels for each row."""
    spec = """
export f(a: [3]) -> ([3], [2], [2], [2], [4, 2], [2]) {
  p ~ dirichlet(a)
  m ~ mixture(log(a), normal([[0, 1], [2, 3], [4, 5]], 0.1))
  k ~ categorical([[0, 1], [2, 0]])
  n ~ multivariate_normal([1, 2], [[1, 0], [2, 1]])
  g ~ gamma([4, 2], [1, 3])
  t ~ bernoulli([2], logits = 1)
  return (p, m, k, n, g, where(t, 1.0, 0.0))
}
"""
    weights = np.asarray([1.0, 2.0, 3.0])
    results = evaluate(prepare(program(spec).exports["f"]), {"a": np.tile(weights, (4000, 1))}, {"seed": 1}, {})
    p, m, k, n, g, t = (np.asarray(r).mean(0) for r in results)
    np.testing.assert_allclose(p, weights / 6, atol=0.02)
    np.testing.assert_allclose(m, [16 / 6, 22 / 6], atol=0.1)
    np.testing.assert_allclose(k, special.expit([1, -2]), atol=0.03)
    np.testing.assert_allclose(t, special.expit([1, 1]), atol=0.03)
    np.testing.assert_allclose(n, [1, 2], atol=0.15)
    np.testing.assert_allclose(np.cov(results[3].T), [[1, 2], [2, 5]], atol=0.3)
    np.testing.assert_allclose(g, np.tile([1, 3], (4, 1)), atol=0.15)


def test_a_gamma_draw_has_the_derivative_of_its_quantile(program: Maker) -> None:
    spec = "export f(a: [6]) -> ([6], [6]) {\n  x ~ gamma(a)\n  return (x, grad(sum(x), a))\n}"
    a = np.tile([0.05, 0.5, 1.0, 3.0, 30.0, 900.0], (40, 1))
    x, slope = evaluate(prepare(program(spec).exports["f"]), {"a": a}, {"seed": 5}, {})
    p, step = special.gammainc(a, x), 1e-4 * a
    wanted = (special.gammaincinv(a + step, p) - special.gammaincinv(a - step, p)) / (2 * step)
    middle = (p > 1e-3) & (p < 0.999)
    np.testing.assert_allclose(slope[middle], wanted[middle], rtol=1e-4)


def test_special_functions_are_scipys(program: Maker, tmp_path: Path) -> None:
    spec = """
layer density(k: []) -> [3] {
  return [log_prob(gamma(30000, 2), k), log_prob(poisson(15000), k), log_prob(student_t(3e6), (k - 15000) / 100)]
}
export f(x: [n], z: [m], y: [m], k: [j]) -> ([n], [n], [m], [m], [m], [m], [j, 3], [n]) {
  betas = lbeta(x, 12) + lbeta(0.5, x)
  return (lgamma(x), digamma(x), erfc(z), log_normal_cdf(z), normal_cdf(z), erfinv(y), density(k), betas)
}
"""
    x = np.asarray([[1e-30, 1e-3, 0.5, 1.0, 1.5, 2.0, 3.7, 7.99, 8.0, 50.0, 1e4, 1e8]], np.float32)
    z = np.asarray([[-12.0, -5.0, -1.0, -1e-3, 0.0, 1e-3, 0.5, 1.0, 3.0, 5.0]], np.float32)
    y = np.asarray([[-0.9999, -0.96, -0.95, -0.92, -0.3, -1e-6, 0.0, 1e-6, 0.5, 0.999]], np.float32)
    k = np.asarray([[14900, 15000, 15003, 15200]], np.float32)
    checked = program(spec)
    path = export(checked, "f", Trained(load_weights(checked, None)[0]), tmp_path).path
    results = list(load(path, providers="cpu")(x=x, z=z, y=y, k=k).values())
    zd = z.astype(float)
    wanted = [
        special.gammaln(x),
        special.digamma(x),
        special.erfc(zd),
        special.log_ndtr(zd),
        special.ndtr(zd),
        special.erfinv(y.astype(float)),
        np.stack(
            [
                stats.gamma(3e4, scale=0.5).logpdf(k),
                stats.poisson(15000).logpmf(k),
                stats.t(3e6).logpdf((k - 15000) / 100),
            ],
            -1,
        ),
        special.betaln(x, 12) + special.betaln(0.5, x),
    ]
    for value, reference in zip(results, wanted, strict=True):
        np.testing.assert_allclose(value, reference, rtol=3e-6, atol=3e-6)
    for place in (2, 4):  # Small probabilities have their digits.
        np.testing.assert_allclose(results[place], wanted[place], rtol=3e-5)


OUTSIDE = {
    "lgamma": [-0.5, -7.9, -88.5],
    "digamma": [-0.5, -7.9, -88.5],
    "erfinv": [1.5, -3.0, 1.0001],
    "arccosh": [0.5, -1.0, -20.0],
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_of_their_domain_special_functions_and_their_derivatives_are_no_numbers(
    name: str, program: Maker
) -> None:
    text = f"export f(x: [3]) -> ([3], [3]) {{\n  y = {name}(x)\n  return (y, grad(sum(y), x))\n}}"
    x = np.asarray([OUTSIDE[name]], np.float32)
    assert np.isnan(evaluate(prepare(program(text).exports["f"]), {"x": x}, None, {})).all()


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ("z ~ gamma(-1)\n  return x + z", "impossible-draw"),
        ("z ~ exponential(0)\n  return x + z", "impossible-draw"),
        ("z ~ truncated_normal(0, 1, 2, 1)\n  return x + z", "impossible-draw"),
        ("return x + kl(normal([2]), laplace([2]))", "no-closed-form"),
        ("return x + entropy(mixture(x, normal(x, 1)))", "no-closed-form"),
        ("return x + log_prob(normal([3]), x)", "shape-mismatch"),
        ("return x + log_prob(x, x)", "unknown-distribution"),
        ("return normal(x, 1)", "type-mismatch"),
        ("z ~ mixture(x, normal([3]))\n  return x + z", "shape-mismatch"),
    ],
)
def test_what_is_no_distribution_is_refused(tmp_path: Path, body: str, slug: str) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"export f(x: [2]) -> [2] {{\n  {body}\n}}\n", encoding="utf-8")
    assert [d.slug for d in check(path).diagnostics] == [slug]


@pytest.mark.parametrize("factor", ["[[2, 0.5], [0.5, 1]]", "C"])
def test_a_covariance_written_in_the_place_of_its_factor_is_refused(tmp_path: Path, factor: str) -> None:
    spec = tmp_path / "spec.mai"
    density = f"log_prob(multivariate_normal(m, {factor}), m)"
    spec.write_text(f"let C = [[2, 0.5], [0.5, 1]]\nexport f(m: [2]) -> [] {{ return {density} }}\n")
    (refused,) = [d for d in check(spec).diagnostics if d.severity == "error"]
    assert refused.slug == "impossible-draw"
    assert f"cholesky({factor})" in str(refused.help)


def test_a_covariance_computed_in_the_place_of_its_factor_gives_no_number(program: Maker) -> None:
    """A draw, a density, an entropy and a divergence, of either distribution."""
    spec = """
export f(m: [2], C: [2, 2]) -> ([2], [4]) {
  q = multivariate_normal(m, C)
  p = multivariate_normal(m, identity(2))
  x ~ q
  return (x, [log_prob(q, m), entropy(q), kl(q, p), kl(p, q)])
}
"""
    graph = prepare(program(spec).exports["f"])
    factor = np.asarray([[2.0, 0.0], [0.5, 1.0]])
    for C, is_right in ((factor, True), (factor @ factor.T, False)):
        for result in evaluate(graph, {"m": np.zeros((1, 2)), "C": C[None]}, {"seed": 1}, {}):
            assert np.isfinite(result).all() == is_right
            assert np.isnan(result).all() != is_right


VECTORS = {
    "normal": "normal(a, 1 + a)", "uniform": "uniform(a, a + 1)", "bernoulli": "bernoulli(0.4 + 0 * a)", "integers": "integers(int(a), int(a) + 90)",
    "laplace": "laplace(a, 1)", "gumbel": "gumbel(a, 1)", "logistic": "logistic(a, 1)", "exponential": "exponential(1 + a)",
    "gamma": "gamma(2 + a, 1)", "beta": "beta(2 + a, 2)", "poisson": "poisson(5 + a)", "student_t": "student_t(9 + a, 0, 1)",
    "truncated_normal": "truncated_normal(a, 1, -1, 1)", "dirichlet": "dirichlet(a[:, None] + [1, 2])",
    "multivariate_normal": "multivariate_normal(a[:, None] + [0, 0], identity(2))", "categorical": "categorical(a[:, None] + zeros([90]))",
    "mixture": "mixture([0], normal(a[None], 1))",
}  # fmt: skip


@pytest.mark.parametrize("family", VECTORS)
def test_every_number_of_a_draw_is_drawn_on_its_own(program: Maker, family: str) -> None:
    """Where parameters are vectors, and no shape is said, too: numbers of one draw are not correlated."""
    shape = "[2]" if family not in ("dirichlet", "multivariate_normal") else "[2, 2]"
    value = "where(x, 1, 0)" if family == "bernoulli" else "x + 0.0"
    spec = f"export f(a: [2]) -> {shape} {{\n  x ~ {VECTORS[family]}\n  return {value}\n}}\n"
    (drawn,) = evaluate(prepare(program(spec).exports["f"]), {"a": np.zeros((4000, 2))}, {"seed": 3}, {})
    one, other = (np.asarray(drawn)[:, row].reshape(4000, -1)[:, 0] for row in (0, 1))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.06
