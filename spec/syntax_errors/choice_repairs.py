"""Repairs of choices as other languages write them: mai's is `where(condition, a, b)`."""

from __future__ import annotations

import re
from collections.abc import Callable

from mai.spec.syntax_errors.bracket_repairs import is_in_brackets
from mai.spec.syntax_errors.syntax_place import OPERAND, Draft, Place, draft


def choice(p: Place) -> Draft | str:
    """`y = a if c else b`."""
    return _choice(p, r"if\s+(.+?)\s+else\s+(.+)$", lambda before, c, b: (c, before, b))


def choice_inside(p: Place) -> Draft | str:
    """`f(a if c else b)`, of names and numbers."""
    first, match = OPERAND.search(p.text[: p.gap]), re.match(r"if\s+([\w.]+)\s+else\s+([\w.]+)(?=\s*[,)\]])", p.rest)
    if first is None or match is None or not p.text[: first.start()].rstrip().endswith(("(", "[", ",")):
        return "write `where(condition, a, b)`"
    return draft(first.start(), p.at + len(match[0]), f"where({match[1]}, {first[0]}, {match[2]})")


def choice_by_mark(p: Place) -> Draft | str:
    """`y = c ? a : b`; inside of brackets it is not told where the condition begins."""
    if is_in_brackets(p):
        return "write `where(condition, a, b)`"
    return _choice(p, r"\?\s*(.+?)\s*:\s*(.+)$", lambda before, a, b: (before, a, b))


def _choice(p: Place, form: str, order: Callable[[str, str, str], tuple[str, str, str]]) -> Draft | str:
    """A choice of another language; `order` makes of what stands before the place, and of the form's groups, what `where` takes."""
    condition = re.search(r"(?:=|\breturn\b)\s*(.+?)\s*$", p.line)
    match = re.match(form, p.text[p.at : p.stop])
    if condition is None or match is None:
        return "write `where(condition, a, b)`"
    return draft(
        p.at - len(p.line) + condition.start(1), p.stop, f"where({', '.join(order(condition[1], match[1], match[2]))})"
    )
