"""What a syntax error may have meant, as data: the first rule that fits the place is reported."""

from __future__ import annotations

import re
from collections.abc import Callable

from mai.spec import words
from mai.spec.syntax_errors import bracket_repairs as brackets
from mai.spec.syntax_errors import choice_repairs as choices
from mai.spec.syntax_errors import syntax_repairs as mend
from mai.spec.syntax_errors.syntax_place import STATEMENTS, Place
from mai.spec.syntax_errors.syntax_repairs import Repair

DECLARATION_WORDS = frozenset(words.texts(words.DECLARATIONS))
FUNCTIONS = tuple(word.text for word in words.DECLARATIONS if word.has_parameters)
BLOCKS_OF = tuple(word.text for word in words.WORDS if word.has_block or word.kind == "branch")
KEYWORDS = (*sorted(DECLARATION_WORDS), *words.texts(words.of_kind("clause", "branch", "type", "rule")))
MARKS = "+ - * / @ // % ^ == != < <= > >= = ~ |> += -= *= /= .. , : ->"
OPERATORS = frozenset([*MARKS.split(), *words.texts(words.of_kind("operator"))])
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
OPENERS = frozenset(word.text for word in words.WORDS if word.before_value)
ENDS = ("\n", "", ")", "]", "}")
ELSEWHERE = "print pass break continue with try except switch match case del raise yield global"
QUOTES = tuple("“”‘’„«»")


Test = Callable[[Place], bool]


def _token(*texts: str) -> Test:
    return lambda p: p.token in texts


def _rest(*beginnings: str) -> Test:
    return lambda p: p.rest.startswith(beginnings)


def _word(*words: str) -> Test:
    return lambda p: p.word in words


def _opens(*words: str) -> Test:
    return lambda p: p.word in words and p.opens


def _only(*terminals: str) -> Test:
    return lambda p: bool(p.accepts) and p.accepts <= frozenset(terminals)


def _accepts(terminal: str) -> Test:
    return lambda p: terminal in p.accepts


def _line(pattern: str) -> Test:
    return lambda p: re.search(pattern, p.line) is not None


def _all(*tests: Test) -> Test:
    return lambda p: all(test(p) for test in tests)


def _lacks_block(*words: str) -> Test:
    return lambda p: (
        "LBRACE" in p.accepts and p.word in words and (p.is_operand or p.is_word or p.token in (*ENDS, "=", ":"))
    )


Rule = tuple[Test, str, str, str | Repair | None]  # test, slug, message, help; {token} and {before} are filled in

CHARACTERS: list[Rule] = [
    (lambda p: p.before.startswith('"') and (p.line + p.rest.split("\n", 1)[0]).count('"') % 2 == 1,
     "unclosed-string", "a string needs a closing quote on its line", 'write "..."'),
    (lambda p: p.token == '"' or (p.rest.startswith('"') and '"' not in p.rest[1:].split("\n")[0]),
     "unclosed-string", "a string needs a closing quote on its line", mend.close_string),
    (lambda p: p.rest.startswith(("//", "/*")) and not p.line.strip(),
     "bad-character", "a comment begins with `#`", mend.comment),
    (_all(_rest("--"), _accepts("CONST")), "bad-character", "a comment begins with `#`", mend.comment),
    (_token(";"), "bad-character", "there is no `;`: a statement ends with its line", mend.semicolon),
    (_token(*QUOTES), "bad-character", "this is a typographic quote", mend.plain_quotes),
    (lambda p: p.token == "'" and (p.wants_value or "STRING" in p.accepts), "bad-character", "a text stands in double quotes", mend.double_quotes),
    (_all(_line(r"\d$"), _rest("_")), "bad-number", "digits are not grouped with `_`", mend.digits),
    (_all(_line(r"\d$"), lambda p: re.match(r"[eE][+-]?(?!\w)", p.rest) is not None),
     "bad-number", "an exponent has digits", "write `1e-3`"),
    (lambda p: p.is_word and bool(re.search(r"\d$", p.line)),
     "bad-number", "a name cannot begin with a digit, and a product needs `*`", mend.before(" * ", "a product is written `2 * x`")),
    (lambda p: re.match(r"\.\d", p.rest) is not None and p.wants_value and p.before != "..",
     "bad-number", "a number begins with a digit", mend.before("0", "write `0.5`")),
    (_line(r"(?<![\w.])\d+\.$"), "bad-number", "a number ends with a digit", mend.fraction),
]  # fmt: skip

