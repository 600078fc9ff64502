"""Single faults of source code: where one can be put, and the text with it."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
# What is no code of the compiler: types, messages, the inputs that the tests take from an operation, checks of our own.
UNTOUCHED_NAMES = {"cases", "__all__", "doc", "summary", "title"}
UNTOUCHED_CALLS = {"Diagnostic", "MaiError", "Case", "Sample", "TypeVar", "field", "dataclass"}
TYPED_CALLS = {"isinstance", "issubclass", "getattr", "hasattr", "cast"}  # swapped, these fail at once


@dataclass(frozen=True, slots=True)
class Fault:
    """One change: the bytes from `start` to `end` of a file become `after`."""

    path: str
    line: int
    kind: str
    start: int
    end: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """The same fault has the same name while its own text stands, wherever it moves in the file."""
        return f"{self.path}: {self.kind}: {self.before} -> {self.after}"

    def applied(self, raw: bytes) -> bytes:
        return raw[: self.start] + self.after.encode() + raw[self.end :]


Change = tuple[str, ast.AST, ast.AST]  # what kind of fault, the node, what stands in its place


def changes_of(node: ast.AST) -> Iterator[Change]:
    """The faults that one node can have."""
    for change in CHANGES.get(type(node), ()):
        yield from change(node)


def _operator(node: Any) -> Iterator[Change]:
    if type(node.op) in OPERATORS:
        yield "operator", node, _with(node, op=OPERATORS[type(node.op)]())


def _comparison(node: Any) -> Iterator[Change]:
    if len(node.ops) == 1 and type(node.ops[0]) in OPERATORS:
        yield "comparison", node, _with(node, ops=[OPERATORS[type(node.ops[0])]()])


def _dropped_condition(node: Any) -> Iterator[Change]:
    for place in range(len(node.values)):
        left = [v for i, v in enumerate(node.values) if i != place]
        yield "dropped condition", node, left[0] if len(left) == 1 else _with(node, values=left)


def _dropped_filter(node: Any) -> Iterator[Change]:
    for place, part in enumerate(node.generators):
        if part.ifs:
            parts = [_with(p, ifs=[]) if i == place else p for i, p in enumerate(node.generators)]
            yield "dropped filter", node, _with(node, generators=parts)


def _off_by_one(node: Any) -> Iterator[Change]:
    if type(node.value) is int:
        yield "off by one", node, ast.Constant(node.value + 1)
    elif type(node.value) is bool:
        yield "negated", node, ast.Constant(not node.value)


def _sign(node: Any) -> Iterator[Change]:
    if isinstance(node.op, ast.Not):
        yield "negated", node, node.operand
    elif isinstance(node.op, ast.USub):
        yield "sign", node, node.operand


def _negated(node: Any) -> Iterator[Change]:
    yield "negated", node.test, ast.UnaryOp(ast.Not(), node.test)


def _swapped_arguments(node: Any) -> Iterator[Change]:
    first, last = node.args[:2], node.args[2:]
    if len(first) < 2 or any(isinstance(a, ast.Starred) for a in first) or _name_of(node.func) in TYPED_CALLS:
        return
    if ast.dump(first[0]) != ast.dump(first[1]):
        yield "swapped arguments", node, _with(node, args=[first[1], first[0], *last])


def _removed(node: Any) -> Iterator[Change]:
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call):
        return
    if isinstance(node, ast.Assign) and not isinstance(node.targets[0], (ast.Attribute, ast.Subscript)):
        return
    yield "removed", node, ast.Pass()


CHANGES: dict[type[ast.AST], tuple[Callable[[Any], Iterator[Change]], ...]] = {
    ast.BinOp: (_operator,),
    ast.AugAssign: (_operator, _removed),
    ast.Compare: (_comparison,),
    ast.BoolOp: (_operator, _dropped_condition),
    ast.ListComp: (_dropped_filter,),
    ast.GeneratorExp: (_dropped_filter,),
    ast.SetComp: (_dropped_filter,),
    ast.DictComp: (_dropped_filter,),
    ast.Constant: (_off_by_one,),
    ast.UnaryOp: (_sign,),
    ast.If: (_negated,),
    ast.IfExp: (_negated,),
    ast.While: (_negated,),
    ast.Call: (_swapped_arguments,),
    ast.Expr: (_removed,),
    ast.Assign: (_removed,),
}


def _with(node: Any, **fields: Any) -> Any:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _name_of(func: ast.AST) -> str:
    return getattr(func, "id", getattr(func, "attr", ""))


def _touched(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what is inside it, but for types, messages, decorators and the data that only tests read."""
    if isinstance(node, (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)):
        return
    if isinstance(node, ast.Call) and _name_of(node.func) in UNTOUCHED_CALLS:
        return
    if isinstance(node, ast.If) and _name_of(node.test) == "TYPE_CHECKING":
        return
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if any(isinstance(t, ast.Name) and t.id in UNTOUCHED_NAMES for t in targets):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "slice"} and not isinstance(node, ast.Subscript):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _touched(child)


def faults_of(path: Path, root: Path) -> list[Fault]:
    """Every fault that one file can have, in the order of the text."""
    text = path.read_text(encoding="utf-8")
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    faults = []
    for node in _touched(ast.parse(text)):
        for kind, old, new in changes_of(node):
            start, end = starts[old.lineno - 1] + old.col_offset, starts[old.end_lineno - 1] + old.end_col_offset  # type: ignore[attr-defined]
            before = text.encode()[start:end].decode()
            after = ast.unparse(ast.fix_missing_locations(new))
            if isinstance(new, (ast.BinOp, ast.BoolOp, ast.Compare, ast.UnaryOp)) and "\n" not in after:
                after = f"({after})"
            faults.append(Fault(str(path.relative_to(root)), old.lineno, kind, start, end, before, after))  # type: ignore[attr-defined]
    return faults


def _changes_meaning(fault: Fault, raw: bytes) -> bool:
    try:
        changed = ast.dump(ast.parse(fault.applied(raw)))
    except (SyntaxError, ValueError):
        return False
    return changed != ast.dump(ast.parse(raw))


def chosen(paths: Sequence[Path], root: Path, count: int, seed: int, without: Collection[str] = ()) -> list[Fault]:
    """`count` faults: files in a random order, over and over, one fault of each, kinds evenly.

    Those whose names are in `without` are passed over, and others that come after all take their places.
    """
    generator = random.Random(seed)
    left = {path: faults_of(path, root) for path in paths}
    order = [path for path in paths if left[path]]
    generator.shuffle(order)
    picked: list[Fault] = []
    used = dict.fromkeys(sorted({f.kind for faults in left.values() for f in faults}), 0)
    while len(picked) < count and any(left.values()):
        for path in [p for p in order if left[p]]:
            if len(picked) == count:
                break
            rarest = min({f.kind for f in left[path]}, key=lambda kind: (used[kind], kind))
            fault = generator.choice([f for f in left[path] if f.kind == rarest])
            left[path].remove(fault)
            if not _changes_meaning(fault, path.read_bytes()):
                continue
            used[rarest] += 1
            if fault.name not in without:
                picked.append(fault)
    return picked
