"""Diagnostics of what a file means: names, shapes, programs, settings."""

from mai.spec.diagnostics.entry import Entry

_NET = "net f(x: [2]) -> [2] {{\n  {}\n  return x\n}}\n"
_TRAIN = "data x: [2] from moons()\nnet f(x: [2]) -> [2] {{ return linear(x, 2) }}\ntrain({}) {{\n  {}\n}}\n"


def _net(line: str) -> str:
    return _NET.format(line)


def _train(settings: str, line: str = "minimize sum(f(x)^2)") -> str:
    return _TRAIN.format(settings, line)


NAMES: dict[str, Entry] = {
    "unknown-name": Entry(
        "Nothing has this name",
        "A name must be a parameter, a `const`, a `let`, or given a value on an earlier line of the same block.",
        _net("y = widht * x"),
    ),
    "unknown-function": Entry(
        "No layer, net or function has this name",
        "`mai` knows its built-in functions, the standard layers, and the layers and nets of this file and its imports.",
        _net("y = rleu(x)"),
    ),
    "unknown-argument": Entry(
        "No argument has this name",
        "The layer, net or function that is called does not have it.",
        _net("y = linear(x, 2, biass = false)"),
    ),
    "missing-argument": Entry(
        "An argument is missing",
        "Every parameter without a default must be given.",
        _net("y = linear(x)"),
    ),
    "too-many-arguments": Entry(
        "More arguments than there are parameters",
        "Look at the declaration of what is called; settings are clearer by name: `heads = 4`.",
        _net("y = relu(x, 3)"),
    ),
    "duplicate-argument": Entry("An argument is given twice", "Once by position and once by name, perhaps.", _net("y = linear(x, 2, n = 3)")),
    "duplicate-name": Entry("A name is defined twice", "Two declarations of one file cannot share a name.", "const d = 2\nconst d = 3\n"),
    "not-callable": Entry(
        "What is called is no function",
        "Only layers, nets and built-in functions can be called. A product needs its `*`.",
        "const d = 2\n" + _net("y = d(x)"),
    ),
    "recursive-call": Entry(
        "A net that calls itself",
        "Calls are written out where they stand, so a net or layer cannot call itself. Depth is a `repeat`.",
        "net f(x: [2]) -> [2] { return f(x) }\nexport g(x: [2]) -> [2] { return f(x) }\n",
    ),
    "unknown-distribution": Entry(
        "`~` needs a distribution",
        "`x ~ normal([2])` draws; `=` defines. There are normal, uniform, bernoulli, integers and categorical.",
        _net("z ~ 3"),
    ),
    "unknown-solver": Entry(
        "No solver has this name",
        "There are euler, midpoint, heun, rk4, ab2, ab3, tsit5, dopri5 and euler_maruyama.",
        _net("integrate s in 0..1 using rk5(10) { dx/ds = x }"),
    ),
    "import-not-found": Entry("An imported file is not there", "Paths start at the folder of the importing file.", 'import "nowhere.mai"\n'),
    "import-cycle": Entry("Files import each other in a circle", "Move what both need into a third file."),
}