WRONG_OPERATORS: list[Rule] = [
    (lambda p: p.rest.startswith("**") or (p.token == "*" and p.before == "*"),
     "wrong-operator", "powers are written with `^`", mend.power),
    (lambda p: p.named and re.match(r"(//|[%^@])=", p.rest) is not None,
     "wrong-operator", "a change is `+=`, `-=`, `*=` or `/=`", None),
    (_token("&"), "wrong-operator", "logic is written in words", mend.word("&", "and")),
    (_rest("||"), "wrong-operator", "logic is written in words", mend.word("|", "or")),
    (_token("|"), "wrong-operator", "a pipe is `|>`, a choice is `or`", None),
    (_token("!"), "wrong-operator", "write `not`, or `!=` to compare", mend.word("!", "not")),
    (_rest(":="), "wrong-operator", "`=` defines; there is no `:=`", mend.mark(":=", "=")),
    (_rest("++", "--"), "wrong-operator", "there is no `++`", mend.increment),
    (lambda p: p.token in ("+", "*", "/") and p.line.endswith("="),
     "wrong-operator", "a change is written `{token}=`", mend.change),
    (_rest("=<"), "wrong-operator", "at most is `<=`", mend.mark("=<", "<=")),
    (_rest("=>"), "wrong-operator", "at least is `>=`", mend.mark("=>", ">=")),
    (lambda p: p.token == ">" and p.line.endswith("<"), "wrong-operator", "unequal is `!=`", mend.mark("<>", "!=")),
    (lambda p: p.named and p.rest.startswith("<-"), "wrong-operator", "a name is defined with `=`", mend.mark("<-", "=")),
    (lambda p: p.token == "->" or (p.token == ">" and p.line.endswith("-")),
     "wrong-operator", "`->` gives the type of a result, after `)`",
     "a function is a layer, which is given by its name: `layer g(x: [3]) -> [3] { return x + 1 }`"),
    (lambda p: p.token == "..." or (p.token in (".", "..") and p.before == ".."),
     "wrong-operator", "a range has two dots", mend.mark("...", "..")),
    (lambda p: p.token == ".." and p.word != "integrate",
     "wrong-operator", "`..` is the range of an `integrate`; an index counts with `:`", mend.mark("..", ":", "write `x[0:3]`")),
    (lambda p: p.token == ":" and p.before != ")" and p.accepts >= {"EQUAL", "RPAR"} and not p.named,
     "wrong-operator", "an argument is named with `=`", mend.mark(":", " =", "write `f(x = 3)`")),
    (lambda p: p.token == "~" and bool(p.line.strip()),
     "wrong-operator", "`~` draws: one name stands before it", "write `x ~ normal([2])`"),
    (lambda p: p.token in COMPARISONS and p.before not in OPERATORS and "AND" in p.accepts,
     "wrong-operator", "comparisons do not chain", mend.chain),
]  # fmt: skip

