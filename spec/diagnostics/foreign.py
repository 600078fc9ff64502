"""What names of PyTorch, numpy, scipy and JAX are called in mai.

These tables are asked before `closest`, which would take `cat` for `categorical`. Names of the same letters (`LayerNorm`,
`ReLU`) are left out. The tests compile whatever stands in backquotes, and compare what is computed with the others' values.
"""

from __future__ import annotations

SIZES = "sizes have names in types: `x: [P, d]`"
LOSSES = {
    "write `mean((a - b)^2)`": "mse mse_loss MSELoss mean_squared_error",
    "write `mean(abs(a - b))`": "mae l1_loss L1Loss mean_absolute_error",
    "write `cross_entropy(z, label)`, of logits and an integer": "CrossEntropyLoss nll_loss NLLLoss softmax_cross_entropy",
    "write `-mean(t * log(p) + (1 - t) * log(1 - p))`": "bce BCELoss binary_cross_entropy",
    "write `mean(softplus(z) - t * z)`": "BCEWithLogitsLoss binary_cross_entropy_with_logits bce_with_logits",
    "write `mean(where(abs(x - y) < 1, 0.5 * (x - y)^2, abs(x - y) - 0.5))`": "huber huber_loss HuberLoss smooth_l1_loss SmoothL1Loss",
    "write `mean(t * (log(t) - log_softmax(z)))`: torch's takes the log-probabilities first; `kl(normal([3]), normal([3]))` is of distributions": (
        "kl_div KLDivLoss kl_divergence"
    ),
    "write `mean((log(v) + (x - y)^2 / v) / 2)`, with v the variance": "gaussian_nll_loss GaussianNLLLoss",
    "write `mean(exp(x) - y * x)`, with x the logarithm of the rate": "poisson_nll_loss PoissonNLLLoss",
    "write `mean(softplus(-y * x))`, with y -1 or 1": "soft_margin_loss SoftMarginLoss",
    "write `mean(relu(1 - y * x))`, with y -1 or 1": "hinge hinge_loss",
    "write `relu(norm(a - b) - norm(a - A[0]) + 1)`": "triplet_margin_loss TripletMarginLoss",
    "write `log_prob(normal([3]), a)`: a distribution is a value": "logpdf",
}
LAYERS = {
    "write `batch_norm(image)`": "BatchNorm BatchNorm2d batch_norm2d BatchNormalization",
    "write `batch_norm1d(x)`, of a vector `batch_norm1d(a[:, None])[:, 0]`": "BatchNorm1d",
    "write `batch_norm3d(image[None])`": "BatchNorm3d",
    "write `group_norm(image, 3)`, with as many groups as channels": "instance_norm InstanceNorm2d",
    'write `rearrange(layer_norm(rearrange(image, "k h w -> h w k")), "h w k -> k h w")`, which is over the channels': (
        "layer_norm2d LayerNorm2d"
    ),
    "write `conv(image, 8, 3)`, which has weights of its own; torch's has no padding, `conv(image, 8, 3, padding = 0)`": "conv2d Conv2d Conv2D",
    "write `embed(label, 8)`, which has weights of its own; rows of others are `A[[0, 2]]`": "embedding Embedding",
    "write `image * dropout(ones([3]))[:, None, None]`, which drops whole channels": "dropout2d Dropout2d",
    "write `gated_mlp(x, 8)`, the block with its layers; of two halves `silu(x[:, :3]) * x[:, 3:]`": "swiglu SwiGLU",
    "write `gated_mlp(x, 8, activation = gelu_exact)`, the block with its layers": "geglu GEGLU",
    "write `gated_mlp(x, 8, activation = relu)`, the block with its layers": "reglu ReGLU",
    'write `rearrange(q[:, :, None], "(k a b) h w -> k (h a) (w b)", a = 2, b = 2)`': "pixel_shuffle PixelShuffle",
    'write `rearrange(image, "k (h a) (w b) -> (k a b) h w", a = 2, b = 2)`': "pixel_unshuffle PixelUnshuffle",
    "write `pad(image, 1)`": "zero_pad2d ZeroPad2d ZeroPadding2D constant_pad_nd",
    "write `x` itself": "Identity clone copy contiguous deepcopy",
    "write `attention(x, heads = 2)`": "MultiheadAttention MultiHeadAttention multi_head_attention self_attention SelfAttention",
    "write `attend(q, k, v, heads = 2)`": "scaled_dot_product_attention dot_product_attention",
    "write `attention(x, heads = 3, rotary = true)`; of queries or keys alone `rope(x, heads = 3)`": (
        "rotary rotary_embedding RotaryEmbedding rotary_emb apply_rotary_emb apply_rotary_pos_emb"
    ),
    "write `conv1d(image[0], 6, 3)`, of channels first; of tokens `causal_conv(x, 6, 3)`, which sees those before": "Conv1d",
    "write `conv_transpose(image, 8, 4, stride = 2)`": "conv_transpose2d ConvTranspose2d ConvTranspose deconv Conv2DTranspose",
    "write `upsample(image, 2)`": "interpolate resize upsample_nearest UpsamplingNearest2d UpSampling2D",
    "write `max_pool(image, 2)`": "MaxPool MaxPool2d max_pool2d MaxPooling2D",
    "write `avg_pool(image, 2)`": "AvgPool AvgPool2d avg_pool2d AveragePooling2D",
    "write `avg_pool_global(image)`": "adaptive_avg_pool2d AdaptiveAvgPool2d GlobalAveragePooling2D",
    "write `max_pool_global(image)`": "adaptive_max_pool2d AdaptiveMaxPool2d GlobalMaxPooling2D",
    "write `x |> linear(8) |> relu |> linear(3)`": "Sequential sequential",
    "write its cell in turns, `repeat 4 shared as t { a = tanh(linear(concat(x[t], a), 3)) } keep a as h`": (
        "lstm gru rnn LSTM GRU RNN lstm_cell gru_cell rnn_cell LSTMCell GRUCell RNNCell SimpleRNN"
    ),
    "write `param W: [3, 2] ~ normal(0, 1)`": "Parameter parameter get_parameter param",
}
SHAPES = {
    "write `concat(a, b)`, along the last axis; along the first one `concat(x, y, axis = 0)`": "cat concatenate hstack",
    "write `[a, b]`": "stack vstack",
    'write `rearrange(x, "a b -> (a b)")` for a vector, or `rearrange(x, "(a b) c -> a (b c)", a = 2)`': "reshape view unflatten",
    'write `rearrange(x, "a b -> (a b)")`': "flatten ravel Flatten",
    'write `rearrange(image, "k h w -> h w k")`': "permute moveaxis movedim",
    "write `x'`, which exchanges the last two axes": "T mT t transpose swapaxes swapdims adjoint matrix_transpose",
    "write `x[None]` or `x[:, None]`": "unsqueeze expand_dims",
    "write `x[0]`, which takes an axis away": "squeeze",
    "write `x + zeros([2, 4, 6])`: axes of size one, and lacking ones, are stretched": "expand broadcast_to expand_as",
    "write `split(x, 2)`, into equal parts along the last axis": "chunk array_split tensor_split",
    "write `a[1:] - a[:-1]`": "diff",
    "write `x[[0, 2]]`: an index may be a tensor of whole numbers": "index_select take",
    'write `tile(x, 2)`, the whole twice; each number twice is `rearrange(x[:, :, None] + zeros([2]), "a b r -> a (b r)")`': "repeat",
    'write `rearrange(x[:, :, None] + zeros([2]), "a b r -> a (b r)")`, each number twice': "repeat_interleave",
    "write `one_hot([0, 2, 2, 1], 3)' @ x`, which adds the rows of one index": (
        "scatter scatter_add scatter_reduce index_add segment_sum"
    ),
    "write `sum(one_hot([0, 2, 2], 3), axis = 0)`": "bincount",
    "write `x[:, 1:3]`": "narrow",
    "write `x[0]`": "unbind unstack",
    "write `where(x > 0, x, 0)`: shapes are fixed": "masked_select nonzero argwhere compress",
    "write `flip(x)`": "fliplr",
    SIZES: "len numel ndim dim size",
}
NUMBERS = {
    "write `A @ R`, of vectors, matrices and stacks of them": "matmul mm bmm mv chain_matmul multi_dot matvec vecmat",
    "write `sum(a * b)` of vectors, or `a @ b`": "dot vdot vecdot",
    "write `sum(a * b)` of vectors; of matrices `x @ y'`": "inner",
    "write `A + M[:3] @ x[:, :3]`": "addmm baddbmm",
    "write `roll(a, -1) * roll(b, -2) - roll(a, -2) * roll(b, -1)`": "cross",
    "write `A @ A`": "matrix_power",
    'write `einsum("i k, j k -> i j", x, y)`': "tensordot",
    "write `sqrt(moving_costs(x, y))`": "cdist",
    "write `x^2`": "pow power square",
    "write `x / sqrt(sum(x^2, axis = -1, keep = true))`": "normalize",
    "write `sum(a * b) / sqrt(sum(a^2) * sum(b^2))`": "cosine_similarity CosineSimilarity",
    "write `1 / sqrt(x)`": "rsqrt",
    "write `log(x) / log(2)`": "log2",
    "write `clip(x, 0, 6)`": "relu6 ReLU6",
    "write `clip(x, -1, 1)`": "hardtanh Hardtanh hard_tanh",
    "write `gelu_exact(x)`, which is torch's default; `gelu(x)` is the form with tanh": "GELU",
    "write `x > 0 and x < 1`": "logical_and bitwise_and",
    "write `x > 0 or x < -1`": "logical_or bitwise_or",
    "write `not (x > 0)`": "logical_not bitwise_not invert",
    "write `where(x > 0, 1, 0) != where(y > 0, 1, 0)`": "logical_xor bitwise_xor",
    "write `where(x > 0, -1e9, x)`, which fills where the condition is true": "masked_fill",
    "write `log(x) / log(10)`": "log10",
    "write `2^x`": "exp2",
    "write `10^x`": "exp10",
    "write `clip(x / 6 + 0.5, 0, 1)`": "hardsigmoid Hardsigmoid hard_sigmoid",
    "write `x - tanh(x)`": "tanhshrink Tanhshrink tanh_shrink",
    "write `sign(x) * relu(abs(x) - 0.5)`": "softshrink Softshrink soft_shrink",
    "write `where(abs(x) > 0.5, x, 0)`": "hardshrink Hardshrink hard_shrink",
    "write `round(x)`": "around",
    "write `elu(x)`, the same where alpha is 1": "celu CELU",
    "write `where(x > 0, x, s * x)`, with a parameter as s": "prelu PReLU",
    "write `leaky_relu(x, 11 / 48)`, as torch's is outside training": "rrelu RReLU",
    "write `x[:, :3] * sigmoid(x[:, 3:])`, of two halves": "glu GLU",
    "write `where(x > 0.1, x, 0)`": "threshold Threshold",
    "write `softmax(-x)`": "softmin Softmin",
    "write `softmax(image, axis = 0)`": "softmax2d Softmax2d",
    "write `log(cumsum(exp(x - max(x)))) + max(x)`": "logcumsumexp",
    "write `logsumexp([x, y], axis = 0)`": "logaddexp",
    "write `sign(x) * floor(abs(x))`": "trunc fix",
    "write `x - sign(x) * floor(abs(x))`": "frac",
    "write `sign(x) * (abs(x) % abs(y))`; `x % y` has the sign of y": "fmod",
    "write `x % y`": "remainder mod",
    "write `x // y`": "floor_divide",
    "write `lgamma(x)`, of numbers above 0": "gammaln loggamma",
    "write `digamma(x)`, of numbers above 0": "psi",
    "write `x / y`": "divide true_divide",
    "write `x + y`": "add",
    "write `x - y`": "sub subtract",
    "write `x * y`": "mul multiply",
    "write `-x`": "neg negative",
    "write `1 / x`": "reciprocal",
    "write `maximum(x, y)`": "fmax",
    "write `minimum(x, y)`": "fmin",
    "write `maximum(x, 0.1)`": "clamp_min",
    "write `minimum(x, 0.1)`": "clamp_max",
    "write `x == y`": "eq",
    "write `x == y`, of all numbers `all(x == y)`": "equal",
    "write `x != y`": "ne not_equal",
    "write `x < y`": "lt less",
    "write `x <= y`": "le less_equal",
    "write `x > y`": "gt greater",
    "write `x >= y`": "ge greater_equal",
    "write `abs(x - y) < 1e-5`": "isclose",
    "write `all(abs(x - y) < 1e-5)`": "allclose",
    "write `x != x`": "isnan",
    "write `x - x == 0`": "isfinite",
    "write `abs(x) > 3e38`": "isinf",
    "write `where(x == x, clip(x, -3e38, 3e38), 0)`": "nan_to_num",
    "write `sum(where(x == x, x, 0))`": "nansum",
    "write `sum(where(x == x, x, 0)) / sum(where(x == x, 1.0, 0.0))`": "nanmean",
    "write `median(a)`, of the numbers that are there": "nanmedian",
    "write `sum(where(x != 0, 1, 0))`": "count_nonzero",
    "write `x + 0.3 * (y - x)`": "lerp",
    "write `sqrt(x^2 + y^2)`": "hypot",
    "write `sign(x) * abs(x)^(1 / 3)`": "cbrt",
    "write `x * pi / 180`": "deg2rad radians",
    "write `x * 180 / pi`": "rad2deg degrees",
    "write `where(x == 0, 1, sin(pi * x) / (pi * x))`": "sinc",
    "write `sin(x)`": "sine",
    "write `cos(x)`": "cosine",
    "write `arctan(1 / x)`": "arccot acot",
    "write `1 / tan(x)`": "cot",
    "write `where(x > 0, 1.0, where(x < 0, 0.0, y))`": "heaviside",
    "write `x < 0`": "signbit",
    "write `where(y < 0, -abs(x), abs(x))`": "copysign",
    "write `log(x / (1 - x))`": "logit",
    "write `xlogy(x, 1 + y)`": "xlog1py",
    "write `sqrt(2) * erfinv(2 * x - 1)`": "ndtri",
    "write `erfinv(1 - x)`": "erfcinv",
    "write `exp(x^2) * erfc(x)`": "erfcx",
    "write `-xlogy(x, x)`": "entr",
    "write `xlogy(x, x) - xlogy(x, y)`": "rel_entr",
    "write `max(x) - min(x)`": "ptp",
    "write `quantile(a, 0.9)`, of a share": "percentile nanpercentile nanquantile",
    "write `mean(x)`": "average",
    "write `sort(x, axis = 0)`": "msort",
    "write `sort(x)[:, 1]`": "kthvalue",
    "write `sum((a[1:] + a[:-1]) / 2)`, times the distance of two": "trapezoid trapz",
    "write `sum(where(a < s, 1, 0))`, how many lie below": "searchsorted bucketize",
    "write `norm(x)`": "frobenius_norm matrix_norm",
    "write `norm(x - y, axis = -1)`": "pairwise_distance PairwiseDistance",
    "write `diag(a)`": "diag_embed diagflat",
}
MAKING = {
    "write `range(4)`": "arange",
    "write `zeros([4])`": "empty",
    "write `0 * x + 3`": "full_like",
    "write `10^linspace(0, 2, 5)`": "logspace",
    "a draw is a statement: write `g ~ gumbel([5])`, and softmax((z + g) / tau) of it": "gumbel_softmax GumbelSoftmax",
    "write `3 * ones([4])`": "full",
    "write `0 * x`": "zeros_like empty_like",
    "write `0 * x + 1`": "ones_like",
    "write `identity(4)`": "eye",
    "write `inverse(A)`, of a matrix that has one": "inv pinv pinverse",
    "write `solve(A' @ A, A' @ b)`": "lstsq",
    "write `solve(A @ A', b)`, with A the factor": "cholesky_solve",
    "write `logdet(A)`, or `det(A)`": "slogdet",
    "write `(values, vectors) = eigh(A)`, of a symmetric matrix": "eig eigvalsh eigvals",
    "write `expm(A)`": "matrix_exp",
    "write `[1, 2]`": "tensor Tensor array asarray",
    "write `1.0 * label`: an integer that meets a real becomes one; in the place of infinity write `1e9`": "float astype double",
    "a draw is a statement: write `x ~ normal([2])`": "randn standard_normal randn_like",
    "a draw is a statement: write `x ~ uniform([2])`": "rand random random_sample rand_like",
    "a draw is a statement: write `k ~ integers(0, 10)`": "randint",
    "a draw is a statement: write `k ~ categorical(z)`, of logits": "multinomial choice",
}
PROGRAMS = {
    "write `stop_gradient(x)`": "detach no_grad",
    "write `minimize sum(x^2)` in a train block: it does all of this": "backward zero_grad",
    "write `grad(sum(x^2), x)`": "autograd value_and_grad",
    "write `jacobian(tanh(x), x)`": "jacfwd jacrev",
    "write `report mean(x)` in a train block": "print log_metric display",
    "a net on `[d]` is mapped over `P` where it is given `[P, d]`: nothing is written": "vmap pmap",
    "write `repeat 4 { x = x / 2 }`": "scan for_loop fori_loop while_loop",
    "write `integrate s in 0..1 using rk4(20) { dx/ds = -x }`": "odeint solve_ivp diffeqsolve",
}
TYPES = {
    "write `int(s)`": "long int32 int64 short",
    "write `where(s > 0, 1.0, 0.0)`; what compares is true or false by itself": "bool",
}
# These are hints for names that are read as values, too, and not only for those that are called.
NOTHING = {
    "a label left out is one more label: write `const none = 10` for a net that takes `y: class[11]`": "none None null Null nil",
    "write a number that no score reaches, `where(x > 0, x, -1e9)`": "inf infinity Infinity infty",
    "a train block counts its steps in a state: `state n: [] = 0`, with n = n + 1 in the next line": "step global_step epoch iteration",
}
TABLES = (LOSSES, LAYERS, SHAPES, NUMBERS, MAKING, PROGRAMS, TYPES, NOTHING)
# Other names of the same functions, with the same arguments in the same order: one may stand in the place of the other.
SAME = {
    "silu": "swish Swish",
    "abs": "absolute fabs",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "round": "rint",
    "max": "amax",
    "min": "amin",
    "cumsum": "cumulative_sum",
    "cumprod": "cumulative_prod",
    "sigmoid": "expit",
    "log_sigmoid": "log_expit",
    "lbeta": "betaln",
    "normal_cdf": "ndtr",
    "log_normal_cdf": "log_ndtr",
    "outer": "ger",
    "gelu": "gelu_new gelu_pytorch_tanh",
    "relu_squared": "relu2",
}
RENAMED = {name: same for same, names in SAME.items() for name in names.split()}
FOREIGN = {name: hint for table in TABLES for hint, names in table.items() for name in names.split()}
FOREIGN |= {name: f"write `{same}`" for name, same in RENAMED.items()}

