"""Diagnostics of the grammar: what was meant, never a token's name."""

from mai.spec.diagnostics.entries.entry import Entry

SYNTAX: dict[str, Entry] = {
    "syntax": Entry(
        "Something has no place here",
        "The text cannot go on this way, and no more particular advice fits. Look at what stands just before: a missing\n"
        "operator, comma or bracket is often the cause.",
        "net f(x: [2]) -> [2] {\n  (y) = x\n  return y\n}\n",
        "net f(x: [2]) -> [2] {\n  y = x\n  return y\n}\n",
    ),
    "unclosed-bracket": Entry(
        "A bracket is not closed",
        "Every `(`, `[` and `{` needs its partner. The place shown is the bracket that was left open.",
        "const d = (1 + 2\n",
        "const d = (1 + 2)\n",
    ),
    "unmatched-bracket": Entry(
        "A bracket closes nothing",
        "This closing bracket has no opening one before it.",
        "net f(x: [2]) -> [2] { return x } }\n",
        "net f(x: [2]) -> [2] { return x }\n",
    ),
    "unclosed-string": Entry(
        "A string is not closed",
        'A text in quotes ends on the line on which it begins: "c h w -> c (h w)".',
        'import "layers.mai\n',
    ),
    "bad-character": Entry(
        "A character that the language does not have",
        "Typographic quotes, semicolons and other characters that slip in when text is copied. Statements end with their\n"
        "line; quotes are plain.",
        "const d = 3;\n",
        "const d = 3\n",
    ),
    "bad-number": Entry(
        "Not a number",
        "A name cannot begin with a digit, a product needs its `*`, and a number must be real: sqrt(-1) is not.",
        "const n = 4\nconst d = 2n\n",
        "const n = 4\nconst d = 2 * n\n",
    ),
    "assign-vs-compare": Entry(
        "`=` defines, `==` compares",
        "A single `=` gives a name its value; two compare values.",
        "net f(x: [2]) -> [2] {\n  y == x\n  return y\n}\n",
        "net f(x: [2]) -> [2] {\n  y = x\n  return y\n}\n",
    ),
    "wrong-operator": Entry(
        "An operator of another language",
        "Powers are `x^2`, logic is `and`, `or`, `not`, a change is `x += 1`, products of matrices are `A @ B`.",
        "net f(x: [2]) -> [2] { return x ** 2 }\n",
        "net f(x: [2]) -> [2] { return x^2 }\n",
    ),
    "foreign-keyword": Entry(
        "A statement of another language",
        "There are no `for`, `while`, `def`, `class` or `lambda`. Depth is `repeat`, time `integrate`,\n"
        "functions are `layer` and `net`.",
        "net f(x: [2]) -> [2] {\n  for i in 3 { x += 1 }\n  return x\n}\n",
        "net f(x: [2]) -> [2] {\n  repeat 3 as i { x += 1 }\n  return x\n}\n",
    ),
    "missing-block": Entry(
        "A block is missing",
        "Nets, layers, exports, `train`, `repeat`, `integrate`, `extend` and `if` are followed by `{ ... }`.",
        "net f(x: [2]) -> [2]:\n  return 2 * x\n",
        "net f(x: [2]) -> [2] {\n  return 2 * x\n}\n",
    ),
    "missing-operand": Entry(
        "Something is missing beside an operator",
        "An operator stands between two things.",
        "const d = 3 +\n",
        "const d = 3 + 1\n",
    ),
    "missing-comma": Entry(
        "A comma is missing",
        "Arguments, list items and dimensions are separated by commas.",
        "let t = linspace(0, 1 5)\n",
        "let t = linspace(0, 1, 5)\n",
    ),
    "missing-type": Entry(
        "A type is missing",
        "A param has a shape, an export's inputs have types: `[2]`, `[]`, `int`, `class[10]`, `tokens[P]`.",
        "export f(x) -> [2] { return x }\n",
        "export f(x: [2]) -> [2] { return x }\n",
    ),
    "missing-name": Entry(
        "A name is missing",
        "A layer, net or export has a name, then its parameters.",
        "net (x: [2]) -> [2] { return x }\n",
        "net f(x: [2]) -> [2] { return x }\n",
    ),
    "missing-value": Entry(
        "A constant has no value",
        "`const n = 64` gives a number its name; `let t = ...` a tensor.",
        "const d 3\n",
        "const d = 3\n",
    ),
    "missing-source": Entry(
        "Data without a source",
        "A `data` line says where its examples come from: `data x: [2] from moons(noise = 0.05)`.",
        "data x: [2]\n",
        "data x: [2] from moons(noise = 0.05)\n",
    ),
    "missing-solver": Entry(
        "An integral without a solver",
        "`integrate s in 0..1 using rk4(20) { ... }`: after the range comes how it is solved.",
        "net f(x: [2]) -> [2] {\n  integrate s in 0..1 { dx/ds = x }\n  return x\n}\n",
        "net f(x: [2]) -> [2] {\n  integrate s in 0..1 using rk4(20) { dx/ds = x }\n  return x\n}\n",
    ),
    "missing-range": Entry(
        "An integral without a range",
        "`integrate s in 0..1 using ...`: the variable runs from one bound to the other, joined by two dots.",
        "net f(x: [2]) -> [2] {\n  integrate s in 1 using rk4(3) { dx/ds = x }\n  return x\n}\n",
        "net f(x: [2]) -> [2] {\n  integrate s in 0..1 using rk4(3) { dx/ds = x }\n  return x\n}\n",
    ),
    "bad-derivative": Entry(
        "Not a derivative",
        "The derivative of a state `x` by `s` is written `dx/ds = ...`: a `d` before both names, as on paper.",
        "net f(x: [2]) -> [2] {\n  integrate s in 0..1 using rk4(3) { x/ds = -x }\n  return x\n}\n",
        "net f(x: [2]) -> [2] {\n  integrate s in 0..1 using rk4(3) { dx/ds = -x }\n  return x\n}\n",
    ),
    "misplaced-declaration": Entry(
        "A declaration inside a block",
        "`const`, `let`, `data`, `layer`, `net`, `export`, `train` and `import` stand at the top of a file.",
        "net f(x: [2]) -> [2] {\n  const d = 3\n  return x\n}\n",
        "const d = 3\nnet f(x: [2]) -> [2] {\n  return d * x\n}\n",
    ),
    "misplaced-else": Entry(
        "An `else` without an `if`",
        "`else` follows the closing brace of an `if`.",
        "layer f(x: [2]) -> [2] {\n  else { return x }\n}\n",
        "const deep = 1\nlayer f(x: [2]) -> [2] {\n  if deep { return relu(x) }\n  else { return x }\n}\n",
    ),
    "misplaced-statement": Entry(
        "A statement outside a block",
        "A file is made of declarations; statements stand in the blocks of nets, layers, exports and `train`.",
        "y = 3\n",
        "const y = 3\n",
    ),
    "two-on-a-line": Entry(
        "Two things on one line",
        "Each statement has a line of its own; inside an expression an operator or a comma is missing.",
        "net f(x: [2]) -> [2] { y = x return y }\n",
        "net f(x: [2]) -> [2] {\n  y = x\n  return y\n}\n",
    ),
    "no-effect": Entry(
        "A line that does nothing",
        "A value that is not named, returned or minimized is lost.",
        "net f(x: [2]) -> [2] {\n  relu(x)\n  return x\n}\n",
        "net f(x: [2]) -> [2] {\n  y = relu(x)\n  return y\n}\n",
    ),
    "unfinished": Entry(
        "An unfinished line",
        "The line ends before what it begins is complete.",
        "net f(x: [2]) -> [2] {\n  repeat\n}\n",
        "net f(x: [2]) -> [2] {\n  repeat 3 { x += 1 }\n  return x\n}\n",
    ),
    "missing-parameters": Entry(
        "Parameters are missing",
        "The name of a layer, net or export is followed by its parameters in `( )`; `train` by its settings.",
        "net f -> [2] { return x }\n",
        "net f(x: [2]) -> [2] { return x }\n",
    ),
    "misspelt": Entry(
        "A word misspelt",
        "Only one of the language's own words can stand here, and this is none of them.",
        "data x: [2] form moons()\n",
        "data x: [2] from moons()\n",
    ),
    "missing-quotes": Entry(
        "A file's name without quotes",
        'An import names a file, in quotes: `import "layers.mai"`.',
        "import layers\n",
    ),
    "missing-equals": Entry(
        "A definition without `=`",
        "A name gets its value by `=`, a draw by `~`.",
        "net f(x: [2]) -> [2] {\n  y x\n  return x\n}\n",
        "net f(x: [2]) -> [2] {\n  y = x\n  return x\n}\n",
    ),
    "missing-count": Entry(
        "How often?",
        "`repeat 3 { ... }` says how often, `extend x by 64 { ... }` by how many.",
        "net f(x: [2]) -> [2] {\n  repeat { x += 1 }\n  return x\n}\n",
        "net f(x: [2]) -> [2] {\n  repeat 3 { x += 1 }\n  return x\n}\n",
    ),
    "misplaced-block": Entry(
        "Braces where a value belongs",
        "Braces hold the statements of a block. Values are listed with `[a, b]`; there are no dictionaries.",
        "const d = {2}\n",
        "const d = 2\n",
    ),
    "misplaced-comma": Entry(
        "A comma without brackets",
        "A comma separates what stands in brackets. Several values are stacked with `[a, b]`; several results are written\n"
        "`return (a, b)`, several names on the left `(a, b) = ...`.",
        "net f(x: [2]) -> ([2], [2]) { return x, x }\n",
        "net f(x: [2]) -> ([2], [2]) { return (x, x) }\n",
    ),
    "misplaced-keep": Entry(
        "`keep` where nothing is kept so",
        "`keep x as xs` follows the closing brace of a `repeat` or an `integrate`. A `repeat` keeps a row for each turn, an\n"
        "`integrate` one for each step, or for the times that `keep x at [0, 0.5, 1] as xs` names.",
        "net f(x: [2]) -> [2] {\n  repeat 3 { x = x / 2 } keep x at [0, 1] as xs\n  return xs[0]\n}\n",
        "net f(x: [2]) -> [2] {\n  repeat 3 { x = x / 2 } keep x as xs\n  return xs[0]\n}\n",
    ),
    "misplaced-until": Entry(
        "`until` in another place than behind the block",
        "The condition that ends an `integrate` stands behind the closing brace of its block, and before `keep`:\n"
        "`integrate s in 0..9 using rk4(90) { dx/ds = -x } until x < 1 as hit keep x as xs`. That of a `repeat` stands before the block.",
        "net f(x: []) -> [] {\n  integrate s in 0..1 using rk4(3) until x < 0.5 { dx/ds = -x }\n  return x\n}\n",
        "net f(x: []) -> [] {\n  integrate s in 0..1 using rk4(3) { dx/ds = -x } until x < 0.5\n  return x\n}\n",
    ),
    "misplaced-type": Entry(
        "A type where none is needed",
        "Parameters, params and data have types. Every other name has the type of its value.",
        "net f(x: [2]) -> [2] {\n  y: [2] = x\n  return x\n}\n",
        "net f(x: [2]) -> [2] {\n  y = x\n  return x\n}\n",
    ),
    "not-assignable": Entry(
        "Only a name can be given a value",
        "Tensors do not change: a part of one cannot be assigned. Make a new one, with `concat` or `where`.",
        "net f(x: [2]) -> [2] {\n  x[0] = 1\n  return x\n}\n",
        "net f(x: [2]) -> [2] {\n  y = concat([1], x[1:])\n  return x\n}\n",
    ),
    "reserved-name": Entry(
        "A name that has a meaning already",
        "Words that begin statements cannot be assigned, and an export cannot have inputs called `seed` or `batch`: mai\n"
        "adds these settings itself. `seed: int` is one for each example.",
        "export f(seed: [2]) -> [2] { return seed }\n",
        "export f(x: [2]) -> [2] { return x }\n",
    ),
    "too-deep": Entry(
        "Nested too deep",
        "Brackets may be nested 100 levels deep and expressions 200: give parts of it names of their own. Calls are written out, and so\n"
        "are turns that own parameters and the stages of a solver: inside each other they multiply, up to 10,000 calls and 200,000\n"
        "operations. A derivative of derivatives multiplies them, too, unless it is of one number, or a `jvp`: up to 50,000.",
        "const d = " + "(" * 101 + "1" + ")" * 101 + "\n",
    ),
}