NAMES: list[Rule] = [
    (lambda p: p.word in ("const", "let") and p.named and p.opens and p.is_word, "misplaced-declaration",
     "inside a block a name is defined by `=` alone", mend.without_word("write `{token} = ...`")),
    (lambda p: p.word in DECLARATION_WORDS and p.named and p.opens and p.token not in ENDS, "misplaced-declaration",
     "a declaration cannot stand inside a block", "move it out of the block"),
    (lambda p: p.token == "/=" and p.before == "/", "wrong-operator", "a change is `+=`, `-=`, `*=` or `/=`", None),
    (lambda p: p.token in ("=", "~", "+=", "-=", "*=", "/=") and p.line.strip() == p.word and p.word in STATEMENTS,
     "reserved-name", "this word begins a statement and cannot be a name", lambda p: f"call it `{p.word}_`, or otherwise"),
    (lambda p: p.token in ("=", "~", "+=", "-=", "*=", "/=") and not p.line.strip(),
     "missing-name", "a name is missing before `{token}`", None),
    (_all(_only("NAME"), lambda p: p.before == "."),
     "missing-name", "after `.` comes the name of a param", "write `x[0]` for a part of a tensor"),
    (_all(_only("NAME"), _line(r"\bkeep(\s+\w+\s+as\s+\w+\s*,)*\s*$")),
     "missing-name", "what is kept is a name of the body", "write `y = ...` in the body, and `keep y as ys`"),
    (_all(_only("NAME"), _word("data"), _token("(")), "missing-name", "the fields of `data` stand without brackets",
     brackets.fields_without_brackets),
    (_only("NAME"), "missing-name", "a name is missing here", mend.name),
    (_all(_only("AS"), _token("at"), _line(r"\bkeep\b")),
     "misplaced-keep", "a `repeat` keeps a row for each turn: `at` times is for an `integrate`", mend.without_times),
    (_all(_only("AS", "MOMENTS"), _word("keep", "repeat")),
     "missing-name", "what is kept needs a name", "write `keep x as xs`"),
    (lambda p: p.token == "[" and p.before in ("real", "token"), "missing-type", "`{before}` is one value, without axes", mend.several),
    (lambda p: p.token == "[" and p.before == "]" and "LSQB" not in p.accepts,
     "missing-type", "the sizes of a type stand in one list", mend.one_list),
    (lambda p: p.token == "[" and p.line.split()[:1] in (["layer"], ["export"]), "missing-parameters",
     "a family is of nets: a layer has parameters of its own at each call", mend.first_word("net", "write `net f[6](x: [2]) -> [2] { ... }`")),
    (lambda p: "IGNORE" in p.accepts and p.is_word, "missing-quotes",
     "a rule begins with the name of a parameter, in quotes", 'write `"f.linear_1.*" = "head.*"`, or `ignore "head.*"`'),
    (_all(_word("weights"), _only("STRING")),
     "missing-quotes", "the file of the weights is named in quotes", 'write `weights from "model.safetensors" { ... }`'),
    (_only("STRING"), "missing-quotes", "an import names a file, in quotes", mend.quoted),
    (lambda p: p.named and p.token == ":" and not p.rest.startswith(":="),
     "misplaced-type", "parameters, params and data have types, other names take theirs", mend.without_type),
    (lambda p: p.named and p.token == "'", "bad-derivative", "a derivative is written `dx/ds = ...`", None),
    (lambda p: p.named and p.token == "," and p.assigns_later,
     "misplaced-comma", "several names stand in brackets", brackets.names_in_brackets),
    (lambda p: p.named and p.token in ("[", ".", "(") and p.assigns_later,
     "not-assignable", "only a name can be given a value: no part of a tensor changes",
     "write `y = where(range(5) == 2, 1, x)`, or `concat(x[:2], [1], x[3:])`; what the turns of a `repeat` give is kept, `} keep y as ys`"),
]  # fmt: skip

EQUALS: list[Rule] = [
    (lambda p: p.token in ("\n", "") and p.word == "data" and "FROM" in p.accepts,
     "missing-source", "data comes from a source", "write `from moons(noise = 0.05)`"),
    (lambda p: p.token == "=" and p.word in FUNCTIONS and "LBRACE" in p.accepts,
     "missing-block", "the result stands in a block", mend.result_in_block),
    (lambda p: p.token == "=" and p.word in ("if", "repeat", "minimize", "return"),
     "assign-vs-compare", "`=` defines, `==` compares", mend.mark("=", "==")),
    (lambda p: p.token == "=" and p.word == "report" and p.before != "=",
     "assign-vs-compare", "`=` has no place here: the name of a report stands behind its value", mend.report),
    (lambda p: p.token == "=" and p.before == "=", "assign-vs-compare", "`=` defines, `==` compares", mend.mark("==", "=", "write one `=`")),
    (lambda p: p.token == "==" and "EQUAL" in p.accepts,
     "assign-vs-compare", "`=` defines, `==` compares", mend.mark("==", "=")),
    (lambda p: p.token == "=" and not p.accepts & {"EQUAL", "COLON", "IN"} and not p.wants_value,
     "assign-vs-compare", "`=` has no place here: `=` defines a name, `==` compares", None),
    (_line(r"^\s*(const|let)\s+\w+\s*$"), "missing-value", "a constant needs a value", mend.equals("write `const n = 64`")),
    (lambda p: p.is_operand and bool(p.accepts & {"EQUAL", "TILDE"}) and p.word in ("param", "state"),
     "missing-equals", "`=` or `~` is missing before this", mend.equals("write `=` before this")),
]  # fmt: skip

