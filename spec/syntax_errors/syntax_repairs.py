"""Repairs of syntax errors: what to write at the place where the parser stopped. What no rule can know stays words."""

from __future__ import annotations

import re
from collections.abc import Callable

from mai.spec import words
from mai.spec.syntax_errors.syntax_place import OPERAND, Draft, Place, draft

Repair = Callable[[Place], Draft | str | None]
QUOTES = "“”‘’„«»"
KEYWORDS = frozenset(w.text for w in words.WORDS) | {"true", "false", "not", "and", "or"}
FREE_NAMES = "fghuvw"


def before(text: str, words: str) -> Repair:
    """A text before the place."""
    return lambda p: draft(p.at, p.at, text, words)


def shape_of_noise(p: Place) -> Draft:
    """`noise dB` for `noise dB: [1]`."""
    return draft(p.end, p.end, ": [1]", f"write `noise {p.token}: [1]`, or another shape")


def several(p: Place) -> Draft:
    """`[2]` for `real[2]`, `tokens[2]` for `token[2]`."""
    begin = p.gap - len(p.before)
    words = {"real": "leave `real` out: `[2]` is of real numbers", "token": "write `tokens`"}
    return draft(begin, p.at, {"real": "", "token": "tokens"}[p.before], words[p.before])


def one_list(p: Place) -> Draft:
    """`tokens[4, 9]` for `tokens[4][9]`."""
    return draft(p.gap - 1, p.end, ", ", "write `[4, 9]`")


def check(p: Place) -> Draft:
    """`a < b` for `check a < b`, in a claim."""
    return draft(p.begin, p.begin, "check ", "write `check` before it")


def comma(p: Place) -> Draft:
    """`f(x y)`."""
    return draft(p.gap, p.gap, ",", "write `,` before it")


def equals(words: str) -> Repair:
    """`y x` for `y = x`."""
    return lambda p: draft(p.gap, p.at, " = ", words)


def tilde(p: Place) -> Draft:
    """`x normal([2])` for `x ~ normal([2])`."""
    return draft(p.gap, p.at, " ~ ", "write `~` before this")


def once(p: Place) -> Draft:
    """`f(x, 3 3)` for `f(x, 3)`."""
    return draft(p.gap, p.end, "", "write it once")


def colon(p: Place) -> Draft:
    """`x [2]` for `x: [2]`."""
    return draft(p.gap, p.at, ": ", "write `x: [2]`")


def arrow(p: Place) -> Draft:
    """`f(x: [2]): [2]` and `f(x: [2]) [2]` for `f(x: [2]) -> [2]`."""
    begin = re.compile(r"[\s:]*").match(p.text, p.at)
    return draft(p.gap, begin.end() if begin else p.at, " -> ", "write `-> [2]`")


def mark(wrong: str, right: str, words: str = "write `{}`") -> Repair:
    """One operator for another; the parser may stop at any of its characters."""

    def repair(p: Place) -> Draft | str:
        for begin in range(p.at, p.at - len(wrong), -1):
            if begin >= 0 and p.text.startswith(wrong, begin):
                return draft(begin, begin + len(wrong), right, words.replace("{}", right.strip()))
        return words.replace("{}", right.strip())

    return repair


def word(sign: str, right: str) -> Repair:
    """`and` for `&` or `&&`, with spaces around it."""

    def repair(p: Place) -> Draft:
        begin = len(p.text[: p.at].rstrip(sign)) if sign != "!" else p.at
        end = p.at + len(p.rest) - len(p.rest.lstrip(sign))
        left = "" if p.text[:begin].endswith((" ", "(")) else " "
        return draft(begin, end, left + right + ("" if p.text[end : end + 1] == " " else " "))

    return repair


def power(p: Place) -> Draft:
    """`x ** 2`: the parser stops at one of the stars."""
    begin = p.at - p.text[: p.at].endswith("*")
    left = len(p.text[:begin].rstrip())
    after = re.compile(r"[*]+[ \t]*").match(p.text, begin)
    return draft(left, after.end() if after else p.end, "^", "write `x^2`")


def change(p: Place) -> Draft:
    """`x =+ 1` for `x += 1`."""
    return draft(p.at - 1, p.end, f"{p.token}=")


def increment(p: Place) -> Draft | str:
    """`x++`."""
    if p.line.strip() != p.word or p.rest[2:].split("\n")[0].strip(" }"):
        return "write `x += 1`"
    return draft(p.begin, p.at + 2, f"{p.word} {p.rest[0]}= 1")


