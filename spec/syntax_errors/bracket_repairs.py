"""Repairs of brackets: where the partner of one that has none may be missing, which may be too many, which are missing or of the other kind."""

from __future__ import annotations

import re

from mai.spec.parsing.layout import DECLARATIONS
from mai.spec.syntax_errors.syntax_place import Draft, Place, draft

PARTNER = {"(": ")", "[": "]", "{": "}"}
OPERATOR = re.compile(r"[-+*/@^%<>=|]|\b(?:and|or|not)\b")
BEHIND = re.compile(
    r"(?<=[\s\])])(?:from|over|every|until|using|keep|as)\b"
)  # Words that stand behind brackets, and not in them.
GROUP = re.compile(r"\([^()\[\]]*\)|\[[^()\[\]]*\]")
MAX_DRAFTS = 8
LONGEST = 30  # Characters of the text that are repeated in a help.
NEW_LINE = "\n"


def partners(text: str, at: int) -> tuple[Draft, ...]:
    """Where the bracket at `at` may be closed; only one of the places may be right."""
    return _block(text, at) if text[at] == "{" else _closed(text, at)


def without(text: str, at: int) -> Draft | None:
    """The text without the bracket at `at`; None where its partner may have been lost instead."""
    line = text.rfind("\n", 0, at) + 1
    before = text[max(line, *(text.rfind(c, line, at) + 1 for c in "{}")) : at]
    if text[at] != "}" and OPERATOR.search(_flat(before.split("=", 1)[-1])):
        return None
    alone = not text[line:at].strip() and text[at + 1 : at + 2] in ("", "\n")
    begin = line if alone else len(text[:at].rstrip(" "))
    return Draft("take it out", ((begin, at + 1 + alone, ""),))


def opened(text: str, at: int) -> tuple[Draft, ...]:
    """Where the block that a `}` of its own line closes may begin: at the end of the line above it that is no deeper."""
    begin = text.rfind("\n", 0, at) + 1
    if text[at] != "}" or text[begin:at].strip():
        return ()
    lines = [m for m in re.finditer(r"[^\n]*\S[^\n]*", text[:begin]) if len(_indent(m[0])) <= at - begin]
    head = lines[-1] if lines else None
    if head is None or head.end() + 1 == begin or len(_indent(head[0])) != at - begin or "}" in head[0]:
        return ()
    end = head.start() + len(head[0].rstrip())
    return (Draft(f"write `{{` at the end of line {text.count(NEW_LINE, 0, end) + 1}", ((end, end, " {"),)),)


def as_list(p: Place) -> Draft | str:
    """`axis = (1, 2)` for `axis = [1, 2]`."""
    begin, end = _opener(p.text, p.at), _closer(p.text, p.at)
    if begin is None or end is None:
        return "write `[a, b]`"
    items = p.text[begin + 1 : end].strip()
    shown = items if len(items) <= LONGEST and NEW_LINE not in items else "a, b"
    return Draft(f"write `[{shown}]`", ((begin, begin + 1, "["), (end, end + 1, "]")))


def names_in_brackets(p: Place) -> Draft | str:
    """`a, b = f(x)`."""
    match = re.match(r"((?:\s*,\s*\w+)+)\s*=", p.rest)
    if match is None:
        return "write `(a, b) = ...`"
    names = p.line.strip() + match[1]
    return draft(p.begin, p.at + len(match[1]), f"({names})", f"write `({names}) = ...`")


def fields_without_brackets(p: Place) -> Draft | str:
    """`data (x: [2], y: [])` for `data x: [2], y: []`."""
    match = re.match(r"\(\s*([^\n]*?)\s*\)(?=\s*from\b)", p.rest)
    if match is None:
        return "write `data x: [2], y: [] from ...`"
    return draft(p.at, p.at + len(match[0]), match[1], "write `data {} from ...`")


def square_brackets(p: Place) -> Draft | str:
    """`class(3)` for `class[3]`."""
    match = re.match(r"\(([^()\n]*)\)", p.rest)
    if match is None:
        return f"write `{p.before}[10]`"
    return draft(p.at, p.at + len(match[0]), f"[{match[1]}]", f"write `{p.before}{{}}`")


def results_in_brackets(p: Place) -> Draft:
    """return a, b."""
    begin = p.begin + len(p.word) + 1
    return draft(begin, p.stop, f"({p.text[begin : p.stop].strip()})", "write `return {}`")


def values_in_brackets(p: Place) -> Draft:
    """(a, b) = c, d."""
    begin = p.text.index("=", p.begin) + 1
    values = p.text[begin : p.stop].strip()
    return draft(begin, p.stop, f" ({values})", f"write `... = ({values})`")


def types_in_brackets(p: Place) -> Draft | str:
    """-> [2], [3]."""
    arrow = p.text.rfind("->", 0, p.at)
    end = p.text.find("{", p.at)
    if arrow < 0 or end < 0 or "\n" in p.text[arrow:end]:
        return "write `-> ([2], [])`"
    types = p.text[arrow + 2 : end].strip()
    return draft(arrow + 2, end, f" ({types}) ", f"write `-> ({types})`")


