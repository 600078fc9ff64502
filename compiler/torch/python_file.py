"""A program as one readable PyTorch file that runs on its own."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from math import prod
from pathlib import Path
from types import FunctionType
from typing import Any

from torch import Tensor, nn

from mai.compiler.ir.graph import COMPUTED, Graph, Initial, Weight
from mai.compiler.ir.operation import Operation
from mai.compiler.ops.products.chosen import ChosenAffine
from mai.compiler.ops.random import choice, philox
from mai.compiler.ops.random import random_numbers as random
from mai.compiler.ops.random.choice import Choose
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.random.words import NumpyWords, TorchWords, WholeWords, Words, schedule
from mai.compiler.passes.forms import readable
from mai.compiler.program import Program
from mai.compiler.torch.calls import chosen_call as chosen
from mai.compiler.torch.calls import draw_calls as draws
from mai.compiler.torch.names import writable
from mai.compiler.torch.parameters import first_value
from mai.compiler.torch.python_source import INDENT, TAKEN, forward

MOST_WRITTEN = 1000  # Numbers of a weight's first value.
HEADER = '''\
"""{title}

Written by mai from {file}. Each class is an export; trained weights load by
`model.load_state_dict(safetensors.torch.load_file("weights.safetensors"), strict=False)`.
"""
'''
TORCH = "import torch\nfrom torch import Tensor, nn\nfrom torch.nn import functional as F"
GENERATOR = """\
from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi
from typing import Any, Generic, TypeVar

"""
GENERAL = """\
N, S, W, X = TypeVar("N"), TypeVar("S"), TypeVar("W"), TypeVar("X")  # Numbers, a size, words and a value of a library, torch here.
Pair = Callable[[Sequence[int], Sequence[int]], N]
Arrays = Any"""
WORDS = (Words, WholeWords, NumpyWords, TorchWords)
Tree = dict[str, Any]


class Group(nn.Module):
    """Parameters, buffers and groups of them, by name; so `state_dict` has the names of the spec."""

    def __init__(self, /, **members: Tensor | nn.Module) -> None:
        super().__init__()
        for name, member in members.items():
            if isinstance(member, nn.Module):
                self._modules[name] = member
            elif isinstance(member, nn.Parameter):
                self._parameters[name] = member
            else:
                self._buffers[name] = member

    def __getitem__(self, name: str) -> Tensor | nn.Module:
        """A member whose name Python cannot say, or `nn.Module` has."""
        for members in (self._modules, self._parameters, self._buffers):
            member = members.get(name)
            if member is not None:
                return member
        raise KeyError(name)


def source(program: Program, exports: Iterable[str]) -> str:
    """The text of the file: what it needs, then a module for each export, with the spec's names and shapes.

    A `repeat` stays a loop, over the list of its turns' weights. A module's `forward` takes the export's inputs with
    the batch as their first axis, then its settings as numbers, and gives the output or a tuple of outputs.
    """
    graphs = {name: readable(program.exports[name]) for name in exports}
    used = {n.op for g in graphs.values() for n in g.walk()}
    drawn = {op for op in used if issubclass(op, Draw)}
    title = (program.title or program.name).replace("\\", r"\\").replace('"""', "'''")
    head = HEADER.format(title=title, file=Path(program.source.path).name)
    parts = [f"{head}\n{GENERATOR if drawn else ''}{TORCH}", inspect.getsource(Group)]
    parts += [_module(program, name, graph) for name, graph in graphs.items()]
    parts += _generator(drawn) if drawn else []
    parts += _choice() if Choose in used else []
    parts += _chosen() if ChosenAffine in used else []
    return "\n\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _generator(drawn: set[type[Draw]]) -> list[str]:
    """The text of the generator and of the draws that are made: what mai itself runs, without the other backends."""
    constants = [f"{name} = {value!r}" for name, value in vars(philox).items() if isinstance(value, (int, tuple))]
    parts = ["\n".join([*constants, f"Sizes = {draws.Sizes!r}", GENERAL])]
    parts += [inspect.getsource(f) for f in (philox.key_schedule, philox.philox, schedule, *WORDS)]
    parts.append(_class_of("Draw", Draw, (Draw.torch, Draw._drawn)))
    for draw in sorted(drawn, key=lambda d: d.name):
        own = [getattr(draw, name) for name in ("elements", "_drawn") if name in vars(draw)]
        parts.append(_class_of(f"{draw.__name__}(Draw)", draw, own))
        parts.append(_call_of(draws.DRAWS[draw]))
    return parts