REALS = ("float", "double", "number", "scalar", "f32", "float32", "Float")
MISSING_TYPES: list[Rule] = [
    (_all(_only("ARROW"), _token("{", "=", "\n", "")), "missing-type", "the result of a net or an export has a type",
     "write `-> [2]` before the block"),
    (lambda p: p.line.strip() == "noise" and p.is_word and not p.assigns_later,
     "missing-type", "a noise has a shape", mend.shape_of_noise),
    (lambda p: p.wants_type and p.token == "(" and p.before in ("class", "tokens"),
     "missing-type", "the size of a type stands in `[ ]`", brackets.square_brackets),
    (lambda p: p.wants_type and p.token in REALS,
     "missing-type", "`{token}` is not a type: a real number is `real`", lambda p: mend.mark(p.token, "real")(p)),
    (lambda p: p.wants_type and p.is_word,
     "missing-type", "`{token}` is not a type", "write `[2]`, `[]`, `int`, `class[10]` or `tokens[P]`"),
    (lambda p: p.wants_type,
     "missing-type", "a type is missing here", "write `[2]`, `[]`, `int`, `class[10]` or `tokens[P]`"),
    (lambda p: p.token == "[" and "COLON" in p.accepts and p.word in FUNCTIONS,
     "missing-type", "a `:` is missing before this type", mend.colon),
    (lambda p: p.before == ")" and p.word in FUNCTIONS and re.match(r":[ ]*[\w\[]", p.rest) is not None,
     "missing-type", "a result's type is written with `->`", mend.arrow),
    (_all(_word("param", "state"), _accepts("COLON"), lambda p: not p.wants_value),
     "missing-type", "a param needs a shape", "write `param W: [n, d] ~ normal(0, 1)`"),
    (_all(_word("data"), _accepts("COLON"), lambda p: not p.wants_value),
     "missing-type", "the data's fields have types", "write `data x: [2] from ...`"),
]  # fmt: skip

FOREIGN: list[Rule] = [
    (_all(_opens("for"), lambda p: re.match(r"\w+\s+in\b[^\n{]*\.\.", p.rest) is not None),
     "foreign-keyword", "there is no `for`: depth is a `repeat`, time an `integrate`",
     "write `repeat 3 as i { ... }` or, along time, `integrate s in 0..1 using euler(20) { dx/ds = f(x, s) }`"),
    (_opens("for", "while", "loop", "do"),
     "foreign-keyword", "there is no `for` or `while`: depth is a `repeat`", mend.loop),
    (_opens("maximize", "maximise"), "foreign-keyword", "training minimizes", mend.minimize),
    (_opens("def", "function", "fn", "func"),
     "foreign-keyword", "functions are `layer`s and `net`s", mend.first_word("net", "write `net f(x: [2]) -> [2] { ... }`")),
    (_opens("class", "struct"), "foreign-keyword", "there are no classes: a model is a `net`", "write `net f(x: [2]) -> [2] { ... }`"),
    (_opens("elif", "elsif", "elseif"), "foreign-keyword", "another condition is `else if`", mend.first_word("else if")),
    (_opens("var", "val", "auto", "local", "public", "private", "static"),
     "foreign-keyword", "a name is defined by `=` alone", mend.without_word("write `y = ...`")),
    (_opens("from", "using", "include"),
     "foreign-keyword", "there is no such statement in mai", 'write `import "layers.mai"`'),
    (_opens("assert"), "foreign-keyword", "what has to hold of a trained model is a `check`, in a claim", mend.first_word("check")),
    (_opens(*(w for w in ELSEWHERE.split() if w not in STATEMENTS)),
     "foreign-keyword", "there is no such statement in mai", None),
    (lambda p: p.token == "@" and not p.line.strip(), "foreign-keyword", "there are no decorators", None),
    (lambda p: "lambda" in (p.token, p.before), "foreign-keyword", "there are no lambdas: write a `layer`",
     "a function is a layer, which is given by its name: `layer g(x: [3]) -> [3] { return x + 1 }`"),
    (lambda p: p.token == "for" and bool(p.line.strip()),
     "foreign-keyword", "there are no comprehensions: layers map over leading axes by themselves", None),
    (lambda p: p.token == "if" and brackets.is_in_brackets(p) and not p.wants_value,
     "foreign-keyword", "a choice between values is `where`", choices.choice_inside),
    (lambda p: p.token in ("if", "else") and re.search(r"=\s*\S|return\s", p.line) is not None,
     "foreign-keyword", "a choice between values is `where`", choices.choice),
    (_token("?"), "foreign-keyword", "a choice between values is `where`", choices.choice_by_mark),
]  # fmt: skip