SHAPES: dict[str, Entry] = {
    "shape-mismatch": Entry(
        "Two shapes do not fit",
        "Shapes are those of one example: the batch axis is never written. Axes fit when they are equal or one of them is\n"
        "1; a layer or net declared on [d] takes [d], or [P, d] mapped over P.",
        "net f(x: [64]) -> [10] { return linear(x, 10) }\nexport g(x: [32]) -> [10] { return f(x) }\n",
    ),
    "dimension-mismatch": Entry(
        "Two dimensions that must be equal differ",
        "In `A @ B` the last axis of A is as long as the second last of B.",
        "net f(x: [3]) -> [2] {\n  param W: [2, 4] = zeros\n  return W @ x\n}\n",
    ),
    "rank-mismatch": Entry(
        "The wrong number of axes",
        "A function needs tensors with a certain number of axes: `'` at least two, an image has three.",
        _net("y = x'"),
    ),
    "return-shape": Entry(
        "A result that is not what was promised",
        "The type after `->` is checked against what `return` gives.",
        "net f(x: [2]) -> [3] { return x }\n",
    ),
    "dtype-mismatch": Entry(
        "An integer, a real, or true and false in the wrong place",
        "Labels and indices are integers, conditions are true or false; integers become reals where reals are needed.",
        "export f(x: [3], i: []) -> [] { return x[i] }\n",
    ),
    "type-mismatch": Entry(
        "The wrong kind of value",
        "A tensor, a number, a function or a text stands where another kind is needed.",
        _net('y = x + "a"'),
    ),
    "class-range": Entry(
        "A label outside its classes",
        "class[K] holds the labels 0 to K - 1. A table or a net that takes class[K] cannot take a larger label.",
        "net f(y: class[10]) -> [2] { return embed(y, 2) }\nexport g(y: class[11]) -> [2] { return f(y) }\n",
    ),
    "index-out-of-range": Entry("An index outside its axis", "Indices count from 0; negative ones from the end.", _net("y = x[2]")),
    "axis-out-of-range": Entry("An axis that is not there", "Axes count from 0; negative ones from the end.", _net("y = sum(x, axis = 3)")),
    "bad-pattern": Entry(
        "A pattern that does not fit",
        'Patterns are those of einops: "c (h p) (w q) -> (h w) (c p q)". Both sides have the same axes; sizes that cannot be\n'
        "worked out are given by name.",
        _net('y = rearrange(x, "a b -> b a")'),
    ),
    "not-a-dimension": Entry("A dimension is a whole number", "It is at least 0 and has no fraction.", "net f(x: [2.5]) -> [2.5] { return x }\n"),
    "dimension-unknown": Entry(
        "A dimension that is known only at run time",
        "The shape of a param is fixed when the file is compiled.",
        "export f(x: [P]) -> [P] {\n  param w: [P] = ones\n  return w * x\n}\n",
    ),
    "dimension-too-large": Entry("A dimension beyond all bounds", "More than 2^31 - 1.", "const d = 10^12\nnet f(x: [d]) -> [d] { return x }\n"),
    "too-many-parameters": Entry(
        "More parameters than can be held",
        "A param's shape multiplies out to more numbers than any machine trains.",
        "net f(x: [1000000]) -> [1000000] { return linear(x, 1000000) }\n",
    ),
    "number-too-large": Entry("A number beyond all bounds", "Results beyond 1e300 are refused.", "const d = 10^10^10\n"),
    "division-by-zero": Entry("A division by zero", "It would have no value.", "const d = 1 / 0\n"),
    "static-needed": Entry(
        "Known only at run time",
        "Sizes of layers, choices by `if`, counts of turns that own parameters and settings are fixed when the file is\n"
        "compiled; this depends on the example.",
        _net("if x[0] > 0 { x = -x }"),
    ),
    "vocab-missing": Entry("Tokens without a vocabulary", "`const vocab = 256` says how many tokens there are.", "export f(x: tokens[P]) -> tokens[P] { return x }\n"),
    "bad-init": Entry(
        "A param that starts from nothing sensible",
        "`= zeros`, `= ones`, `= identity`, a number, `~ normal(0, 0.02)` or `~ uniform(-1, 1)`.",
        "net f(x: [2]) -> [2] {\n  param w: [2] = relu\n  return w * x\n}\n",
    ),
}