def _call_of(function: object) -> str:
    """The text of a call of an operation, which asks the class itself for its lowering."""
    assert isinstance(function, FunctionType)
    return re.sub(r"_lowering\((\w+)\)", r"\1.torch", inspect.getsource(function))


def _choice() -> list[str]:
    """The text of the choice of a token."""
    constants = "\n".join(f"{name} = {value!r}" for name, value in vars(choice).items() if isinstance(value, float))
    own = _class_of("Choose", Choose, (Choose.torch,))
    return [constants, inspect.getsource(choice._typical_of_tensors), own, _call_of(draws.choose)]


def _chosen() -> list[str]:
    """The text of products with chosen matrices."""
    called = inspect.getsource(chosen.chosen_affine).replace("@fx.wrap\n", "").replace(": type[Operation]", "")
    return [_class_of("ChosenAffine", ChosenAffine, (ChosenAffine.torch,)).replace("torch: Arrays", "torch"), called]


def _class_of(head: str, draw: type[Operation], methods: Iterable[Any]) -> str:
    """A class with some of its methods."""
    text = "\n".join(inspect.getsource(method) for method in methods)
    return f'class {head}:\n{INDENT}"""{(inspect.getdoc(draw) or "").partition(".")[0]}."""\n\n{text}'


def _module(program: Program, name: str, graph: Graph) -> str:
    lines = [f"class {_class(name)}(Group):", f'{INDENT}"""The export `{name}` of `{program.name}`."""', ""]
    if graph.weights:
        lines += [f"{INDENT}def __init__(self):", f"{INDENT * 2}super().__init__("]
        lines += _members(_tree(graph.weights.values()), INDENT * 3)
        lines += [f"{INDENT * 2})", ""]
    return "\n".join([*lines, *(INDENT + line for line in forward(graph))])


def _tree(weights: Iterable[Weight]) -> Tree:
    """The weights by the parts of their names; a list's turns are one entry, `{}`, with their number beside it."""
    root: Tree = {}
    for weight in weights:
        *path, last = weight.name.split(".")
        owner, counts = root, iter(weight.counts)
        for part in path:
            owner = owner.setdefault(part, {})
            if part == "{}":
                owner["*"] = next(counts)
        owner[last] = weight
    return root


def _members(tree: Tree, indent: str) -> list[str]:
    """`name=...,` for each entry of a group."""
    lines = []
    for name, entry in tree.items():
        opening, closing = (f"{name}=", ",") if writable(name) else (f"**{{{name!r}: ", "},")
        if name != "*":
            lines += _entry(entry, f"{indent}{opening}", f"{closing}", indent)
    return lines


def _entry(entry: Any, opening: str, closing: str, indent: str) -> list[str]:
    if isinstance(entry, Weight):
        return [f"{opening}{_first(entry)}{closing}"]
    if "{}" not in entry:
        return [f"{opening}Group(", *_members(entry, indent + INDENT), f"{indent}){closing}"]
    turns = entry["{}"]
    inner = indent + INDENT
    body = [f"{inner}Group(", *_members(turns, inner + INDENT), f"{inner})"]
    return [f"{opening}nn.ModuleList(", *body, f"{inner}for _ in range({turns['*']})", f"{indent}){closing}"]


def _first(weight: Weight) -> str:
    """A weight with its first value."""
    value = _initial(weight.init, weight.shape) if weight.init.graph is None else _table(weight)
    return f"nn.Parameter({value})" if weight.trained else value


def _table(weight: Weight) -> str:
    """Numbers that the file says, NaN for more than are readable: they come with the weights."""
    if prod(weight.shape) > MOST_WRITTEN:
        return f"torch.full({weight.shape}, torch.nan)"
    return f"torch.tensor({first_value(weight, 0).tolist()})"


def _initial(init: Initial, shape: tuple[int, ...]) -> str:
    if init.kind == "identity":
        return f"torch.eye({', '.join(map(str, shape))})"
    if init.kind in ("constant", COMPUTED):
        return {0.0: f"torch.zeros({shape})", 1.0: f"torch.ones({shape})"}.get(
            init.numbers[0], f"torch.full({shape}, {init.numbers[0]!r})"
        )
    return f"torch.empty({shape}).{init.kind}_({', '.join(f'{n:.6g}' for n in init.numbers)})"


def _class(export: str) -> str:
    """The export's name as a class has it, unless the file has a class of that name."""
    name = "".join(part.capitalize() for part in export.split("_"))
    return f"{name}Export" if name in TAKEN or hasattr(random, name) else name
