"""The words of the language: the one table that grammar check, layout, hints, formatter and documentation read.

In a `form` what is written in capitals is a part of the statement, `{ BODY }` a block of statements, and brackets hold what
may be left out. A statement with a node is printed by its form.
"""

from __future__ import annotations

import re
from typing import Literal

from mai.spec import ast
from mai.spec.record import record

Kind = Literal["declaration", "statement", "branch", "clause", "rule", "type", "value", "operator"]
NAMED = r"(?![ \t]*(?:[-+*/]?=(?!=)|~))"  # `data = x` is no declaration, `score = x` no statement: the word is a name there.


@record
class Word:
    """A word and its one meaning.

    `node` is the statement that its form prints. `begins` is a pattern of what follows a declaration's word, where it is one
    and no name. After `before_value` words a value has to come; a line that ends in a word that `goes_on` goes on.
    """

    text: str
    kind: Kind
    says: str
    form: str = ""
    node: type[ast.Statement] | None = None
    begins: str = NAMED
    before_value: bool = False
    goes_on: bool = False

    @property
    def has_block(self) -> bool:
        """Whether a block of statements follows."""
        return re.search(r"\{ [A-Z]+ \}", self.form) is not None

    @property
    def has_parameters(self) -> bool:
        """Whether it begins a function: a name, parameters, a block."""
        return self.kind == "declaration" and "(PARAMETERS)" in self.form