PROGRAM: dict[str, Entry] = {
    "missing-return": Entry("Nothing is returned", "A net, layer or export ends in `return`.", "export f(x: [2]) -> [2] {\n  y = x\n}\n"),
    "unreachable": Entry("A line that is never reached", "Nothing after a `return` is done.", "export f(x: [2]) -> [2] {\n  return x\n  y = x\n}\n"),
    "loop-shape-changes": Entry(
        "A state that changes its shape",
        "What a `repeat` or an `integrate` carries from turn to turn keeps its shape.",
        "net f(x: [2]) -> [4] {\n  repeat 3 { x = linear(x, 4) }\n  return x\n}\nexport g(x: [2]) -> [4] { return f(x) }\n",
    ),
    "repeat-count": Entry("A count that is no count", "A `repeat` counts with one whole number, an integral takes at least one step.", _net("integrate s in 0..1 using euler(0) { dx/ds = x }")),
    "repeat-too-long": Entry("More turns than can be built", "At most 100,000, and 10,000 where each owns parameters.", _net("repeat 10^9 { x = 0.5 * x }")),
    "no-derivative": Entry("An integral in which nothing moves", "`integrate` says how its states move: `dx/ds = velocity(x, s)`.", _net("integrate s in 0..1 using rk4(3) { y = x }")),
    "unknown-state": Entry("A state that is not there", "`dx/ds` moves an `x` that has a value before the integral.", _net("integrate s in 0..1 using rk4(3) { dy/ds = x }")),
    "derivative-of-unknown": Entry("A derivative by another variable", "In `integrate s in ...` derivatives are `d./ds`.", _net("integrate s in 0..1 using rk4(3) { dx/dt = x }")),
    "derivative-outside": Entry("A derivative outside an integral", "`dx/ds = ...` stands directly in an `integrate` block.", _net("dx/ds = x")),
    "append-missing": Entry("Nothing is appended", "`extend x by n { ... append next }` appends one token a turn.", "const vocab = 4\nexport f(x: tokens[P]) -> tokens[P + 1] {\n  extend x by 1 { y = x }\n  return x\n}\n"),
    "append-outside": Entry("An `append` outside `extend`", "Only `extend` grows a sequence.", _net("append x")),
    "minimize-outside-train": Entry("Training outside a train block", "`minimize`, `report` and `record` belong in `train(...) { }`.", _net("minimize sum(x)")),
    "minimize-missing": Entry("Nothing is minimized", "A train block ends in one or more `minimize`.", _train("steps = 1", "y = f(x)")),
    "objective-not-scalar": Entry("An objective that is no number", "An objective is one number for each example: take its `mean` or `sum`.", _train("steps = 1", "minimize f(x)^2")),
    "not-a-net": Entry("`over` needs a net", "`minimize e over net` moves the parameters of that net alone.", _train("steps = 1", "minimize sum(f(x)^2) over g")),
    "record-what": Entry("`record` keeps params", "`record f.u every 100` keeps the param `u` of the net `f`.", _train("steps = 1", "minimize sum(f(x)^2)\n  record x every 3")),
    "across-outside-train": Entry("Only a train block has several examples", "`across(x)` makes the batch an axis, for losses that compare examples.", _net("y = across(x)")),
}

SETTINGS: dict[str, Entry] = {
    "unknown-setting": Entry("No setting has this name", "See `mai explain bad-setting` for what there is.", _train("step = 100")),
    "missing-setting": Entry("A setting is missing", "Some settings have no default.", 'data x: [2], y: [] from npz()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\ntrain(steps = 1) { minimize sum(f(x)^2) }\n'),
    "bad-setting": Entry(
        "A setting outside its range",
        "train(steps or epochs, batch, optimizer, schedule, ema, clip, seed, precision). Optimizers: sgd, adam, adamw.\n"
        "Schedules: constant, cosine, linear, each with a warmup.",
        _train("steps = -1"),
    ),
    "unknown-optimizer": Entry("No optimizer has this name", "There are sgd, adam and adamw.", _train("steps = 1, optimizer = adamm(lr = 1e-3)")),
    "unknown-schedule": Entry("No schedule has this name", "There are constant, cosine and linear.", _train("steps = 1, schedule = cosin()")),
    "unknown-source": Entry(
        "No data source has this name",
        "There are moons, gaussians, checkerboard, swiss_roll, spirals, digits, function, npz, csv, text and images.",
        "data x: [2] from moon()\n",
    ),
    "data-missing": Entry(
        "Data that are not there",
        "A train block needs a `data` line, and its file must exist.",
        "net f(x: [2]) -> [2] { return linear(x, 2) }\ntrain(steps = 1) { minimize 1.0 }\n",
    ),
    "data-bad": Entry("Data that do not fit the spec", "NaN, wrong shapes, missing columns, labels outside their classes, unreadable files."),
}
