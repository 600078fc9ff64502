"""Warnings: what is well typed and probably not meant. `# mai: allow SLUG` on the line, or the one before, silences one."""

from mai.spec.diagnostics.entries.entry import Entry
from mai.spec.diagnostics.entries.snippets import entry, train

_HEAD = "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n"
_TRAIN = "train(steps = 5) { minimize sum((f(x) - x)^2) }\n"
_EXPORT = "export g(x: [2]) -> [2] { return f(x) }\n"
_CLASSIFIER = (
    "data x: [64], y: class[10] from digits(split = train)\nnet f(x: [64]) -> [{0}] {{ return {1} }}\n"
    "train(steps = 5) {{ minimize cross_entropy(f(x), y) }}\n"
)
_HALVES = (
    "data x: [2], y: class[2] from moons()\nnet f(x: [2]) -> [] {{ return linear(x, 1)[0] }}\n"
    "train(steps = 5) {{ minimize -log_prob(bernoulli({}), y) }}\n"
)
_VAE = (
    "data x: [2] from moons()\nnet encode(x: [2]) -> [4] {{ return linear(x, 4) }}\nnet decode(z: [2]) -> [2] {{ return linear(z, 2) }}\n"
    "train(steps = 5) {{\n  h = encode(x)\n  q = normal(h[:2], exp(h[2:]))\n  z ~ q\n"
    "  minimize sum((decode(z) - x)^2) {} kl(q, normal([2]))\n}}\n"
)
_SPREAD = (
    "data x: [2] from moons()\nnet f(x: []) -> [2] {{ return linear([x], 2) }}\n"
    "train(steps = 5) {{\n  h = f(x[0])\n  minimize -log_prob(normal(h[0], {}), x[1])\n}}\n"
)
_GUIDED = (
    "const none = 2\ndata x: [2], y: class[2] from moons()\nnet f(x: [2], y: class[3]) -> [2] {{ return linear(x, 2) + embed(y, 2) }}\n"
    "train(steps = 5) {{\n  {0}minimize sum((f(x, {1}) - x)^2)\n}}\nexport g(x: [2]) -> [2] {{ return f(x, none) }}\n"
)
_LAYERED = (
    "data x: [2] from moons()\nlayer head(x: [2]) -> [2] {{ return linear(x, 2) }}\nnet f(x: [2]) -> [2] {{ return head(x) }}\n"
    "train(steps = 5) {{ minimize sum((f(x) - x)^2) }}\nexport g(x: [2]) -> [2] {{ return {0}(x) }}\n"
)
_ZERO = (
    "data x: [2] from moons()\nnet f(x: [2]) -> [2] {{\n  h = tanh(linear(x, 8, bias = false{0}))\n"
    "  return linear(h, 2, init = zeros, bias = false)\n}}\ntrain(steps = 5) {{ minimize sum((f(x) - x)^2) }}\n"
)
_GAN = (
    "data x: [2] from moons()\nnet make(z: [2]) -> [2] {{ return linear(z, 2) }}\n"
    "net critic(x: [2]) -> [] {{ return linear(tanh(linear(x, 8)), 1)[0] }}\ntrain(steps = 5) {{\n  z ~ normal([2])\n"
    "  minimize softplus(-critic(x)) + softplus(critic(make(z))){0}\n  minimize softplus(-critic(make(z))){1}\n}}\n"
)
_GROWING = (
    "const vocab = 8\nnet logits(x: tokens[P]) -> [P, vocab] {{\n  param place: [64, 4] ~ normal(0, 0.02)\n  h = embed(x, 4) + place[:P]\n"
    "  h += attention(h, 2, causal = true)\n  return linear(h, vocab)\n}}\n"
    "export write(prompt: tokens[P], count: int = {}) -> tokens[P + count] {{\n  x = prompt\n  extend x by count {{\n"
    "    next ~ categorical(logits(x)[-1])\n    append next\n  }}\n  return x\n}}\n"
)
_COUPLED = (
    "data x: [2], y: class[2] from moons()\nnet f(x: [2], y: class[2]) -> [2] {{ return linear(x, 2) + embed(y, 2) }}\n"
    "train(steps = 5) {{\n  x0 ~ normal([2])\n  {0}\n  minimize sum((f(x0, y) - x)^2)\n}}\n"
)