NO_LIKE = "other libraries have this and mai has not: write what it computes, in a layer of your own where it is used more than once"

# What is called alike in mai and computes something else, where it is called of a module: `F.gelu(x)`.
UNLIKE = {
    "gelu": "write `gelu_exact(x)`, which is torch's default; `gelu(x)` is the form with tanh",
    "std": "write `std(x)`, which divides by n: torch's divides by n - 1",
    "var": "write `var(x)`, which divides by n: torch's divides by n - 1",
    "split": "write `split(x, 2)`, into 2 equal parts along the last axis: torch's 2 is the size of a part, which a list says, `split(x, [2, 4])`",
    "div": "write `x / y`",
    "range": "write `range(4)`, whose last number is 3",
    "median": "write `median(a)`, of an even number the mean of the two in the middle: torch's is the lower one",
    "conv1d": "write `conv1d(image[0], 6, 3)`, which has weights of its own",
    "linear": "write `linear(x, 8)`, which has weights of its own",
    "gamma": "write `exp(lgamma(x))`: `gamma(2, 1)` is a distribution",
    "beta": "write `exp(lbeta(a, b))`: `beta(2, 1)` is a distribution",
    "identity": "write `identity(4)`, the matrix",
}


def answer(names: str, example: str) -> None:
    """What else is called by one of these names elsewhere: answered with the line to write here."""
    FOREIGN.update(dict.fromkeys(names.split(), f"write `{example}`"))