BLOCKS: list[Rule] = [
    (lambda p: p.token == ":" and "LBRACE" in p.accepts,
     "missing-block", "blocks are written with `{ }`, not with `:`", mend.braces),
    (lambda p: p.token == "\n" and "LBRACE" in p.accepts and p.rest.lstrip().startswith("{"),
     "missing-block", "a block begins on the same line", mend.brace_below),
    (lambda p: p.line.split() == ["repeat", "until"], "missing-count", "a `repeat` says how many turns there are at most",
     "write `repeat 100 until ... { ... }`"),
    (lambda p: "LBRACE" in p.accepts and p.word == "repeat" and p.is_word and re.match(r"\w+\s*\{", p.rest) is not None,
     "missing-name", "the turn of a `repeat` is named with `as`", mend.before("as ", "write `as {token}`")),
    (_lacks_block("repeat"), "missing-block", "a `repeat` needs a block", "write `repeat 3 { ... }`"),
    (lambda p: p.token == "until" and p.word == "integrate",
     "misplaced-until", "the condition that ends an `integrate` stands behind its `}`", mend.until_behind),
    (_lacks_block("integrate"),
     "missing-block", "an `integrate` needs a block", "write `integrate s in 0..1 using rk4(steps) { dx/ds = ... }`"),
    (_lacks_block(*BLOCKS_OF),
     "missing-block", "a block `{ ... }` is missing here", None),
    (_all(_word("weights"), _only("LBRACE")), "missing-block", "a `weights` says what becomes what", 'write `weights from "m.safetensors" { "f.*" = "*" }`'),
    (_all(_word("integrate"), _accepts("IN")),
     "missing-range", "an integral runs over a range", mend.range_from_words),
    (_all(_word("integrate"), _accepts("USING")),
     "missing-solver", "an `integrate` says which solver it uses", mend.solver),
    (_all(_word("integrate"), _line(r"\busing\s*$")),
     "missing-solver", "an `integrate` says which solver it uses", "write `using rk4(20)` before the block"),
    (_all(_word("integrate"), _accepts("RANGE")), "missing-range", "an integral runs over a range", mend.range_from_zero),
    (_all(_word("extend"), _accepts("BY")),
     "missing-count", "an `extend` says by how many", "write `extend x by 64 { ... }`"),
    (_all(_opens("repeat"), _token("{")), "missing-count", "a `repeat` says how often", "write `repeat 3 { ... }`"),
    (lambda p: p.token == "{" and p.wants_value and p.word in ("if", "else"),
     "missing-operand", "an `if` needs a condition", "write `if bias { ... }`"),
    (lambda p: p.token == "{" and p.before in OPERATORS and p.word in BLOCKS_OF,
     "missing-operand", "something is missing after `{before}`", None),
    (lambda p: p.token == "{" and p.wants_value,
     "misplaced-block", "a block is no value: braces hold statements", mend.list_of_values),
    (lambda p: "CONST" in p.accepts and p.token not in DECLARATION_WORDS and p.token.strip() != "",
     "misplaced-statement", f"a file is made of declarations: {', '.join(words.texts(words.DECLARATIONS))}",
     mend.constant),
    (lambda p: p.word == "else" and p.opens, "misplaced-else", "an `else` follows the `}` of an `if`", None),
    (lambda p: p.token == "keep" and p.word == "keep",
     "misplaced-keep", "`keep` follows the `}` of a `repeat`, an `integrate` or an `extend` that searches", None),
    (lambda p: p.token == "until" and p.word == "until",
     "misplaced-until", "`until` stands in a `repeat` or an `extend`, or follows the `}` of an `integrate`", None),
    (lambda p: p.token == "until" and p.word == "keep",
     "misplaced-until", "`until` stands before `keep`", mend.until_before_keep),
]  # fmt: skip

