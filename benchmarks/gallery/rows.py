"""What the gallery shows: a row an example, as data.

A command is what is typed after `mai`: {spec} is the example, {run} the folder it was trained in, {out} the picture, and
{sample} the file of the export `sample`.
"""

from __future__ import annotations

from dataclasses import dataclass

DIGITS = "@examples/digits.csv"


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture (or text) and the command that makes it; `before` are commands that make what it reads."""

    file: str
    command: str
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """An example: its `equation` in LaTeX and number in the article, a sentence, its pictures.

    `shows` are the beginnings of the declarations that the page quotes. `quick` is the number of steps that `--quick`
    trains; None for a spec that trains nothing. `before` are commands that make what training reads.
    """

    name: str
    title: str
    equation: str
    says: str
    shots: tuple[Shot, ...]
    quick: int | None = 300
    before: tuple[str, ...] = ()
    shows: tuple[str, ...] = ("net",)


def classified(name: str) -> tuple[Shot, ...]:
    return (Shot(f"{name}.png", f"run {{classify}} x={DIGITS} --out {{out}}"),)


def sampled(name: str, words: str = "") -> Shot:
    return Shot(f"{name}.png", f"run {{sample}} --batch 2000 --seed 0{words} --out {{out}}")


def labelled(name: str) -> tuple[Shot, ...]:
    return (Shot(f"{name}.png", "run {sample} y=0..9 --batch 80 --seed 0 --out {out}"),)


ROWS = (
    Row(
        "mlp",
        "Multilayer perceptron (1)–(3)",
        r"\min_\theta \frac1N \sum_i \ell(f_\theta(x^i), y^i), \qquad f_\theta = f_L \circ \dots \circ f_1, \quad f_\ell(x) = \sigma(W_\ell x + b_\ell)",
        "Empirical risk, gradient descent, layers. Held-out digits, what the net says they are, and how sure it is.",
        classified("mlp"),
        shows=("net", "train"),
    ),
    Row(
        "two_layer",
        "Two layers as a measure (4)–(6)",
        r"f_\mu(x) = \int u\,\sigma(\langle v, x\rangle + b)\,d\mu(u, v, b), \qquad \mu = \frac1n \sum_i \delta_{(u_i, v_i, b_i)}, \qquad \partial_t \mu_t + \mathrm{div}(\mu_t V_{\mu_t}) = 0",
        "1,024 neurons as particles: each at its direction v, coloured by its weight u, before and after training, with the "
        "ways they went; moving; and the function that they make together.",
        (
            Shot("two_layer.png", "draw {run} --out {out}"),
            Shot("two_layer.gif", "draw {run} --out {out}"),
            Shot("two_layer_f.png", "run {predict} x=-1..1:100 --out {out}"),
        ),
        1000,
        shows=("net", "train"),
    ),
    Row(
        "cnn",
        "Convolutional network",
        r"f_\ell(x)_c = \sigma\Big(b_c + \sum_k w_{ck} \star x_k\Big)",
        "Weights that use the structure of an image: small filters, the same everywhere.",
        classified("cnn"),
        150,
    ),
    Row(
        "resnet",
        "A hundred residual layers (7)",
        r"x_{\ell+1} = x_\ell + \frac1L\, U_\ell^\top \sigma(V_\ell x_\ell + b_\ell)",
        "Each layer is a small step, a deformation close to the identity.",
        classified("resnet"),
        100,
        shows=("layer", "net"),
    ),
    Row(
        "deep_equilibrium",
        "Infinitely many equal layers",
        r"z^\star = f_\theta(z^\star, x), \qquad \frac{dz^\star}{d\theta} = (I - \partial_z f)^{-1}\, \partial_\theta f",
        "Turns until nothing moves, and the derivative of the limit itself (Bai et al. 2019).",
        classified("deep_equilibrium"),
        100,
        shows=("net f", "layer"),
    ),
    Row(
        "neural_ode",
        "Infinite depth (8)",
        r"\frac{dx}{ds} = U_s^\top \tanh(V_s x + b_s), \quad s \in [0, 1]",
        "The limit of infinite depth, trained by the adjoint method: which spiral a point of the plane belongs to.",
        (Shot("neural_ode.png", "run {classify} x=-1.2..1.2:120 --out {out}"),),
        150,
    ),
    Row(
        "fourier_operator",
        "An operator on functions",
        r"h \leftarrow \sigma\big(\mathcal F^{-1}(R \cdot \mathcal F h) + W h\big)",
        "Products of the lowest frequencies (Li et al. 2021): what waves become by Burgers' equation, at any resolution. Waves that it has "
        "not seen, half a second later.",
        (Shot("fourier_operator.png", "run {solve_to_one} a=@examples/waves.npy --out {out}"),),
        200,
        shows=("layer spectral", "net operator"),
    ),
    Row(
        "gaussian_process",
        "A Gaussian process",
        r"\min_\theta\; \tfrac12\, y^\top K_\theta^{-1} y + \tfrac12 \log\det K_\theta",
        "The kernel of functions, learned by their likelihood (Rasmussen and Williams 2006). Functions through four known values, drawn "
        "from what is left open.",
        (Shot("gaussian_process.png", "run {functions_through} --batch 25 --seed 0 --out {out}"),),
        200,
        shows=("layer factor", "train"),
    ),
    Row(
        "solvers",
        "Solvers, and what theory says of them",
        r"\frac{dx}{ds} = f(x, s), \qquad \|x_n - x(s)\| = O(n^{-p}), \qquad dX = f\,ds + g\,dW",
        "A pendulum, from 81 places and speeds. The claims of this spec are the orders, tolerances and laws of all solvers.",
        (Shot("solvers.png", "run {motion} x=-2..2:9 --out {out}"),),
        None,
        shows=("net", "claim errors_fall_by_their_order"),
    ),
    Row(
        "gan",
        "Two nets against each other (9)",
        r"\min_\theta \max_\varphi\; D_\varphi\big((f_\theta)_\sharp \alpha,\ \beta\big)",
        "A generator carries noise to eight Gaussians, a critic tells made from true.",
        (sampled("gan"),),
        2000,
        shows=("train",),
    ),
    Row(
        "transport",
        "Optimal transport as the loss (9)",
        r"\min_\theta\; S_\varepsilon\big((f_\theta)_\sharp \alpha,\ \beta\big), \qquad S_\varepsilon \text{ the Sinkhorn divergence}",
        "The same problem with a distance between clouds in place of a critic.",
        (sampled("transport"),),
        200,
        shows=("train",),
    ),
    Row(
        "moons_flow",
        "Flow matching (10)–(12)",
        r"\min_v\; \mathbb E\,\|x_1 - x_0 - v((1 - s)\,x_0 + s\,x_1,\ s)\|^2, \qquad \frac{dx}{ds} = v(x, s)",
        "The velocity that carries noise to data: 300 particles on their way, samples, and the logarithm of their density.",
        (
            Shot("moons_flow.gif", "run {path} --batch 300 --seed 0 --steps 60 --out {out}"),
            sampled("moons_flow"),
            Shot("moons_flow_density.png", "run {log_density} x=-2.2..2.2:36 --range=-6..0.5 --out {out}"),
        ),
        800,
        shows=("train", "export path"),
    ),
    Row(
        "ot_flow",
        "Flow matching with transport",
        r"(x_0, x_1) \sim \pi^\star, \qquad \pi^\star \text{ the optimal coupling of two minibatches}",
        "Pairs that lie near each other make straighter paths: samples in four Euler steps.",
        (sampled("ot_flow", " --steps 4"),),
        800,
        shows=("train",),
    ),
    Row(
        "reflow",
        "Rectified flow, once more",
        r"(x_0, x_1) \text{ the ends of the paths of a first flow } \Rightarrow \text{ nearly straight paths}",
        "Samples in one single Euler step.",
        (sampled("reflow", " --steps 1"),),
        500,
        ("compile examples/moons_flow.mai --weights runs/gallery/moons_flow --export path --out runs/moons_flow",),
        shows=("data", "train"),
    ),
    Row(
        "mean_flow",
        "Average velocities: one step",
        r"u(z_t, r, t) = \frac1{t - r} \int_r^t v(z_s, s)\,ds, \qquad u = v - (t - r)\,\big(v\,\partial_z u + \partial_t u\big)",
        "A net that says how far a whole way goes, by a derivative of itself along the path (Geng et al. 2025): samples in one step.",
        (sampled("mean_flow"),),
        400,
        shows=("train", "export sample"),
    ),
    Row(
        "normalizing_flow",
        "Normalizing flow: the density moves by (11)",
        r"\partial_s \alpha_s + \mathrm{div}(\alpha_s v_s) = 0 \quad\Longrightarrow\quad \frac{d}{ds} \log \alpha_s(x_s) = -\mathrm{div}\, v_s(x_s)",
        "Trained by maximum likelihood: the log-density that it has learnt of a checkerboard, and samples.",
        (
            Shot("normalizing_flow_density.png", "run {density} x=-4..4:100 --range=-8..-2 --out {out}"),
            sampled("normalizing_flow"),
        ),
        200,
        shows=("net log_density", "train"),
    ),
    Row(
        "realnvp",
        "A flow of couplings",
        r"(a, b) \mapsto \big(b \odot e^{s_k(a)} + t_k(a),\ a\big), \qquad \log p(x) = \log p(z) + \sum_k s_k",
        "Undone exactly, so that its density is known without an equation (Dinh et al. 2017): a family of nets, used both ways.",
        (sampled("realnvp"),),
        200,
        shows=("net", "layer push"),
    ),
    Row(
        "diffusion",
        "Denoising diffusion",
        r"x_k = \sqrt{\bar\alpha_k}\, x + \sqrt{1 - \bar\alpha_k}\; \epsilon, \qquad \min_\theta\; \mathbb E\,\|\epsilon - \epsilon_\theta(x_k, k)\|^2",
        "A net that sees the noise; 200 steps back, each with fresh noise.",
        (sampled("diffusion"),),
        800,
        shows=("train", "export"),
    ),
    Row(
        "score",
        "Score-based diffusion in continuous time",
        r"dx = -\tfrac12 \beta x\,dt + \sqrt\beta\,dW, \qquad \frac{dx}{dt} = -\tfrac12 \beta\,\big(x + \nabla \log p_t(x)\big)",
        "One net, two ways back: the stochastic equation, and the flow that moves the same densities.",
        (sampled("score"), Shot("score_flow.png", "run {flow} --batch 2000 --seed 0 --out {out}")),
        800,
        shows=("train", "export flow"),
    ),
    Row(
        "digits_unet",
        "Images by a U-Net",
        r"\frac{dx}{ds} = v(x, s, \varnothing) + \gamma\,\big(v(x, s, y) - v(x, s, \varnothing)\big)",
        "Flow matching with labels and guidance: a row a label.",
        labelled("digits_unet"),
        200,
        shows=("train", "export"),
    ),
    Row(
        "dit",
        "Images by a transformer",
        r"h \leftarrow h + g \odot \mathrm{Att}\big((1 + a) \odot \mathrm{norm}(h) + b\big), \qquad (a, b, g) \text{ from } (s, y)",
        "The same flow with patches as tokens.",
        labelled("dit"),
        300,
        shows=("layer", "export"),
    ),
    Row(
        "vit",
        "A transformer that reads images",
        r"x_i \leftarrow x_i + \sum_j \frac{e^{\langle Q x_i, K x_j\rangle}}{\sum_k e^{\langle Q x_i, K x_k\rangle}}\, V x_j",
        "Patches are the tokens.",
        classified("vit"),
        460,
    ),
    Row(
        "sinkformer",
        "Doubly stochastic attention",
        r"M = \mathrm{Sinkhorn}\big(e^{\langle Q x_i, K x_j\rangle}\big), \qquad M \mathbf 1 = \mathbf 1, \quad M^\top \mathbf 1 = \mathbf 1",
        "Rows and columns of the attention matrix sum to one.",
        classified("sinkformer"),
        150,
        shows=("layer",),
    ),
    Row(
        "char_gpt",
        "Text, a character at a time (13)–(14)",
        r"X \leftarrow [X, f(X)], \qquad x_i \leftarrow x_i + \frac1L\,\mathrm{Att}(x_1, \dots, x_i)",
        "A causal transformer; its cache is derived.",
        (Shot("char_gpt.txt", 'run {generate} prompt="The class " count=240 --seed 1 --out {out}'),),
        60,
        shows=("net", "export generate"),
    ),
    Row(
        "llama",
        "A Llama",
        r"x_i \leftarrow x_i + \mathrm{Att}_{\mathrm{rotary}}(\mathrm{norm}(x))_i, \qquad x_i \leftarrow x_i + W\big(\mathrm{silu}(G x_i) \odot H x_i\big)",
        "125 million parameters in 25 lines: the shape of the thing, as it comes without weights.",
        (Shot("llama.svg", "show {spec} --emit diagram --export generate --out {out}"),),
        None,
    ),
    Row(
        "attention_flow",
        "Attention as particles (15)–(16)",
        r"\frac{dx_i}{ds} = P_{x_i}\!\left(\sum_j \frac{e^{\langle Q x_i, K x_j\rangle}}{\sum_k e^{\langle Q x_i, K x_k\rangle}}\, V x_j\right)",
        "Tokens on the circle attract each other: from anywhere, and from a half circle, they gather in one cluster.",
        (
            Shot(
                "attention_flow.gif",
                "run {evolve} X=@{run}/anywhere.npy --out {out}",
                ("run {anywhere} --seed 2 --out {run}/anywhere.npy",),
            ),
            Shot(
                "attention_half.gif",
                "run {evolve} X=@{run}/half.npy time=5 --out {out}",
                ("run {half_circle} --out {run}/half.npy",),
            ),
        ),
        None,
        shows=("net", "export evolve"),
    ),
)