def chain(p: Place) -> Draft | str:
    """`a < b < c` for `a < b and b < c`, where b is a name or a number."""
    middle = OPERAND.search(p.text[: p.gap])
    if middle is None:
        return "write `a < b and b < c`"
    return draft(p.gap, p.at, f" and {middle[0]} ", f"write `... and {middle[0]} {p.token} ...`")


def comment(p: Place) -> Draft:
    """`//` and `--` begin comments elsewhere."""
    match = re.compile(r"/[/*]+|-+").match(p.text, p.at)
    return draft(p.at, match.end() if match else p.end, "#")


def semicolon(p: Place) -> Draft:
    """At the end of a line it is taken out; elsewhere the next statement begins a line."""
    rest = p.rest.lstrip("; \t")
    if rest[:1] in ("", "\n", "}"):
        return draft(p.at, p.at + len(p.rest) - len(p.rest.lstrip(";")), "", "take it out")
    return draft(p.at, p.at + len(p.rest) - len(rest), "\n" + p.indent, "write a new line for it")


def plain_quotes(p: Place) -> Draft:
    """Typographic quotes, those of the rest of the line, too."""
    line = p.rest.split("\n")[0]
    places = [p.at + k for k, c in enumerate(line) if c in QUOTES]
    return Draft('write a plain "', tuple((k, k + 1, '"') for k in places))


def double_quotes(p: Place) -> Draft | str:
    """'text' for "text"."""
    close = p.rest.split("\n")[0].find("'", 1)
    if close < 0:
        return 'write "..."'
    return draft(p.at, p.at + close + 1, f'"{p.rest[1:close]}"')


def close_string(p: Place) -> Draft:
    """A quote at the end of the line, before the brackets that end it."""
    line = p.rest.split("\n")[0]
    begin = p.at + len(re.sub(r"[)\]\s]*(\{.*)?$", "", line))
    return draft(begin, begin, '"', 'write "..."')


def digits(p: Place) -> Draft | str:
    """1_000."""
    groups = re.match(r"[\d_]+(?!\w)", p.rest)
    before = re.search(r"\d[\d.]*(?:[eE][-+]?\d+)?$", p.line)
    if groups is None or before is None:
        return "write digits alone: `1000`"
    rest = groups[0].replace("_", "")
    return draft(p.at, p.at + len(groups[0]), rest, f"write `{before[0]}{rest}`")


def fraction(p: Place) -> Draft:
    """`1.` for `1.0`."""
    return draft(p.gap, p.gap, "0", "write `1.0`")


def without_word(words: str) -> Repair:
    """`const y = 3` for `y = 3`."""
    return lambda p: Draft(words, ((p.begin, p.begin + len(p.word) + 1, ""),))


def first_word(right: str, words: str = "write `{}`") -> Repair:
    """Another word to begin the statement."""
    return lambda p: draft(p.begin, p.begin + len(p.word), right, words)


def name(p: Place) -> Draft:
    """A net without a name gets one that the file does not have."""
    free = next((n for n in FREE_NAMES if not re.search(rf"\b{n}\b", p.text)), "new")
    return draft(p.at, p.at, free, "write `{}`, or a name of yours")


def quoted(p: Place) -> Draft | str:
    """import layers."""
    match = re.match(r"[\w./]+", p.rest)
    if match is None:
        return 'write `import "layers.mai"`'
    path = match[0].removesuffix(".mai").replace(".", "/")
    file = path if path.startswith("std/") else f"{path}.mai"
    return draft(p.at, p.at + len(match[0]), f'"{file}"', f'write `import "{file}"`')


def without_type(p: Place) -> Draft | str:
    """`y: [2] = x` for `y = x`."""
    match = re.match(r":[^=\n]*", p.rest)
    if match is None or not p.assigns_later:
        return "write `y = ...`"
    if re.match(r"\s*=\s*param\b", p.rest[len(match[0]) :]):
        return f"write `param {p.word}{match[0].rstrip()}` for parameters that are trained"
    return draft(p.at, p.at + len(match[0]), " ", f"write `{p.word} = ...`")


def result_in_block(p: Place) -> Draft | str:
    """`export f(x: [2]) -> [2] = g(x)` for `export f(x: [2]) -> [2] { return g(x) }`."""
    value = p.text[p.end : p.stop].strip()
    return draft(p.at, p.stop, f"{{ return {value} }}") if value else "write `{ return ... }`"


