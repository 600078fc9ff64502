"""Diagnostics of what a file does: its statements, its training and its data."""

from mai.spec.diagnostics.entries.entry import Entry
from mai.spec.diagnostics.entries.snippets import claim, entry, net, train

PROGRAM: dict[str, Entry] = {
    "missing-return": Entry(
        "Nothing is returned",
        "A net, layer or export ends in `return`. A `return` inside an `if` counts only where its condition holds.",
        "export f(x: [2]) -> [2] {\n  y = x\n}\n",
        "export f(x: [2]) -> [2] {\n  return x\n}\n",
    ),
    "unreachable": Entry(
        "A line that is never reached",
        "Nothing after a `return` is done. The `return` stands too early, or the lines after it are left over.",
        "export f(x: [2]) -> [2] {\n  return x\n  y = x\n}\n",
        "export f(x: [2]) -> [2] {\n  y = x\n  return y\n}\n",
    ),
    "loop-shape-changes": Entry(
        "A state that changes its shape",
        "What a `repeat ... shared` or an `integrate` carries from turn to turn keeps its shape, and so does what a `repeat` carries\n"
        "whose number of turns only the call knows. Bring it to its width before the loop. The turns of a plain `repeat 3 { }` may\n"
        "change shapes.",
        "net f(x: [2]) -> [4] {\n  repeat 3 shared { x = linear(x, 4) }\n  return x\n}\n"
        "export g(x: [2]) -> [4] { return f(x) }\n",
        "net f(x: [2]) -> [4] {\n  h = linear(x, 4)\n  repeat 3 shared { h = linear(h, 4) }\n  return h\n}\n",
    ),
    "repeat-count": Entry(
        "A count that is no count",
        "Turns, steps, heads and strides are whole numbers; an integral takes at least one step.",
        "const depth = 5\n" + net("repeat depth / 2 { x = 0.5 * x }"),
        "const depth = 5\n" + net("repeat depth // 2 { x = 0.5 * x }"),
    ),
    "repeat-until": Entry(
        "A condition that is no single truth",
        "`repeat n until condition` ends for each example by itself, when its condition holds after a turn, and an `integrate` where its\n"
        "condition becomes true: one truth, and not one for each of several numbers. Say whether all of them have to hold, or any.",
        net("repeat 10 until abs(x) < 0.1 { x = 0.5 * x }"),
        net("repeat 10 until all(abs(x) < 0.1) { x = 0.5 * x }"),
    ),
    "repeat-too-long": Entry(
        "More turns than can be built",
        "A `repeat` has at most 100,000 turns, and 10,000 where each of them owns parameters. Inside each other they multiply: up to\n"
        "1,000,000 turns altogether, and 10,000 sets of parameters.",
        net("repeat 10^9 { x = 0.5 * x }"),
        net("repeat 10 { x = 0.5 * x }"),
    ),
    "impossible-draw": Entry(
        "Numbers that no distribution has",
        "A probability lies between 0 and 1, a rate or a scale is positive, and `uniform` and `integers` draw from low to\n"
        "high. A setting that is such a number has that range when the file is called, too.",
        entry("keep ~ bernoulli(90)\n  return where(keep, x, 0)"),
        entry("keep ~ bernoulli(0.9)\n  return where(keep, x, 0)"),
    ),
    "no-closed-form": Entry(
        "A quantity of distributions that has no formula",
        "`kl(q, p)` and `entropy(q)` are formulas, and not all distributions have one: two kinds have no divergence, a mixture no\n"
        "entropy. The mean over draws says the same: `x ~ q`, then `log_prob(q, x) - log_prob(p, x)`.",
        entry("q = laplace([2])\n  return x + kl(q, normal([2]))"),
        entry("q = laplace([2])\n  z ~ q\n  return x + log_prob(q, z) - log_prob(normal([2]), z)"),
    ),
    "state-not-kept": Entry(
        "A state that cannot take what is assigned to it",
        "What a train block assigns to the name of a `state` is its value from then on. A state is one for all examples, so what\n"
        "differs between them is averaged first; and it is written once a step, not inside a loop.",
        "data x: [2] from moons()\nnet f(x: [2]) -> [2] {\n  state m: [2] = zeros\n  if training { m = 0.9 * m + 0.1 * x }\n"
        "  return linear(x - m, 2)\n}\ntrain(steps = 5) { minimize sum((f(x) - x)^2) }\n",
        "data x: [2] from moons()\nnet f(x: [2]) -> [2] {\n  state m: [2] = zeros\n"
        "  if training { m = 0.9 * m + 0.1 * mean(across(x), axis = 0) }\n"
        "  return linear(x - m, 2)\n}\ntrain(steps = 5) { minimize sum((f(x) - x)^2) }\n",
    ),
    "first-value": Entry(
        "A first value that is not one for all examples",
        "A `state`, a `param` or a `let` may begin as what all training examples say: `across(x)` is all of them there. It is one for\n"
        "all examples, so what differs between them is averaged; and it is computed once, before training, not inside a loop.",
        "data x: [2] from moons()\nlet m = x / 2\n"
        "net f(x: [2]) -> [2] { return linear(x - m, 2) }\ntrain(steps = 5) { minimize sum((f(x) - x)^2) }\n",
        "data x: [2] from moons()\nlet m = mean(across(x / 2), axis = 0)\n"
        "net f(x: [2]) -> [2] { return linear(x - m, 2) }\ntrain(steps = 5) { minimize sum((f(x) - x)^2) }\n",
    ),
    "zero-derivative": Entry(
        "A derivative that is always 0",
        "`grad(e, x)`, `jvp(y, x, t)` and `div(v, x)` derive their first argument by their second. Where the first was not computed\n"
        "from the second, the derivative is 0 for every input: mostly the two are in the wrong order, or the second is a copy.",
        entry("v = sin(x)\n  return div(x, v) * x"),
        entry("v = sin(x)\n  return div(v, x) * x"),
    ),
    "not-differentiable": Entry(
        "A derivative that cannot be taken",
        "`grad`, `jvp` and `div` follow a value back to what it was made from, operation by operation. The one named here\n"
        "has no derivative. Inside a loop, a derivative by a value outside goes through all turns so far, which are then written\n"
        "one after the other: the number of turns must be known. Otherwise carry the derivative as a state of the loop,\n"
        "`(y, dy) = jvp(step, (y, x), (dy, 1))`, or take it with respect to a state.",
        entry("y = 2 * x\n  repeat 9 until sum(y) > 3 { y = y + grad(sum(y^2), x) }\n  return y"),
        entry("y = 2 * x\n  repeat 9 until sum(y) > 3 { y = y + grad(sum(y^2), y) }\n  return y"),
    ),
    "no-derivative": Entry(
        "An integral in which nothing moves",
        "An `integrate` block says how its states move, `dx/ds = velocity(x, s)`. It does not take the steps itself: that\n"
        "is what the solver is for.",
        net("integrate s in 0..1 using rk4(3) { x = -x }"),
        net("integrate s in 0..1 using rk4(3) { dx/ds = -x }"),
    ),
    "unknown-state": Entry(
        "A state that is not there",
        "`dx/ds` moves an `x` that has a value before the integral: its start. What is kept, `keep x as xs`, is a state that the integral\n"
        "moves, or a name that gets a value in the body of a `repeat`.",
        net("integrate s in 0..1 using rk4(3) { dy/ds = x }"),
        net("y = 0 * x\n  integrate s in 0..1 using rk4(3) { dy/ds = x }"),
    ),
    "derivative-of-unknown": Entry(
        "A derivative by another variable",
        "In `integrate s in ...` every derivative is by `s`: `dx/ds`.",
        net("integrate s in 0..1 using rk4(3) { dx/dt = x }"),
        net("integrate t in 0..1 using rk4(3) { dx/dt = x }"),
    ),
    "not-stochastic": Entry(
        "An increment for a solver of derivatives",
        "`dx = f * ds + g * dW` is a stochastic equation: only `euler_maruyama`, `milstein`, `sra1` (Ito) and `stratonovich_heun`\n"
        "draw noise. All other solvers take `dx/ds = f`.",
        net("integrate s in 0..1 using rk4(20) { dx = -x * ds + dW }"),
        entry("integrate s in 0..1 using euler_maruyama(20) { dx = -x * ds + dW }\n  return x"),
    ),
    "noise-outside": Entry(
        "A noise outside an integral",
        "`noise dB: [m]` stands directly in an `integrate` block: the increments over a step of m Brownian motions, which belong to no\n"
        "state. Elsewhere a random number is a draw, `z ~ normal([m])`.",
        entry("noise dB: [2]\n  return x + dB"),
        entry("dB ~ normal([2])\n  return x + dB"),
    ),
    "noise-name": Entry(
        "A noise that is not named as an increment",
        "The names of increments begin with d: `noise dB: [m]` beside `dx`. `ds` is the step, and `dx` what a state x moves by.",
        entry(
            "integrate s in 0..1 using milstein(20) {\n    noise B: []\n    dx = -x * ds + 0.1 * x * B\n  }\n  return x"
        ),
        entry(
            "integrate s in 0..1 using milstein(20) {\n    noise dB: []\n    dx = -x * ds + 0.1 * x * dB\n  }\n  return x"
        ),
    ),
    "not-linear": Entry(
        "A term of an increment without its one differential",
        "An increment is dx = f ds + g dB: each term has the step or one noise as a factor, and f and g are what they multiply. A term\n"
        "with none would grow with the number of steps; ds dB and ds^2 vanish as steps get short, and dB^2 becomes ds.",
        entry("integrate s in 0..1 using euler_maruyama(20) { dx = -x + dW }\n  return x"),
        entry("integrate s in 0..1 using euler_maruyama(20) { dx = -x * ds + dW }\n  return x"),
    ),
    "noise-reads-state": Entry(
        "A method for additive noise, and noise that is none",
        "`sra1` is of strong order 3/2 where the factor of the noise is a number or depends on the time, but on no state (Rößler 2010).\n"
        "For others `milstein` takes the derivative of the factor.",
        entry("integrate s in 0..1 using sra1(20) { dx = -x * ds + 0.1 * x * dW }\n  return x"),
        entry("integrate s in 0..1 using milstein(20) { dx = -x * ds + 0.1 * x * dW }\n  return x"),
    ),
    "no-path": Entry(
        "A path that no solver keeps",
        "`keep x as xs` has a point for every step, so the number of steps must be known. `dopri5` and `tsit5` choose their own\n"
        "for every example: `keep x at times as xs` has a point for each of the times. `adjoint = true` forgets steps on purpose.",
        entry("integrate s in 0..1 using dopri5() { dx/ds = -x } keep x as path\n  return path[0]"),
        entry("integrate s in 0..1 using rk4(20) { dx/ds = -x } keep x as path\n  return path[0]"),
    ),
    "no-event": Entry(
        "A condition that no solver can find the time of",
        "`} until h < 0 as hit` behind an `integrate` looks for the time at which a comparison of real numbers becomes true. Two of them\n"
        "are equal at no place that a solver looks at: say from which side the one comes to the other. What compares nothing has no\n"
        "time at all. With `adjoint` the end has to be that of the range.",
        entry(
            "integrate s in 0..9 using rk4(90, adjoint = true) { dx/ds = -x } until x[0] < 0.1 as hit\n  return x * hit"
        ),
        entry("integrate s in 0..9 using rk4(90) { dx/ds = -x } until x[0] < 0.1 as hit\n  return x * hit"),
    ),
    "solver-option": Entry(
        "An option of a solver out of its range",
        "Tolerances are positive and small, `max_steps` counts, `adjoint` is `true` or `false`. A `grid` goes from the one bound to the\n"
        "other: `power(7)`, `cosine`, a function of a number from 0 to 1, or a list of times. `reuse` counts steps, 1 or more, and asks for\n"
        "something that the velocity calls `reusable(...)`, outside of loops and of what it takes a derivative of.",
        net("integrate s in 0..1 using dopri5(rtol = -1e-3) { dx/ds = -x }"),
        net("integrate s in 0..1 using dopri5(rtol = 1e-3) { dx/ds = -x }"),
    ),
    "derivative-outside": Entry(
        "A derivative outside an integral",
        "`dx/ds = ...` stands directly in an `integrate` block, which says the range of `s` and the solver.",
        net("dx/ds = x"),
        net("integrate s in 0..1 using rk4(20) { dx/ds = x }"),
    ),
    "append-missing": Entry(
        "Nothing is appended",
        "`extend x by n { ... append next }` makes the sequence one token longer a turn; the block says which. With a search,"
        " `using beam(width = 4)`, it says `score log_softmax(z)`, how likely each token is.",
        "const vocab = 4\nexport f(x: tokens[P]) -> tokens[P + 1] {\n  extend x by 1 { next = x[-1] }\n  return x\n}\n",
        "const vocab = 4\nexport f(x: tokens[P]) -> tokens[P + 1] {\n  extend x by 1 { append x[-1] }\n  return x\n}\n",
    ),
    "extend-misplaced": Entry(
        "An `extend` that is not at the top of an export",
        "Text grows once, from a prompt, in an export. A net says what follows a text: `extend` calls it.",
        "const vocab = 4\nnet f(x: tokens[P]) -> tokens[P + 1] {\n  extend x by 1 { append x[-1] }\n  return x\n}\n"
        "export g(x: tokens[P]) -> tokens[P + 1] { return f(x) }\n",
        "const vocab = 4\nexport f(x: tokens[P]) -> tokens[P + 1] {\n  extend x by 1 { append x[-1] }\n  return x\n}\n",
    ),
    "append-outside": Entry(
        "An `append` outside `extend`",
        "Only an `extend` block grows a sequence. Tensors are joined by `concat(a, b)`. `score` is of an `extend` with a search, where"
        " nothing is appended or drawn.",
        net("append x"),
        net("y = concat(x, x)"),
    ),
    "appended-elsewhere": Entry(
        "Appended tokens of something that does not grow",
        "`appended(x)`, and `penalise` with a `presence` or a `frequency`, speak of the text x that the `extend` around them grows: its tokens so\n"
        "far, without those of the prompt.",
        "const vocab = 4\nexport f(x: tokens[P]) -> tokens[P + 1] {\n  y = x\n  extend y by 1 {\n    z = penalise(zeros([vocab]), x, presence = 1)\n"
        "    append argmax(z)\n  }\n  return y\n}\n",
        "const vocab = 4\nexport f(x: tokens[P]) -> tokens[P + 1] {\n  y = x\n  extend y by 1 {\n    z = penalise(zeros([vocab]), y, presence = 1)\n"
        "    append argmax(z)\n  }\n  return y\n}\n",
    ),
    "answer-pattern": Entry(
        "What an answer must match cannot be had",
        '`constrain(z, x, "[0-9]+")` takes a regular expression in the spelling of Python\'s `re`, with ASCII classes and without what looks around or\n'
        'back (a quotation mark is `\\x22`); `constrain(z, x, schema = "answer.json")` a JSON schema whose texts have no unlimited depth. What such a\n'
        "schema says that is not known is refused by its name.",
        'const vocab = 256\nexport f(x: tokens[P]) -> tokens[P + 9] {\n  extend x by 9 {\n    z = constrain(zeros([vocab]), x, "[0-9")\n'
        "    append argmax(z)\n  }\n  return x\n}\n",
        'const vocab = 256\nexport f(x: tokens[P]) -> tokens[P + 9] {\n  extend x by 9 {\n    z = constrain(zeros([vocab]), x, "[0-9]")\n'
        "    append argmax(z)\n  }\n  return x\n}\n",
    ),
    "minimize-outside-train": Entry(
        "Training outside a train block",
        "`minimize`, `report` and `record` belong in `train(...) { }`; a net only computes.",
        net("minimize sum(x)"),
        train("steps = 100"),
    ),
    "minimize-missing": Entry(
        "Nothing is minimized",
        "A train block ends in one or more `minimize`. A loss that is only given a name is not trained on.",
        train("steps = 1", "loss = sum(f(x)^2)"),
        train("steps = 1", "minimize sum(f(x)^2)"),
    ),
    "train-name": Entry(
        "A train block without a name among others",
        "One train block needs no name. Several run in their order, and each has one, by which `mai train --only flow`, checkpoints and\n"
        "figures speak of it. What an earlier one has trained stays as it is in a later one, unless an objective there names it `over`.",
        train("steps = 1") + "train(steps = 1) {\n  minimize sum((f(x) - x)^2) over f\n}\n",
        train("steps = 1").replace("train(", "train first(")
        + "train flow(steps = 1) {\n  minimize sum((f(x) - x)^2) over f\n}\n",
    ),
    "check-missing": Entry(
        "Nothing is checked",
        "A claim says what holds of the trained model: `check`, and a condition, once or several times.",
        claim("small = norm(f(z)) < 100"),
        claim("check norm(f(z)) < 100"),
    ),
    "check-failed": Entry(
        "A layer is called with what it does not take",
        "A layer says with `check` what holds of the numbers that it is called with: `check p < 1`. Often one argument too many\n"
        "stands in the place of another, as where a size is written that the layer finds itself.",
        entry("return rms_norm(x, 2)"),
        entry("return rms_norm(x)"),
    ),
    "check-outside-claim": Entry(
        "A check outside of a claim",
        "In a claim `check` is of the trained model: it is computed after training, and by `mai verify RUN`. In a layer it is of the\n"
        "numbers that the layer is called with. What training shows is `report`ed.",
        train("steps = 1", "check norm(f(x)) < 1\n  minimize sum(f(x)^2)"),
        train("steps = 1", "report norm(f(x))\n  minimize sum(f(x)^2)"),
    ),
    "objective-not-scalar": Entry(
        "An objective that is no number",
        "An objective is one number for each example; mai averages over the examples itself. Take the `mean` or the `sum`\n"
        "over the axes of one example.",
        train("steps = 1", "minimize f(x)^2"),
        train("steps = 1", "minimize sum(f(x)^2)"),
    ),
    "not-a-net": Entry(
        "`over` needs a net",
        "`minimize e over net` moves the parameters of that net alone. Layers own theirs at each call, and cannot stand\n"
        'there; parameters can, by their names: `over "f.linear_1.*"`.',
        train("steps = 1", "minimize sum(f(x)^2) over g"),
        train("steps = 1", "minimize sum(f(x)^2) over f"),
    ),
    "record-what": Entry(
        "`record` keeps params",
        "`record f.u every 100` keeps the param `u` of the net `f` every 100 steps, for a picture of its path. What is\n"
        "computed for an example is shown by `report`.",
        train("steps = 1", "minimize sum(f(x)^2)\n  record x every 3"),
        train("steps = 1", "minimize sum(f(x)^2)\n  report sum(x^2)"),
    ),
    "across-outside-train": Entry(
        "Only a train block has several examples",
        "`across(x)` makes the batch an axis, for losses that compare examples. A net and an export see one example, and\n"
        "give the same result whatever the batch.",
        net("y = across(x)"),
        train("steps = 1", "minimize sum((f(x) - mean(across(x), axis = 0))^2)"),
    ),
    "matching-outside-train": Entry(
        "Only a train block has exact transport",
        "`wasserstein`, `couple` and `matching` find the exact optimal plan, by a solver that ONNX has not. A train block may\n"
        "report it, or pair its draws with its data by it. An export has `sinkhorn_divergence` and `sliced_wasserstein`.",
        "export f(x: [5, 2]) -> [] { return wasserstein(x, 2 * x) }\n",
        train("steps = 1", "minimize sum(f(x)^2)\n  report wasserstein(across(f(x)), across(x))"),
    ),
}