def is_in_brackets(p: Place) -> bool:
    """Whether a bracket of the statement is open at the place."""
    return _opener(p.text, p.at) is not None


def is_in_argument(p: Place) -> bool:
    """Whether the place is in brackets that are given as an argument: `f(x, axis = (1, 2))`."""
    begin = _opener(p.text, p.at)
    return begin is not None and p.text[:begin].rstrip().endswith("=") and _opener(p.text, begin) is not None


def is_behind_group(p: Place) -> bool:
    """Whether the place is right behind brackets around a value, which no call and no list has: `(1 - s)x`."""
    begin = _opener(p.text, p.at - 1) if p.before == ")" and p.gap == p.at else None
    return begin is not None and re.search(r"[\w\])]$", p.text[:begin]) is None


def _opener(text: str, at: int) -> int | None:
    """The innermost bracket that is open at a place, no brace among them."""
    depth = 0
    for k in range(at - 1, -1, -1):
        if text[k] in "{}":
            return None
        depth += (text[k] in ")]") - (text[k] in "([")
        if depth < 0:
            return k
    return None


def _closer(text: str, at: int) -> int | None:
    """The bracket that closes the innermost one that is open at a place."""
    depth = 0
    for k in range(at, len(text)):
        if text[k] in "{}":
            return None
        depth += (text[k] in "([") - (text[k] in ")]")
        if depth < 0:
            return k
    return None


def _flat(text: str) -> str:
    """The text without what stands in brackets."""
    while True:
        flat = GROUP.sub("_", text)
        if flat == text:
            return text
        text = flat


def _closed(text: str, at: int) -> tuple[Draft, ...]:
    right = PARTNER[text[at]]
    places, wrong = _ends(text, at)
    drafts = [
        Draft(f"write `{right}` after `{_tail(text[at + 1 : k])}`", ((k, k, right),))
        for k in places
        if _is_worth(text, at, k)
    ]
    if wrong is not None:
        drafts.insert(0, Draft(f"write `{right}` for `{text[wrong]}`", ((wrong, wrong + 1, right),)))
    return tuple(drafts[-MAX_DRAFTS:])


def _ends(text: str, at: int) -> tuple[list[int], int | None]:
    """The places where the contents of a bracket may end, after each operand; and the bracket of another kind that stops the search."""
    places: list[int] = []
    depth, k = 0, at + 1
    while k < len(text) and text[k] not in "\n{}":
        if text[k] in "([":
            depth += 1
        elif text[k] in ")]" and depth == 0:
            return [*places, len(text[:k].rstrip())], k
        elif text[k] in ")]":
            depth -= 1
        elif depth == 0 and k > at + 1 and (text[k] == "," or OPERATOR.match(text, k) or BEHIND.match(text, k)):
            places.append(len(text[:k].rstrip()))
        k += 1
    return list(dict.fromkeys([*places, len(text[:k].rstrip())])), None


def _is_worth(text: str, at: int, end: int) -> bool:
    """Brackets around one operand, or around brackets, are not what was meant."""
    inside, is_call = text[at + 1 : end].strip(), re.search(r"\w$", text[:at]) is not None
    if not inside or inside[-1] in ",=([":
        return False
    whole = GROUP.fullmatch(inside) is not None and inside.startswith(text[at])
    return not whole and (is_call or text[at] == "[" or OPERATOR.search(_flat(inside)) is not None)


def _block(text: str, at: int) -> tuple[Draft, ...]:
    """A block ends before the first line that is no deeper than its own, or before the next declaration."""
    following = DECLARATIONS.search(text, at)
    end = len(text[: following.start() if following else len(text)].rstrip())
    if "\n" not in text[at:end]:
        return (Draft("write `}` at the end of the line", ((end, end, " }"),)),)
    lines = [(m.start(), m[0]) for m in re.finditer(r"[^\n]+", text[:end]) if m.end() > at]
    drafts = [_after_line(text, lines, k) for k, (_, line) in enumerate(lines) if line.rstrip().endswith("{")]
    return tuple(
        Draft(f"write `}}` after line {text.count(NEW_LINE, 0, begin) + 1}", ((begin, begin, f"\n{own}}}"),))
        for begin, own in dict.fromkeys(drafts)
        if begin > at
    )


def _after_line(text: str, lines: list[tuple[int, str]], opener: int) -> tuple[int, str]:
    """Where the block that a line opens ends by its indent, unless it is closed there: else nowhere, before all."""
    own = _indent(lines[opener][1])
    inside = opener
    while inside + 1 < len(lines) and len(_indent(lines[inside + 1][1])) > len(own):
        inside += 1
    closed = inside + 1 < len(lines) and lines[inside + 1][1].strip().startswith("}")
    begin, line = lines[inside]
    return (-1, own) if closed or inside == opener else (begin + len(line.rstrip()), own)


def _tail(text: str) -> str:
    """The end of a text, short enough for a sentence."""
    text = text.strip()
    return text if len(text) <= LONGEST else "..." + text[-LONGEST:]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