def loop(p: Place) -> Draft | str:
    """`for i in range(3) {` for `repeat 3 as i {`."""
    line = p.text[p.begin :].split("\n")[0]
    python = re.match(r"for\s+(\w+)\s+in\s+range\((\w+)\)\s*:", line)
    if python is not None:
        return f"write `repeat {python[2]} as {python[1]} {{ ... }}`"
    ending = re.match(r"while\s+(.+?)\s*(?=\{)", line)
    if ending is not None:
        turns = f"repeat 100 until not ({ending[1]}) "
        return draft(p.begin, p.begin + ending.end(), turns, "write `{} { ... }`, for at most 100 turns")
    match = re.match(r"for\s+(\w+)\s+in\s+(?:range\(([^(),]*)\)|([^(){,]*?))\s*(?=\{)", line)
    count = (match[2] or match[3] or "") if match else ""
    if match is None or not count or ".." in count:
        return "write `repeat 3 as i { ... }`"
    return draft(p.begin, p.begin + match.end(), f"repeat {count} as {match[1]} ")


def minimize(p: Place) -> Draft | str:
    """`maximize e` for `minimize -(e)`."""
    begin = p.begin + len(p.word)
    if p.rest[:1] == "=" or not p.text[begin : p.stop].strip():
        return "write `minimize -e`"
    value = p.text[begin : p.stop].strip()
    return draft(p.begin, p.stop, f"minimize -({value})", "write `minimize -e`")


def braces(p: Place) -> Draft | str:
    """`repeat 3:` and deeper lines below it; the block ends with the last of these."""
    words = "write `{` here, and `}` after the block"
    line = p.text[p.text.rfind("\n", 0, p.at) + 1 : p.at]
    own = line[: len(line) - len(line.lstrip())]
    if p.rest[1:].split("\n")[0].strip():
        return words
    below = re.compile(rf"(?:[ \t]*\n|{own}[ \t]+\S[^\n]*(?:\n|$))*").match(p.text, p.at + p.rest.find("\n") + 1)
    end = len(p.text[: below.end()].rstrip()) if below else p.end
    return Draft(words, ((p.gap, p.end, " {"), (end, end, f"\n{own}}}"))) if end > p.end else words


def brace_below(p: Place) -> Draft:
    """The brace of a block stands on the next line."""
    return Draft("put the `{` here", ((p.gap, p.at + len(p.rest) - len(p.rest.lstrip()), " "),))


def until_behind(p: Place) -> Draft | str:
    """`integrate ... using rk4(20) until x < 0 { ... }`, whose condition goes behind the block."""
    condition = re.match(r"until\s+([^{}\n]+?)\s*\{", p.rest)
    if condition is None:
        return "write `} until ... as hit`"
    words = f"write `}} until {condition[1]}` behind the block"
    opened = p.at + condition.end() - 1
    closed = _closing(p.text, opened)
    return Draft(words, ((p.at, opened, ""), (closed, closed, f" until {condition[1]}"))) if closed else words


def _closing(text: str, opened: int) -> int:
    """Behind the `}` of the `{` at a place; 0 where there is none."""
    depth = 0
    for mark in re.finditer(r"#[^\n]*|[{}]", text[opened:]):
        depth += {"{": 1, "}": -1}.get(mark[0], 0)
        if mark[0] == "}" and depth == 0:
            return opened + mark.end()
    return 0


def until_before_keep(p: Place) -> Draft:
    """`} keep x as xs until x < 0`."""
    ending = p.text[p.at : p.stop]
    return Draft("put it before `keep`", ((p.begin, p.begin, f"{ending} "), (p.gap, p.stop, "")))


def without_times(p: Place) -> Draft | str:
    """`keep x at times as xs` behind a `repeat`."""
    times = re.match(r"at\b[^\n]*?[ \t](?=as\b)", p.rest)
    if times is None:
        return "write `keep x as xs`"
    return draft(p.at, p.at + times.end(), "", f"leave out `{times[0].strip()}`")


def solver(p: Place) -> Draft:
    """An integral that does not say how it is solved."""
    return draft(p.gap, p.gap, " using rk4(20)", "write `using rk4(20)` before the block")


