"""What names of PyTorch, numpy and JAX are called in mai.

These tables are asked before `closest`, which would take `cat` for `categorical`. Names that it gets right (`LayerNorm`,
`ReLU`, `Embedding`, `Conv2d`) are left out. The tests compile whatever stands in backquotes.
"""

from __future__ import annotations

SIZES = "sizes have names in types: `x: [P, d]`"
LOSSES = {
    "write `mean((a - b)^2)`": "mse mse_loss MSELoss mean_squared_error",
    "write `mean(abs(a - b))`": "mae l1_loss L1Loss mean_absolute_error",
    "write `cross_entropy(z, label)`, of logits and an integer": "CrossEntropyLoss nll_loss NLLLoss softmax_cross_entropy",
    "write `-mean(t * log(p) + (1 - t) * log(1 - p))`": "bce BCELoss binary_cross_entropy",
    "write `mean(softplus(z) - t * z)`": "BCEWithLogitsLoss binary_cross_entropy_with_logits",
    "write `log_prob(normal([3]), a)`: a distribution is a value": "logpdf",
}
LAYERS = {
    "write `batch_norm(image)`": "BatchNorm BatchNorm1d BatchNorm2d BatchNorm3d",
    "write `attention(x, heads = 2)`": "MultiheadAttention MultiHeadAttention multi_head_attention self_attention SelfAttention",
    "write `attend(q, k, v, heads = 2)`": "scaled_dot_product_attention dot_product_attention",
    "write `attention(x, heads = 3, rotary = true)`; of queries or keys alone `rope(x, heads = 3)`": (
        "rotary rotary_embedding RotaryEmbedding rotary_emb apply_rotary_emb apply_rotary_pos_emb"
    ),
    "write `conv1d(image[0], 6, 3)`, of channels first; of tokens `causal_conv(x, 6, 3)`, which sees those before": "Conv1d",
    "write `conv_transpose(image, 8, 4, stride = 2)`": "conv_transpose2d ConvTranspose2d ConvTranspose deconv Conv2DTranspose",
    "write `upsample(image, 2)`": "interpolate resize",
    "write `max_pool(image, 2)`": "MaxPool MaxPool2d",
    "write `avg_pool(image, 2)`": "AvgPool AvgPool2d",
    "write `avg_pool_global(image)`": "adaptive_avg_pool2d AdaptiveAvgPool2d GlobalAveragePooling2D",
    "write `x |> linear(8) |> relu |> linear(3)`": "Sequential sequential",
    "write `param W: [3, 2] ~ normal(0, 1)`": "Parameter parameter get_parameter",
}
SHAPES = {
    "write `concat(a, b)`, along another axis `concat(x, y, axis = 0)`": "cat concatenate hstack",
    "write `[a, b]`": "stack vstack",
    'write `rearrange(x, "a b -> (a b)")` for a vector, or `rearrange(x, "(a b) c -> a (b c)", a = 2)`': "reshape view unflatten",
    'write `rearrange(x, "a b -> (a b)")`': "flatten ravel Flatten",
    'write `rearrange(image, "k h w -> h w k")`': "permute moveaxis movedim",
    "write `x'`, which exchanges the last two axes": "T mT t transpose swapaxes",
    "write `x[None]` or `x[:, None]`": "unsqueeze expand_dims",
    "write `x[0]`, which takes an axis away": "squeeze",
    "write `x + zeros([2, 4, 6])`: axes of size one, and lacking ones, are stretched": "expand broadcast_to expand_as",
    "write `split(x, 2)`": "chunk array_split",
    "write `a[1:] - a[:-1]`": "diff",
    "write `x[[0, 2]]`: an index may be a tensor of whole numbers": "index_select take",
    SIZES: "len numel ndim dim size",
}
NUMBERS = {
    "write `x @ y'`, or `sum(a * b)` of vectors": "matmul mm bmm mv dot vdot inner",
    'write `einsum("i k, j k -> i j", x, y)`': "tensordot",
    "write `sqrt(moving_costs(x, y))`": "cdist",
    "write `x^2`": "pow power square",
    "write `x / sqrt(sum(x^2, axis = -1, keep = true))`": "normalize",
    "write `sum(a * b) / sqrt(sum(a^2) * sum(b^2))`": "cosine_similarity CosineSimilarity",
    "write `1 / sqrt(x)`": "rsqrt",
    "write `arcsinh(x)`": "asinh",
    "write `arccosh(1 + x^2)`": "acosh",
    "write `arctanh(x)`": "atanh",
    "write `log(x) / log(2)`": "log2",
    "write `clip(x, 0, 6)`": "relu6 ReLU6",
    "write `clip(x, -1, 1)`": "hardtanh Hardtanh",
    "write `silu(x)`": "swish Swish",
    "write `gelu_exact(x)`, which is torch's default; `gelu(x)` is the form with tanh": "GELU",
    "write `x > 0 and x < 1`": "logical_and",
    "write `where(x > 0, x, -1e9)`": "masked_fill",
}
MAKING = {
    "write `range(4)`": "arange",
    "write `3 * ones([4])`": "full",
    "write `0 * x`": "zeros_like",
    "write `0 * x + 1`": "ones_like",
    "write `identity(4)`": "eye",
    "write `inverse(A)`": "inv pinv",
    "write `logdet(A)`, or `det(A)`": "slogdet",
    "write `(values, vectors) = eigh(A)`": "eig eigvalsh eigvals",
    "write `expm(A)`": "matrix_exp",
    "write `[1, 2]`": "tensor Tensor array asarray",
    "write `1.0 * label`: an integer that meets a real becomes one": "float astype double",
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
    "write `int(s)`": "long int32 int64",
    "write `where(s > 0, 1.0, 0.0)`; what compares is true or false by itself": "bool",
}
# These are hints for names that are read as values, too, and not only for those that are called.
NOTHING = {
    "a label left out is one more label: write `const none = 10` for a net that takes `y: class[11]`": "none None null Null nil",
    "write a number that no score reaches, `where(x > 0, x, -1e9)`": "inf infinity Infinity infty",
    "a train block counts its steps in a state: `state n: [] = 0`, with n = n + 1 in the next line": "step global_step epoch iteration",
}
TABLES = (LOSSES, LAYERS, SHAPES, NUMBERS, MAKING, PROGRAMS, TYPES, NOTHING)
FOREIGN = {name: hint for table in TABLES for hint, names in table.items() for name in names.split()}


def answer(names: str, example: str) -> None:
    """What else is called by one of these names elsewhere: answered with the line to write here."""
    FOREIGN.update(dict.fromkeys(names.split(), f"write `{example}`"))


VALUES = {name: hint for hint, names in NOTHING.items() for name in names.split()}

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
