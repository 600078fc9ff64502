"""A program as one readable PyTorch file that runs on its own."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from torch import fx

from mai.compiler import passes
from mai.compiler.ir.graph import Graph, Weight
from mai.compiler.ops.random import Draw
from mai.compiler.program import Program
from mai.compiler.torch.loops import loop
from mai.compiler.torch.module import lower
from mai.compiler.torch.weights import Weights

HEADER = '''\
"""{title}

Made by mai from {file}. Weights load with `model.load_state_dict(safetensors.torch.load_file("weights.safetensors"))`.
"""

import torch
from torch import nn
'''
LOOP = "\n\n" + inspect.getsource(loop).replace("@fx.wrap\n", "").replace("body: Body", "body")
DRAWS = '''

MASK, WORD = 0xFFFFFFFF, 1 << 32


def random_words(seed, turn, example, place, count):
    """Philox4x32-10 on the counter (block, example, turn, place) with the key `seed`."""
    column = lambda x: x[..., None, None]
    even = torch.arange((count + 3) // 4)[:, None] * torch.tensor([1, 0]) + column(turn) * torch.tensor([0, 1])
    odd = column(example) * torch.tensor([1, 0]) + torch.tensor([0, place])
    key = (column(seed) & MASK) * torch.tensor([1, 0]) + ((column(seed) // WORD) & MASK) * torch.tensor([0, 1])
    even, odd = even & MASK, odd & MASK
    for turn_of_key in range(10):
        product = even.flip(-1) * torch.tensor([0xCD9E8D57, 0xD2511F53])
        low = product & MASK
        high = ((product - low) // WORD) & MASK
        step = torch.tensor([turn_of_key * 0x9E3779B9 & MASK, turn_of_key * 0xBB67AE85 & MASK])
        even, odd = high ^ odd ^ ((key + step) & MASK), low
    return even, odd


def unit(words):
    return ((words // 512).float() + 0.5) * 2.0**-23


def finish(words, shape, lead):
    count = torch.Size(shape).numel()
    return words.reshape(*lead, -1)[..., :count].reshape(*lead, *shape)


def random_bits(seed, turn, example, place, shape, lead):
    """Whole numbers below 2^32."""
    return finish(torch.stack(random_words(seed, turn, example, place, torch.Size(shape).numel()), -1), shape, lead)


def random_uniform(seed, turn, example, place, shape, lead):
    """Reals strictly between 0 and 1."""
    even, odd = random_words(seed, turn, example, place, torch.Size(shape).numel())
    return finish(unit(torch.stack([even, odd], -1)), shape, lead)


def random_normal(seed, turn, example, place, shape, lead):
    """Standard normal reals, by Box and Muller's formula."""
    even, odd = random_words(seed, turn, example, place, torch.Size(shape).numel())
    radius, angle = torch.sqrt(-2.0 * torch.log(unit(even))), unit(odd) * (2 * torch.pi)
    return finish(torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], -1), shape, lead)