def range_from_zero(p: Place) -> Draft | str:
    """`integrate s in 1` for `integrate s in 0..1`, and `integrate s in 0:1` or `in 0, 1`."""
    match = re.search(r"\bin\s+([\w.]+)\s*$", p.line)
    if match is None:
        return "write `in 0..1`"
    end = re.match(r"[:,]\s*([\w.]+)", p.rest)
    if end is not None:
        return draft(p.gap, p.at + len(end[0]), f"..{end[1]}", f"write `in {match[1]}..{end[1]}`")
    begin = p.at - len(p.line) + match.start(1)
    return draft(begin, begin, "0..", f"write `in 0..{match[1]}`")


def report(p: Place) -> Draft | str:
    """`report m = mean(x)` for `report mean(x) as m`."""
    name = re.search(r"\breport\s+(\w+)\s*$", p.line)
    value = re.match(r"=\s*([^=\n,][^\n,]*?)\s*$", p.text[p.at : p.stop])
    if name is None or value is None:
        return "write `report mean(e) as error`"
    return draft(p.at - len(p.line) + name.start(1), p.stop, f"{value[1]} as {name[1]}")


def percent(p: Place) -> Draft:
    """`90%` for `0.9`; the parser stops behind it."""
    number = re.search(r"(\d+(?:\.\d+)?)\s*%(?=\s*$)", p.text[: p.at])
    assert number is not None  # as the rule asks
    share = f"{float(number[1]) / 100:.12g}"
    return draft(number.start(), number.end(), share, f"`%` is the remainder: write `{share}` for a share")


def range_from_words(p: Place) -> Draft | str:
    """`integrate s from 0 to 1` for `integrate s in 0..1`."""
    match = re.match(r"from\s+(\S+)\s+to\s+(\S+)", p.rest)
    if match is None:
        return "write `integrate s in 0..1 using rk4(20)`"
    return draft(p.at, p.at + len(match[0]), f"in {match[1]}..{match[2]}")


def list_of_values(p: Place) -> Draft | str:
    """`{a, b}` for `[a, b]`, and `{a}` for `a`."""
    match = re.match(r"\{\s*([^{}\n:=]+?)\s*\}", p.rest)
    if match is None:
        return "write `[a, b]` for a list"
    right = f"[{match[1]}]" if "," in match[1] else match[1]
    return draft(p.at, p.at + len(match[0]), right)


def constant(p: Place) -> Draft | None:
    """`y = 3` at the top of a file: a `const`, or a `let` where it is no plain number."""
    if re.match(r"\w+\s*\([^\n]*\)\s*->[^\n]*\{", p.rest):
        return draft(p.at, p.at, "net ", "write `net {token}(...)`")
    match = re.match(r"\w+\s*=\s*([^=\n].*)", p.rest)
    if match is None:
        return None
    kind = "const" if re.fullmatch(r"[-\d.e+*/^() ]+", match[1].strip()) else "let"
    return draft(p.at, p.at, f"{kind} ", f"write `{kind} {p.token} = ...`")


def end_line_before(p: Place) -> Draft:
    """A line that begins with an operator: it goes on from the line before, which ends with it."""
    after = p.at + len(p.token)
    skip = after + len(p.text[after:]) - len(p.text[after:].lstrip(" \t"))
    return Draft("end the line before with `{token}`", ((p.gap, p.gap, f" {p.token}"), (p.at, skip, "")))


def parameters(p: Place) -> Draft | str:
    """A function without parameters, whose body reads one name: of the type of its result."""
    usual = "write `net f(x: [2]) -> [2] { ... }`"
    match = re.match(r"\s*->\s*(\[[^\]\n]*\])\s*\{([^{}]*)\}", p.text[p.gap :])
    if match is None:
        return usual
    read = set(re.findall(r"[^\W\d]\w*(?!\w*\s*[(=])", match[2])) - KEYWORDS - set(re.findall(r"(\w+)\s*=", match[2]))
    if len(read) != 1:
        return usual
    text = f"({read.pop()}: {match[1]})"
    return draft(p.gap, p.gap, text, "write `{}` after the name")


def plain_name(p: Place) -> Draft | None:
    """`(y) = x`."""
    match = re.search(r"\(\s*(\w+)\s*$", p.line)
    if match is None or not re.match(r"\)\s*=[^=]", p.rest):
        return None
    return draft(p.at - len(match[0]), p.end, match[1], "write `{} = ...`")


def new_line(p: Place) -> Draft:
    """Two statements on one line."""
    return draft(p.gap, p.at, "\n" + p.indent, "begin a new line with it")
