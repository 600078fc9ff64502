"""Diagnostics of what a file means: its names, types and shapes."""

from mai.spec.diagnostics.entries.entry import Entry
from mai.spec.diagnostics.entries.snippets import net

NAMES: dict[str, Entry] = {
    "unknown-name": Entry(
        "Nothing has this name",
        "A name must be a parameter, a `const`, a `let`, or given a value on an earlier line of the same block. What is\n"
        "named inside a `repeat` or another net is not seen outside of it. Capital letters count: `X` is not `x`.",
        "const width = 3\n" + net("y = widht * x"),
        "const width = 3\n" + net("y = width * x"),
    ),
    "unknown-function": Entry(
        "No layer, net or function has this name",
        "mai knows its built-in functions, the standard layers, and the layers and nets of this file and its imports.\n"
        "Names of several words have underscores, `layer_norm`; a product of matrices is written `A @ B`.",
        net("y = rleu(x)"),
        net("y = relu(x)"),
    ),
    "unknown-argument": Entry(
        "No argument has this name",
        "The layer, net or function that is called has no such parameter. The help lists those it has, where none of\n"
        "them is near.",
        net("y = linear(x, 2, biass = false)"),
        net("y = linear(x, 2, bias = false)"),
    ),
    "missing-argument": Entry(
        "An argument is missing",
        "Every parameter without a default must be given, by its place or by its name: `linear(x, 64)` or\n"
        "`linear(x, n = 64)`.",
        "net f(x: [2]) -> [64] { return linear(x) }\n",
        "net f(x: [2]) -> [64] { return linear(x, 64) }\n",
    ),
    "too-many-arguments": Entry(
        "More arguments than there are parameters",
        "Look at the declaration of what is called. Settings are clearer by name: `heads = 4`.",
        net("y = relu(x, 3)"),
        net("y = leaky_relu(x, 0.2)"),
    ),
    "duplicate-argument": Entry(
        "An argument is given twice",
        "Once by position and once by name, perhaps: the second place of `linear` is `n`.",
        net("y = linear(x, 2, n = 3)"),
        net("y = linear(x, n = 3)"),
    ),
    "duplicate-name": Entry(
        "A name is defined twice",
        "Two declarations of one file, two parameters of one net and two params of one block cannot share a name. Nor\n"
        "does one statement give a name two values, `(a, a) = f(x)`; `_` is the name of values that nothing reads,\n"
        "`(_, _, c) = f(x)`. A value inside a net may be given anew: `h = relu(h)`.",
        "const d = 2\nconst d = 3\n",
        "const d = 2\nconst n = 3\n",
    ),
    "not-callable": Entry(
        "What is called is no function",
        "Only layers, nets and built-in functions can be called. On paper 2(x + 1) is a product; here it needs its `*`.\n"
        "An element of a tensor is taken with brackets, `x[0]`.",
        "const d = 2\n" + net("y = d(x)"),
        "const d = 2\n" + net("y = d * x"),
    ),
    "recursive-call": Entry(
        "A net that calls itself",
        "Calls are written out where they stand, so a net or layer cannot call itself, nor two of them each other. Depth\n"
        "is a `repeat`.",
        "net f(x: [2]) -> [2] { return f(x) }\nexport g(x: [2]) -> [2] { return f(x) }\n",
        net("repeat 4 { x += linear(x, 2) }"),
    ),
    "unknown-distribution": Entry(
        "`~` needs a distribution",
        "`x ~ normal([2])` draws at random; `y = linear(x, 2)` defines. `mai explain NAME` says what\n"
        "normal, uniform, bernoulli, categorical, poisson, gamma, mixture and the others take.",
        net("z ~ 3"),
        net("z ~ normal([2])"),
    ),
    "unknown-solver": Entry(
        "No solver has this name",
        "Some take a number of steps, `rk4(20)`, others choose their steps by a tolerance, `dopri5(rtol = 1e-4)`, and\n"
        "`euler_maruyama(100)` is for noise, and `stratonovich_heun(100)` for Stratonovich's. spec/functions.md lists them with their orders, `mai explain rk4` tells of one.",
        net("integrate s in 0..1 using eulr(10) { dx/ds = x }"),
        net("integrate s in 0..1 using euler(10) { dx/ds = x }"),
    ),
    "import-not-found": Entry(
        "An imported file is not there",
        "Paths start at the folder of the file that imports, not at the folder where mai was started.",
        'import "nowhere.mai"\n',
    ),
    "import-too-deep": Entry(
        "A chain of imports that is too long",
        "Up to 500 files may import each other one inside the other. Let one file import the others side by side.",
    ),
    "import-cycle": Entry(
        "Files import each other in a circle",
        "What two files need from each other belongs in a third one, that both import.",
    ),
}