VALUES = {name: hint for hint, names in NOTHING.items() for name in names.split()}

# Standard layers that other libraries give a vector, too, and what is written for it here.
OF_VECTORS = dict.fromkeys(("batch_norm", "batch_norm1d"), "of a vector write `batch_norm1d(a[:, None])[:, 0]`")

# Calls that stand alone on a line elsewhere, by the name that is called last; `{of}` is what it is called of.
CALLS = {
    "`minimize {of}` is all that is written: training goes back through it and takes the optimizer's step": "backward",
    "`train(steps = 1000, optimizer = adamw(lr = 1e-3)) { minimize e }` does this by itself": (
        "step zero_grad fit train_step apply_gradients update clip_grad_norm_"
    ),
    "write `report mean(x)` in a train block": "print log log_metric log_dict add_scalar",
    "what each turn gives is kept after its block: `repeat 3 as i { y = x[i] } keep y as ys`": "append extend push insert",
    "layers that differ in training, `dropout` and `batch_norm`, know by themselves when it is": "train eval requires_grad_",
    "a seed is said when the file is used: `mai train FILE --seed 1`, `model(seed = 1)`": "manual_seed seed PRNGKey",
    "where it runs is said when the file is used: `mai train FILE --device cuda`": "cuda cpu to",
    "a layer's first weights are its argument `init`: `linear(x, 8, init = normal(0, 0.02))`": (
        "xavier_uniform_ xavier_normal_ kaiming_uniform_ kaiming_normal_ normal_ uniform_ zeros_ ones_ constant_ trunc_normal_"
    ),
    "there is no `super`: what a net has is named where it is used": "__init__ super",
}
METHODS = {name: hint for hint, names in CALLS.items() for name in names.split()}
MODULES = frozenset(
    "torch torchvision torchaudio torchdiffeq numpy np jax jnp flax haiku equinox optax diffrax tensorflow tf keras math random "
    "scipy sklearn einops transformers diffusers tokenizers datasets lightning pandas matplotlib os sys time typing functools "
    "dataclasses tqdm wandb mai onnx onnxruntime".split()
)