WARNINGS: dict[str, Entry] = {
    "untrained": Entry(
        "Parameters that nothing trains",
        "A layer has parameters of its own at each call. An export that calls a layer which training calls elsewhere has\n"
        "other parameters, with their first values. A `net` has one set, shared by every call: call the net.",
        _LAYERED.format("head"),
        _LAYERED.format("f"),
    ),
    "untrained-row": Entry(
        "A row of a table that no example has",
        'An export looks a label up that training never passes: a label for "none", which guidance needs, is learned only\n'
        "where training leaves the real one out now and then.",
        _GUIDED.format("", "y"),
        _GUIDED.format("keep ~ bernoulli(0.9)\n  ", "where(keep, y, none)"),
    ),
    "taken-label": Entry(
        'A label for "none" that the data have',
        "A label that is hidden now and then, for guidance, gets a number that is none of the data's: of labels 0 to 7 it is 8, and the\n"
        "net takes a `class[9]`. By a number below that, examples without a label look like those of another one.",
        _GUIDED.format("keep ~ bernoulli(0.9)\n  ", "where(keep, y, none)").replace("none = 2", "none = 1"),
        _GUIDED.format("keep ~ bernoulli(0.9)\n  ", "where(keep, y, none)"),
    ),
    "stuck-at-zero": Entry(
        "A product of two zeros",
        "Where both factors of a product begin as zero, the gradient of each is multiplied by the other's zeros: training moves\n"
        "neither. One of them may begin as zero, as the last layer of a residual step does.",
        _ZERO.format(", init = zeros"),
        _ZERO.format(""),
    ),
    "begun-alike": Entry(
        "A matrix that begins as one number",
        "`init` says what the parameters of a layer begin as, and a number that stands for it by place is mostly meant as a size: that of\n"
        "what comes in, say, which the layer finds itself. Rows that begin alike learn alike at first.",
        "export f(y: class[5]) -> [8] { return embed(y, 8, 5) }\n",
        "export f(y: class[5]) -> [8] { return embed(y, 8) }\n",
    ),
    "empty-range": Entry(
        "A range without numbers",
        "`clip(x, low, high)` of a `low` that is above `high` is `high`, whatever x is. The smaller comes first.",
        "export f(x: [2]) -> [2] { return clip(x, 1, -1) }\n",
        "export f(x: [2]) -> [2] { return clip(x, -1, 1) }\n",
    ),
    "number-too-small": Entry(
        "A number that is 0",
        "Files compute with float32, whose least number is 1.4e-45: what is written nearer to 0 is 0 in them, so that `log(x + 1e-60)`\n"
        "is minus infinity at 0. With all its digits the least number is 1.2e-38.",
        "export f(x: [2]) -> [2] { return log(x + 1e-60) }\n",
        "export f(x: [2]) -> [2] { return log(x + 1e-30) }\n",
    ),
    "large-tensor": Entry(
        "A value of more than 4 GB",
        "A value in between has so many numbers that few machines can hold it. A `repeat` computes it in parts.",
        "export f(x: []) -> [] { return sum(x * range(1000000000)) }\n",
        "export f(x: []) -> [] { return sum(x * range(1000000)) }\n",
    ),
    "seen-answers": Entry(
        "A net that sees its answers",
        "A net that is trained on the tokens that come next, `cross_entropy(f(x[:-1]), x[1:])`, looks at later tokens: by attention without\n"
        "a mask, windows that reach beyond their place, a mean of all places, or a text read from its end. So every token sees the next one, which is its\n"
        "answer. Its loss becomes small, and the text that it writes is none. Write `causal = true`, or what sees the tokens before alone.",
        "const vocab = 256\ndata x: tokens[16] from text()\nnet f(x: tokens[P]) -> [P, vocab] {\n  h = embed(x, 8)\n"
        "  h += attention(h, 2)\n  return linear(h, vocab)\n}\ntrain(steps = 5) { minimize mean(cross_entropy(f(x[:-1]), x[1:])) }\n",
        "const vocab = 256\ndata x: tokens[16] from text()\nnet f(x: tokens[P]) -> [P, vocab] {\n  h = embed(x, 8)\n"
        "  h += attention(h, 2, causal = true)\n  return linear(h, vocab)\n}\n"
        "train(steps = 5) { minimize mean(cross_entropy(f(x[:-1]), x[1:])) }\n",
    ),
    "likelihood-minimized": Entry(
        "A likelihood that is minimized",
        "`minimize log_prob(q, x)` makes the data x less and less likely. A loss is the negative of it, `-log_prob(q, x)`.",
        "data x: [2] from moons()\nnet f(z: []) -> [2] {\n  param m: [2] = 0\n  return m + z\n}\n"
        "train(steps = 5) { minimize log_prob(normal(f(0), 1), x) }\n",
        "data x: [2] from moons()\nnet f(z: []) -> [2] {\n  param m: [2] = 0\n  return m + z\n}\n"
        "train(steps = 5) { minimize -log_prob(normal(f(0), 1), x) }\n",
    ),
    "divergence-maximized": Entry(
        "A divergence that is made large",
        "`minimize e - kl(q, p)` drives q away from p without end. The bound of a VAE, log p(x|z) - kl(q, p), is to be large, so that\n"
        "its negative is the loss: `-log_prob(p, x) + kl(q, prior)`.",
        _VAE.format("-"),
        _VAE.format("+"),
    ),
    "unused": Entry(
        "A name that nothing uses",
        "A value, draw, parameter, input, setting, field, const, layer or net that nothing reads is mostly a slip: the line that\n"
        "should read it names another. Use it, or take it out.",
        "export f(x: [2]) -> [2] {\n  y = 2 * x\n  return x\n}\n",
        "export f(x: [2]) -> [2] {\n  y = 2 * x\n  return y\n}\n",
    ),
    "hidden-data": Entry(
        "A draw that hides the data",
        "A draw by the name of a field of the data stands in its place: training sees noise alone.",
        train("steps = 5", "x ~ normal([2])\n  minimize sum((f(x) - x)^2)"),
        train("steps = 5", "x0 ~ normal([2])\n  minimize sum((f(x0) - x)^2)"),
    ),
    "column-against-row": Entry(
        "A column less a row",
        "[n, 1] and [n] together are [n, n]: every entry of the one beside every entry of the other. For pairs, give both one\n"
        "shape; for all differences, write both axes out: `x[:, None] - x[None, :]`.",
        "export f(x: [5], y: [5]) -> [] { return sum((linear(x[:, None], 1) - y)^2) }\n",
        "export f(x: [5], y: [5]) -> [] { return sum((linear(x[:, None], 1)[:, 0] - y)^2) }\n",
    ),
    "more-logits": Entry(
        "More logits than labels",
        "`cross_entropy(logits, label)` with more logits than the label has classes: the others are pushed down for ever.",
        _CLASSIFIER.format("20", "linear(x, 20)"),
        _CLASSIFIER.format("10", "linear(x, 10)"),
    ),
    "bounded-logits": Entry(
        "Logits that cannot be any number",
        "`cross_entropy` takes logits, of any sign and size, and takes the softmax itself. After a `relu`, `sigmoid` or `softmax`\n"
        "some labels can never be likely, or never unlikely. So it is with `softplus(-z)` and `softplus(z)`, the losses of two labels.",
        _CLASSIFIER.format("10", "relu(linear(x, 10))"),
        _CLASSIFIER.format("10", "linear(x, 10)"),
    ),
    "logits-as-probability": Entry(
        "Logits where a probability is taken",
        "`bernoulli(p)` takes a probability. A linear layer gives any number: below 0 or above 1 the loss is not a number, and a draw\n"
        "is always the same. `bernoulli(logits = z)` takes the sigmoid itself, and does not round it off.",
        _HALVES.format("f(x)"),
        _HALVES.format("logits = f(x)"),
    ),
    "unbounded-parameter": Entry(
        "A positive parameter from a linear layer",
        "A deviation, a scale, a rate or a concentration is positive. A linear layer gives any number: of those below 0 the density is\n"
        "not a number, and one step with it makes every parameter NaN. `softplus(s)` is positive, and so is `exp(s)`. So it is with what\n"
        "`log` and `sqrt` are of.",
        _SPREAD.format("h[1]"),
        _SPREAD.format("softplus(h[1])"),
    ),
    "one-of-one": Entry(
        "A choice among one",
        "The softmax of one number is 1, whatever it is, and its largest is at place 0: the net behind it counts for nothing. For two\n"
        "labels there are two logits, or one and `sigmoid`.",
        _HALVES.replace("linear(x, 1)[0]", "softmax(linear(x, 1))[0]").format("f(x)"),
        _HALVES.replace("linear(x, 1)[0]", "sigmoid(linear(x, 1))[0]").format("f(x)"),
    ),
    "concat-of-one": Entry(
        "A `concat` of one tensor",
        "Elsewhere `concat` and `cat` take a list of tensors. Here a list is a tensor itself, its items stacked along a new axis, and `concat`\n"
        "takes tensors one after the other: of a list alone it is the list.",
        entry("return x + sum(concat([x, 2 * x]))"),
        entry("return x + sum(concat(x, 2 * x))"),
    ),
    "label-as-number": Entry(
        "A label that is taken for an amount",
        "A label is a whole number, and arithmetic takes it for an amount: in `f(x) - y` with a number of f(x) for each label, the same\n"
        "y is taken from each of them. A number of each label is `one_hot(y, 10)`; the usual loss is `cross_entropy(f(x), y)`.",
        _CLASSIFIER.format("10", "linear(x, 10)").replace("cross_entropy(f(x), y)", "mean((f(x) - y)^2)"),
        _CLASSIFIER.format("10", "linear(x, 10)").replace("cross_entropy(f(x), y)", "mean((f(x) - one_hot(y, 10))^2)"),
    ),
    "shared-objectives": Entry(
        "Objectives that work against each other",
        "Several `minimize` lines take turns. Without `over` each of them moves every parameter behind it, those of the other's\n"
        "net, too.",
        _GAN.format("", ""),
        _GAN.format(" over critic", " over make"),
    ),
    "masked-mean": Entry(
        "A mean that counts what is left out",
        "`mean(where(mask, e, 0))` divides by all places, those that the mask leaves out included. Divide by the number of those\n"
        "that it keeps.",
        "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n"
        "train(steps = 5) { minimize mean(where(x > 0, (f(x) - x)^2, 0)) }\n",
        "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n"
        "train(steps = 5) { minimize sum(where(x > 0, (f(x) - x)^2, 0)) / (1 + sum(where(x > 0, 1.0, 0.0))) }\n",
    ),
    "coupled-data": Entry(
        "A field of the data in another order than the others",
        "`couple(a, b)` gives a in the order in which it lies beside b. The fields of a `data` line belong together, so let the\n"
        "draw be the first.",
        _COUPLED.format("(x, x0) = couple(x, x0)"),
        _COUPLED.format("(x0, x) = couple(x0, x)"),
    ),
    "divided-to-zero": Entry(
        "A division of whole numbers that is 0",
        "`//` cuts to a whole number: `1 // 4` is 0. `/` divides.",
        "const depth = 4\nexport f(x: [2]) -> [2] { return x + 1 // depth * tanh(x) }\n",
        "const depth = 4\nexport f(x: [2]) -> [2] { return x + 1 / depth * tanh(x) }\n",
    ),
    "mean-like-size": Entry(
        "A mean that looks like a number of draws",
        "The first number of `normal(2)` is the mean, and what is drawn is one number. How many there are stands in brackets: `normal([2])`.\n"
        "Where a mean is meant, `normal(mean = 2)` says so.",
        "export f() -> [2] {\n  z ~ normal(2)\n  return [z, z]\n}\n",
        "export f() -> [2] {\n  z ~ normal([2])\n  return z\n}\n",
    ),
    "shared-noise": Entry(
        "One noise for all numbers",
        "`e ~ normal()` has no shape, so it is one number, and `x + e` moves all numbers of x by it; `m + s * e` likewise. A number for each\n"
        "is `e ~ normal([d])`. Where one for all is meant, `x + e[None]` says so.",
        "export f(x: [3]) -> [3] {\n  e ~ normal()\n  return x + 0.1 * e\n}\n",
        "export f(x: [3]) -> [3] {\n  e ~ normal([3])\n  return x + 0.1 * e\n}\n",
    ),
    "empty-integral": Entry(
        "An integral over nothing",
        "From a number to itself nothing moves.",
        "export f(x: [2]) -> [2] {\n  integrate s in 1..1 using rk4(3) { dx/ds = s * x }\n  return x\n}\n",
        "export f(x: [2]) -> [2] {\n  integrate s in 0..1 using rk4(3) { dx/ds = s * x }\n  return x\n}\n",
    ),
    "late-warmup": Entry(
        "A warmup as long as the run",
        "The learning rate rises over `warmup` steps. A run that ends before never has the rate that it asks for.",
        train("steps = 50, schedule = cosine(warmup = 1000)", "minimize sum((f(x) - x)^2)"),
        train("steps = 2000, schedule = cosine(warmup = 100)", "minimize sum((f(x) - x)^2)"),
    ),
    "large-window": Entry(
        "A window larger than the image",
        "`conv(out, size, stride, padding)` knows the channels that come in from the image. In another order of the numbers the\n"
        "channels are taken for the size of the window.",
        "export f(x: [1, 8, 8]) -> [32] { return x |> conv(1, 32, 3, 15) |> avg_pool_global |> linear(32) }\n",
        "export f(x: [1, 8, 8]) -> [32] { return x |> conv(32, 3) |> avg_pool_global |> linear(32) }\n",
    ),
    "long-text": Entry(
        "More tokens than the model reads",
        "A table with a row for each place, `place[:P]`, says how long a text may be. An export that by default appends more than that\n"
        "answers no prompt: each call has to give a smaller number.",
        _GROWING.format("100"),
        _GROWING.format("32"),
    ),
    "total-derivative": Entry(
        "A derivative that goes through another place",
        "Of `w = u(z, t)`, `jvp(w, t, 1)` is all that t changes: through the second place, and through z where that was computed from t.\n"
        "Of the function at these places, `jvp(u, (z, t), (0, 1))`, z is held still, or moves along a direction of its own.",
        "net u(z: [2], t: []) -> [2] { return linear(concat(z, [t]), 2) }\nexport f(x: [2], t: []) -> [2] {\n  z = t * x\n"
        "  w = u(z, t)\n  return jvp(w, t, 1)\n}\n",
        "net u(z: [2], t: []) -> [2] { return linear(concat(z, [t]), 2) }\nexport f(x: [2], t: []) -> [2] {\n  z = t * x\n"
        "  (w, dw) = jvp(u, (z, t), (0, 1))\n  return dw\n}\n",
    ),
    "tangled-noise": Entry(
        "Noises that may not commute",
        "Milstein's step needs the iterated integrals of each two noises. For one noise, for noise that reads no state, and where each\n"
        "number of a state has its own factor, `dx = f * ds + c(x) * (A @ dB)`, they follow from the increments. In other cases the part that\n"
        "does not, Lévy's areas, is left out: single paths are then of order 1/2 only, and distributions of order 1.",
        "export f(x: [2]) -> [2] {\n  integrate s in 0..1 using milstein(20) {\n    noise dB: [2]\n"
        "    dx = -x * ds + flip(x) * dB\n  }\n  return x\n}\n",
        "export f(x: [2]) -> [2] {\n  integrate s in 0..1 using milstein(20) {\n    noise dB: [2]\n"
        "    dx = -x * ds + x * dB\n  }\n  return x\n}\n",
    ),
}