'''


def source(program: Program, exports: Iterable[str]) -> str:
    """The file: what it needs, then a module for each export, with the spec's names and shapes."""
    graphs = {name: passes.prepare(program.exports[name]) for name in exports}
    nodes = [n for g in graphs.values() for n in g.walk()]
    text = HEADER.format(title=program.title or program.name, file=program.source.path)
    if any(n.op.name == "loop" for n in nodes):
        text += re.sub(r": tuple\[[^\]]*\.\.\.\]|: Tensor|: list\[list\[Tensor\]\]", "", LOOP).replace(" -> tuple[Tensor, ...]", "")
    if any(issubclass(n.op, Draw) for n in nodes):
        text += DRAWS
    text += "\n\n" + "\n".join(_container())
    for name, graph in graphs.items():
        text += "\n\n" + _module(program, name, graph)
    return text.rstrip("\n") + "\n"


def _container() -> list[str]:
    return [
        "class Parameters(nn.Module):",
        '    """Nested modules by dotted name, so that `state_dict` has the spec\'s names."""',
        "",
        "    def declare(self, name, *shape, trained=True):",
        "        head, _, rest = name.partition('.')",
        "        if rest:",
        "            if head not in self._modules:",
        "                self.add_module(head, Parameters())",
        "            self._modules[head].declare(rest, *shape, trained=trained)",
        "        elif trained:",
        "            self.register_parameter(head, nn.Parameter(torch.zeros(shape)))",
        "        else:",
        "            self.register_buffer(head, torch.zeros(shape))",
        "",
    ]


def _module(program: Program, name: str, graph: Graph) -> str:
    module = lower(graph, Weights(graph.weights), _camel(name))
    lines = [f"class {_camel(name)}(Parameters):", f'    """{program.name}.{name}"""', "", "    def __init__(self):", "        super().__init__()"]
    lines += [f"        {_declared(w)}" for w in graph.weights.values()]
    lines += [f"        {line}" for line in _constants(module, "self")]
    lines += [f"        self.{key} = {_camel(name)}{_camel(key)}()" for key, child in module.named_children() if isinstance(child, fx.GraphModule)]
    bodies = [_body(f"{_camel(name)}{_camel(k)}", c) for k, c in module.named_children() if isinstance(c, fx.GraphModule)]
    lines += ["", *_forward(module)]
    return "\n\n".join(["\n".join(b) + "\n" for b in bodies] + ["\n".join(lines) + "\n"])


def _body(name: str, module: fx.GraphModule) -> list[str]:
    """A loop's body, and those inside it before it."""
    made: list[str] = []
    children = [(k, c) for k, c in module.named_children() if isinstance(c, fx.GraphModule)]
    for key, child in children:
        made += [*_body(f"{name}{_camel(key)}", child), "", ""]
    lines = [f"class {name}(Parameters):", "    def __init__(self):", "        super().__init__()"]
    held = {n: p for n, p in module.named_parameters() if not any(n.startswith(f"{k}.") for k, _ in children)}
    lines += [f"        self.declare({n!r}, {', '.join(map(str, p.shape))})" for n, p in held.items()]
    lines += [f"        {line}" for line in _constants(module, "self")]
    lines += [f"        self.{key} = {name}{_camel(key)}()" for key, _ in children]
    return [*made, *lines, "", *_forward(module)]


def _declared(weight: Weight) -> str:
    numbers = ", ".join(f"{n:g}" for n in weight.init.numbers)
    shape = ", ".join(map(str, weight.shape))
    trained = "" if weight.trained else ", trained=False"
    return f"self.declare({weight.name!r}, {shape}{trained})  # ~ {weight.init.kind}({numbers})"


def _constants(module: fx.GraphModule, owner: str) -> list[str]:
    return [
        f"{owner}.register_buffer({name!r}, torch.tensor({tensor.tolist()}), persistent=False)"
        for name, tensor in module.named_buffers(recurse=False)
        if name.startswith("constant_")
    ]


def _forward(module: fx.GraphModule) -> list[str]:
    """fx's code, a shape beside each value, and the line of the spec where it changes."""
    types = {n.name: n.meta["type"] for n in module.graph.nodes if "type" in n.meta}
    spans = {n.name: n.meta.get("span") for n in module.graph.nodes}
    made, last = [], None
    for line in module.code.strip("\n").split("\n"):
        line = re.sub(r";  (\w+ = )+None", "", line.rstrip())
        line = re.sub(r"mai_compiler_torch_(draws_|loops_)", "", line).replace("torch._C._nn.", "nn.functional.")
        line = line.replace(", inplace = False)", ")").replace("torch.nn.", "nn.")
        if line.startswith("import") or not line.strip():
            continue
        line = re.sub(r" : (torch\.)?[\w.]+ = ", " = ", line) if not line.startswith("def") else line
        name = re.match(r"\s*(\w+) = ", line)
        span = spans.get(name[1]) if name else None
        if span is not None and (span.source.path, span.line) != last:
            last = (span.source.path, span.line)
            made.append(f"        # {span.source.path}:{span.line}  {span.source.line(span.line).strip()}")
        shape = f"  # {types[name[1]]}" if name and name[1] in types else ""
        made.append(f"    {line}{shape}")
    return made


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