OPERANDS: list[Rule] = [
    (lambda p: p.token in "+-*/@^%" and p.token != "" and not p.line.strip(), "missing-operand",
     "a line does not begin with `{token}`", mend.end_line_before),
    (_line(r"\brecord\s+every\s*$"),
     "missing-operand", "a `record` says what it keeps", "write `record f.u every 100`"),
    (_all(_line(r"(?<![\w.])\d+(\.\d+)?\s*%\s*$"), lambda p: p.token in (*ENDS, ",")),
     "missing-operand", "something is missing after `%`", mend.percent),
    (lambda p: p.before in OPERATORS | OPENERS and p.token in (*ENDS, ","),
     "missing-operand", "something is missing after `{before}`", None),
    (lambda p: p.before in OPERATORS and p.token in OPERATORS,
     "missing-operand", "something is missing between `{before}` and `{token}`", None),
    (lambda p: p.wants_value and p.token in (")", "]") and p.before in ("(", "["),
     "missing-operand", "something is missing between `{before}` and `{token}`", None),
    (lambda p: p.wants_value and p.token in OPERATORS,
     "missing-operand", "something is missing before `{token}`", None),
    (lambda p: p.token == "," and brackets.is_in_argument(p),
     "misplaced-comma", "several values of one argument are a list", brackets.as_list),
    (lambda p: p.token == "," and p.word == "return" and not brackets.is_in_brackets(p),
     "misplaced-comma", "several results stand in brackets", brackets.results_in_brackets),
    (lambda p: p.token == "," and p.word in FUNCTIONS and "LBRACE" in p.accepts,
     "misplaced-comma", "the types of several results stand in brackets", brackets.types_in_brackets),
    (lambda p: p.token == "," and re.match(r"\s*\([^()=]*\)\s*=[^=]", p.line) is not None
     and not p.wants_value and not brackets.is_in_brackets(p),
     "misplaced-comma", "several values stand in brackets, as their names do", brackets.values_in_brackets),
    (lambda p: p.token == "," and not p.wants_value and not p.named,
     "misplaced-comma", "several values are a list: they are stacked", brackets.as_list),
    (lambda p: p.is_operand and p.token == p.before and not p.named, "two-on-a-line", "`{token}` stands here twice", mend.once),
    (lambda p: p.token.isidentifier() and "STAR" in p.accepts and brackets.is_behind_group(p),
     "wrong-operator", "a product needs `*`", mend.before(" * ", "a product is written `2 * x`")),
    (lambda p: p.word == "data" and "COMMA" in p.accepts and re.match(r"\w+\s*:", p.rest) is not None,
     "missing-comma", "a `,` is missing before this", mend.comma),
    (lambda p: "COMMA" in p.accepts and bool(p.accepts & {"RPAR", "RSQB"}) and (p.is_operand or p.token in ("(", "[")),
     "missing-comma", "a `,` is missing before this", mend.comma),
    (lambda p: p.token in STATEMENTS and "NEWLINE" in p.accepts,
     "two-on-a-line", "each statement has a line of its own", mend.new_line),
    (_all(lambda p: p.is_operand and p.named, lambda p: p.token in words.DISTRIBUTIONS),
     "missing-equals", "a `~` is missing before this: it is drawn", mend.tilde),
    (lambda p: p.is_operand and (p.named or p.accepts == {"EQUAL"}),
     "missing-equals", "an `=` is missing before this", mend.equals("write `=` before this")),
    (lambda p: p.named and p.token == "(" and p.line.endswith(" "),
     "missing-equals", "an `=` is missing before this", mend.equals("write `=` before this")),
    (lambda p: p.named and not p.is_operand and p.block == "claim",
     "no-effect", "this does nothing: what has to hold is a `check`", mend.check),
    (lambda p: p.named and not p.is_operand,
     "no-effect", "this does nothing: give its result a name", "write `y = ...` or `return ...`"),
    (lambda p: p.is_operand and "NEWLINE" in p.accepts,
     "two-on-a-line", "this has no place here: an operator or a new line is missing before it", None),
    (lambda p: p.token in ("", "\n"), "unfinished", "this line is not finished", None),
]  # fmt: skip

REST: list[Rule] = [
    (
        lambda p: p.token == ")" and mend.plain_name(p) is not None,
        "syntax",
        "`{token}` has no place here",
        mend.plain_name,
    ),
]

RULES: list[Rule] = [
    *CHARACTERS,
    *FOREIGN,
    *NAMES,
    *WRONG_OPERATORS,
    *MISSING_TYPES,
    *EQUALS,
    *BLOCKS,
    *OPERANDS,
    *REST,
]