SHAPES: dict[str, Entry] = {
    "shape-mismatch": Entry(
        "Two shapes do not fit",
        "Shapes are those of one example: the batch axis is never written. Axes fit when they are equal or one of them is\n"
        "1, counted from the last. A layer or net declared on [d] takes [d], or [P, d] mapped over P.",
        "net f(x: [64]) -> [10] { return linear(x, 10) }\nexport g(x: [32]) -> [10] { return f(x) }\n",
        "net f(x: [64]) -> [10] { return linear(x, 10) }\nexport g(x: [5, 64]) -> [5, 10] { return f(x) }\n",
    ),
    "dimension-mismatch": Entry(
        "Two dimensions that must be equal differ",
        "In `A @ B` the last axis of A is as long as the second last of B, or as B itself where B is a vector. Often a\n"
        "transpose is missing: `A @ B'`.",
        "net f(x: [3]) -> [2] {\n  param W: [2, 4] = zeros\n  return W @ x\n}\n",
        "net f(x: [3]) -> [2] {\n  param W: [2, 3] = zeros\n  return W @ x\n}\n",
    ),
    "rank-mismatch": Entry(
        "The wrong number of axes",
        "What is called needs a tensor with a certain number of axes: `'` at least two, a convolution an image [k, H, W].\n"
        "A number is [], a vector of one number [1]: `[s]` makes the second of the first. The batch is no axis.",
        net("y = x'"),
        "net f(x: [2, 3]) -> [3, 2] { return x' }\n",
    ),
    "return-shape": Entry(
        "A result that is not what was promised",
        "The type after `->` is checked against what `return` gives. One of the two is wrong: the promise, or a layer's\n"
        "width before the return. `linear(x, 1)` gives [1]; `[0]` makes it a number.",
        "net f(x: [2]) -> [3] { return x }\n",
        "net f(x: [2]) -> [3] { return linear(x, 3) }\n",
    ),
    "dtype-mismatch": Entry(
        "An integer, a real, or true and false in the wrong place",
        "Labels and indices are integers, conditions are true or false, all else is real. Integers become reals where\n"
        "reals are needed, never the other way. In a loss the logits come first and the label second.",
        "export f(x: [3], i: []) -> [] { return x[i] }\n",
        "export f(x: [3], i: class[3]) -> [] { return x[i] }\n",
    ),
    "type-mismatch": Entry(
        "The wrong kind of value",
        "A tensor, a number, a function or a text stands where another kind is needed.",
        net('y = x + "1"'),
        net("y = x + 1"),
    ),
    "class-range": Entry(
        "A label outside its classes",
        "class[K] holds the labels 0 to K - 1. A table or a net that takes class[K] cannot take a larger label: where 10\n"
        'means "no label", there are class[11].',
        "net f(y: class[10]) -> [2] { return embed(y, 2) }\nexport g(y: class[11]) -> [2] { return f(y) }\n",
        "net f(y: class[11]) -> [2] { return embed(y, 2) }\nexport g(y: class[10]) -> [2] { return f(y) }\n",
    ),
    "softmax-twice": Entry(
        "Probabilities where logits are taken",
        "`cross_entropy` has the softmax inside it: of probabilities it would take a second one, and training would be slow and\n"
        "end too early. So have `categorical`, `mixture` and `bernoulli(logits = ...)`. A net that is trained this way returns logits; the export takes the `softmax` of them.",
        "net f(x: [64]) -> [10] { return softmax(linear(x, 10)) }\ndata x: [64], y: class[10] from digits()\n"
        "train(steps = 5) { minimize cross_entropy(f(x), y) }\n",
        "net f(x: [64]) -> [10] { return linear(x, 10) }\ndata x: [64], y: class[10] from digits()\n"
        "train(steps = 5) { minimize cross_entropy(f(x), y) }\nexport classify(x: [64]) -> [10] { return softmax(f(x)) }\n",
    ),
    "index-out-of-range": Entry(
        "An index outside its axis",
        "Indices count from 0, so the last of an axis of 2 is 1; negative ones count from the end, from -1.",
        net("y = x[2]"),
        net("y = x[1] + x[-1]"),
    ),
    "family-member": Entry(
        "A family of nets, and one of them",
        "`net st[6](...)` is a family: six nets of one form, each with parameters of its own. A call says which, `st[k](x)`, by one whole\n"
        "number: known when the file is compiled, the turn of a `repeat`, or a label. What is no family has no numbers.",
        "net f[2](x: [2]) -> [2] { return linear(x, 2) }\nexport g(x: [2]) -> [2] { return f(x) }\n",
        "net f[2](x: [2]) -> [2] { return linear(x, 2) }\nexport g(x: [2]) -> [2] { return f[1](f[0](x)) }\n",
    ),
    "second-set": Entry(
        "A second set of parameters that is none",
        "`net slow = average(f, 0.999)` is the net f with a moving average of its parameters: 0.999 of it stays in a step. `net reference =\n"
        "copy(f)` is f with its parameters as they were when training began. Both are of a net of the file.",
        "net f(x: [2]) -> [2] { return linear(x, 2) }\nnet slow = average(f, 1.5)\nexport g(x: [2]) -> [2] { return slow(x) }\n",
        "net f(x: [2]) -> [2] { return linear(x, 2) }\nnet slow = average(f, 0.99)\nexport g(x: [2]) -> [2] { return slow(x) }\n",
    ),
    "axis-out-of-range": Entry(
        "An axis that is not there",
        "Axes count from 0; negative ones from the end, so that -1 is the last. The batch is no axis.",
        net("y = sum(x, axis = 3)"),
        net("y = sum(x, axis = 0)"),
    ),
    "bad-pattern": Entry(
        "A pattern that does not fit",
        'Patterns are those of einops: "c (h p) (w q) -> (h w) (c p q)". Both sides of `rearrange` have the same axes;\n'
        'sizes that cannot be worked out are given by name; `reduce(x, "c h w -> c", "mean")` may drop some.',
        net('y = rearrange(x, "a b -> b a")'),
        'net f(x: [1, 8, 8]) -> [16, 4] {\n  return rearrange(x, "c (h p) (w q) -> (h w) (c p q)", p = 2, q = 2)\n}\n',
    ),
    "not-a-dimension": Entry(
        "A dimension is a whole number",
        "It is at least 0 and has no fraction. `d / 2` may have one; `d // 2` rounds down.",
        "const d = 5\nnet f(x: [d / 2]) -> [2] { return x }\n",
        "const d = 5\nnet f(x: [d // 2]) -> [2] { return x }\n",
    ),
    "dimension-unknown": Entry(
        "A dimension that is known only at run time",
        "The shape of a param is fixed when the file is compiled. What differs from call to call, as the number of tokens\n"
        "P does, cannot be the width of a layer.",
        "export f(x: [P]) -> [P] {\n  param w: [P] = ones\n  return w * x\n}\n",
        "export f(x: [8]) -> [8] {\n  param w: [8] = ones\n  return w * x\n}\n",
    ),
    "dimension-too-large": Entry(
        "A dimension beyond all bounds",
        "It is more than 2^31 - 1, or a tensor of these dimensions takes more than 64 GiB, or than the machine that compiles\n"
        "has. `^` is a power: 10^3 is a thousand.",
        "const d = 10^12\nnet f(x: [d]) -> [d] { return x }\n",
        "const d = 10^3\nnet f(x: [d]) -> [d] { return x }\n",
    ),
    "too-many-parameters": Entry(
        "More parameters than can be held",
        "A param's shape multiplies out to more numbers than any machine trains. `linear(x, n)` on [d] holds n * d of\n"
        "them.",
        "net f(x: [1000000]) -> [1000000] { return linear(x, 1000000) }\n",
        "net f(x: [1000000]) -> [64] { return linear(x, 64) }\n",
    ),
    "number-too-large": Entry(
        "A number beyond all bounds",
        "Numbers beyond 1e300 are refused; those that a file holds end at 3.4e38, float32's largest, or, where they are whole, at\n"
        "2^63 - 1. A tower of powers is read from the right: 10^10^10 is 10^(10^10).",
        "const d = 10^10^10\n",
        "const d = 10^10\n",
    ),
    "division-by-zero": Entry(
        "A division by zero",
        "This number would have no value. Perhaps a `const` or a `--set` is 0. Logits are divided by a setting that may be 0 as a\n"
        "whole, `categorical(z / t)`, or with `categorical(z, temperature = t)`.",
        "const d = 1 / 0\n",
        "const d = 1 / 2\n",
    ),
    "static-needed": Entry(
        "Known only at run time",
        "Sizes of layers, choices by `if`, counts of turns that own parameters and settings are fixed when the file is\n"
        "compiled; this depends on the example or the call. Tensors are chosen by `where`.",
        net("if x[0] > 0 { x = -x }"),
        net("x = where(x[0] > 0, -x, x)"),
    ),
    "vocab-missing": Entry(
        "Tokens without a vocabulary",
        "How many tokens there are is a number of the whole file: tables, logits and the sampler agree on it. Texts read\n"
        "as bytes have 256.",
        "export f(x: tokens[P]) -> tokens[P] { return x }\n",
        "const vocab = 256\nexport f(x: tokens[P]) -> tokens[P] { return x }\n",
    ),
    "bad-init": Entry(
        "A param that starts from nothing sensible",
        "A param starts from `= zeros`, `= ones`, `= identity`, `= 0.1`, a tensor such as `= log(1 + range(n))`,\n"
        "`~ normal(0, 0.02)` or `~ uniform(-1, 1)`.",
        "net f(x: [2]) -> [2] {\n  param w: [2] = relu\n  return w * x\n}\n",
        "net f(x: [2]) -> [2] {\n  param w: [2] ~ normal(0, 1)\n  return w * x\n}\n",
    ),
}