WORDS = (
    Word("const", "declaration", "A number that is fixed when the file is compiled; `--set` overrides it.", "const NAME = VALUE"),
    Word("let", "declaration", "A tensor that is the same for all examples.", "let NAME = VALUE"),
    Word("data", "declaration", "The fields of one training example, and where they come from.", "data FIELDS from SOURCE"),
    Word("layer", "declaration", "A function of which every call has parameters of its own.",
         "layer NAME(PARAMETERS)[ -> RETURNS] { BODY }"),
    Word("net", "declaration", "A function of which all calls share one set of parameters; `net st[6](...)` is a family of six.",
         "net NAME(PARAMETERS) -> RETURNS { BODY }"),
    Word("export", "declaration", "What becomes a file of its own: inputs of one example, settings of a call, results.",
         "export NAME(PARAMETERS) -> RETURNS { BODY }"),
    Word("train", "declaration", "What is minimized on the data, and how; several have names, and run in order.",
         "train[ NAME](SETTINGS) { BODY }", begins=r"(?=\s*([({]|\w+\s*[({]))"),
    Word("claim", "declaration", "What is said of the trained model, and checked after training and by `mai verify RUN`.",
         "claim NAME[(SETTINGS)] { BODY }"),
    Word("import", "declaration", "The layers and nets of another file.", "import PATH", begins=""),
    Word("weights", "declaration", "Which tensor of a file each parameter starts from.", "weights from PATH {RULES}",
         begins=r"(?=\s+from\b)"),
    Word("param", "statement", "A tensor that training moves.", "param NAME: TYPE[ = FIRST]"),
    Word("state", "statement", "A tensor of a net that training does not move: running statistics.", "state NAME: TYPE[ = FIRST]"),
    Word("return", "statement", "The result of a function; several stand in brackets.", "return VALUE", ast.Return,
         before_value=True),
    Word("if", "statement", "A choice that is made when the file is compiled.", "if CONDITION { THEN }[ else { OTHERWISE }]", ast.If),
    Word("repeat", "statement", "Depth: a block over and over, with fresh parameters each time, or `shared` ones.",
         "repeat COUNT[ shared][ as INDEX][ until UNTIL] { BODY }[ keep KEEPS]", ast.Repeat),
    Word("integrate", "statement", "A differential equation, solved along a variable.",
         "integrate VARIABLE in START..STOP using SOLVER { BODY }[ until UNTIL][ as HIT][ keep KEEPS]", ast.Integrate),
    Word("noise", "statement", "In an `integrate`: increments of Brownian motions, for `dx = f * ds + g * dB`.", "noise NAME: TYPE"),
    Word("extend", "statement", "A text that grows by one token a turn.", "extend NAME by COUNT[ until UNTIL][ using SEARCH] { BODY }[ keep KEEPS]",
         ast.Extend),
    Word("append", "statement", "The next token of the text that an `extend` grows.", "append VALUE", ast.Append, before_value=True),
    Word("score", "statement", "The score of each next token, in an `extend` that searches.", "score VALUE", ast.Score, before_value=True),
    Word("minimize", "statement", "An objective, averaged over examples; `over` some nets or parameters alone.",
         "minimize VALUE[ over OVER][ every EVERY]", ast.Minimize, before_value=True),
    Word("report", "statement", "Numbers that training shows.", "report VALUES", ast.Report, before_value=True),
    Word("record", "statement", "Parameters that training keeps a history of.", "record VALUES[ every EVERY]", ast.Record,
         before_value=True),
    Word("check", "statement", "What has to hold: in a `claim` of the trained model, in a layer of the numbers that it is called with.", "check VALUE", ast.Check, before_value=True),
    Word("from", "clause", "Before the source of `data`, and the file of `weights`.", goes_on=True),
    Word("in", "clause", "Before the bounds of an `integrate`."),
    Word("using", "clause", "Before the solver of an `integrate`, or the search of an `extend`."),
    Word("keep", "clause", "After a `repeat` or an `integrate`: what it keeps of every turn, with a name."),
    Word("at", "clause", "In the `keep` of an `integrate`: before the times at which a state is kept."),
    Word("as", "clause", "Before the name of a turn, of a path, of the time of an event, or of a number that a `report` shows."),
    Word("shared", "clause", "All turns of a `repeat` have one set of parameters."),
    Word("by", "clause", "Before the number of tokens of an `extend`."),
    Word("until", "clause", "Before the token that ends an `extend`, or the condition that ends a `repeat` or an `integrate`."),
    Word("over", "clause", "Before the nets and parameters that a `minimize` moves.", before_value=True),
    Word("every", "clause", "Before the number of steps between two rows of a `record`, or two steps of a `minimize`.", before_value=True),
    Word("else", "branch", "The block of an `if` that is done where its condition is false."),
    Word("class", "type", "A label: a whole number below K.", "class[K]"),
    Word("tokens", "type", "A row of P tokens.", "tokens[P]"),
    Word("int", "type", "A whole number; `int[2]` is a vector of two."),
    Word("real", "type", "A real number."),
    Word("bool", "type", "True or false; `bool[2]` is a vector of two."),
    Word("token", "type", "One token."),
    Word("ignore", "rule", "Tensors of the file of a `weights` that no parameter takes.", "ignore NAMES"),
    Word("true", "value", "What holds."),
    Word("false", "value", "What does not hold."),
    Word("None", "value", "In an index: one more axis, of size one.", "x[None]"),
    Word("not", "operator", "True where its operand is false.", goes_on=True),
    Word("and", "operator", "True where both operands are.", goes_on=True),
    Word("or", "operator", "True where one of the operands is.", goes_on=True),
)  # fmt: skip


def of_kind(*kinds: Kind) -> tuple[Word, ...]:
    """The words of some kinds, in the order of the table."""
    return tuple(word for word in WORDS if word.kind in kinds)


def texts(words: tuple[Word, ...]) -> tuple[str, ...]:
    """The words as they are written."""
    return tuple(word.text for word in words)


DECLARATIONS, STATEMENTS = of_kind("declaration"), of_kind("statement")
DISTRIBUTIONS = (
    "normal", "uniform", "bernoulli", "integers", "categorical", "poisson", "exponential", "gamma", "beta", "dirichlet", "laplace",
    "gumbel", "logistic", "student_t", "truncated_normal", "multivariate_normal", "mixture",
)  # fmt: skip
RESERVED = frozenset(texts(of_kind("value", "operator", "branch")))  # No names, wherever they stand.
BEGINNING_NAMES = frozenset(texts(STATEMENTS)) - {"return", "if"}  # Names where a value is given to them: `score = x`.
FORMS = {word.node: word.form for word in WORDS if word.node is not None}
