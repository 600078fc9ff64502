"""IR to `torch.fx`: a GraphModule whose generated source a person can read."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import fx, nn

from mai.compiler.ir.graph import Graph
from mai.compiler.torch.averaged import average_first
from mai.compiler.torch.interpreter import DTYPES, TorchInterpreter
from mai.compiler.torch.names import attribute
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.processes.together import Share
from mai.compiler.torch.turns import Turn
from mai.spec.record import record

__all__ = ["DTYPES", "Form", "lower"]


@record
class Form:
    """How a train block's code runs.

    As a `share` of a batch, beside other processes; with the turns of `repeat`s as modules, whose weights are in `groups`; with what is in
    turns computed `again` for derivatives. Its first result may be `averaged`: one number, the mean.
    """

    share: Share | None = None
    groups: Mapping[str, str] | None = None
    again: bool = False
    averaged: bool = False


def lower(graph: Graph, weights: Weights, name: str = "Model", form: Form | None = None) -> fx.GraphModule:
    """A prepared graph as a module; its forward takes the inputs in their order, then the settings.

    The weights it reads are those of `weights`, shared with every other module made from it.
    """
    form = form or Form()
    interpreter = TorchInterpreter(graph, share=form.share, again=form.again)
    interpreter.parameters([*graph.inputs, *(s.value for s in graph.settings.values())])
    if form.groups:
        interpreter.turns(form.groups)
    else:
        interpreter.nodes(graph.nodes)
    interpreter.returns(graph.outputs)
    if form.averaged:
        average_first(interpreter.code.graph)
    return _module(weights, interpreter, name)


def _module(weights: torch.nn.Module, interpreter: TorchInterpreter, name: str) -> fx.GraphModule:
    """Recorded code with the weights, the bodies of loops and the constants that it reads."""
    code = interpreter.code.graph
    code.eliminate_dead_code()
    root = torch.nn.Module()
    for key in interpreter.weights:
        _share(root, weights, key)
    bodies = {key: _body(weights, interpreter, key) for key in interpreter.bodies}
    for key in bodies:
        root.add_module(key, torch.nn.Module())
    used = {node.target for node in code.nodes if node.op == "get_attr"}
    for key, tensor in interpreter.code.constants.items():
        if key in used:
            root.register_buffer(key, tensor, persistent=False)
    module = fx.GraphModule(root, code, class_name=name)
    for key, body in bodies.items():  # Only now: a module writes its code, and then that of its bodies once more.
        module.add_module(key, body)
    # fx's own prints a traceback beside each error, which mai tells in words.
    type(module).__call__ = nn.Module.__call__  # type: ignore[method-assign]
    return module


def _body(weights: torch.nn.Module, interpreter: TorchInterpreter, key: str) -> torch.nn.Module:
    inner = _module(weights, interpreter.bodies[key], "Body")
    return Turn(inner, *interpreter.groups[key]) if key in interpreter.groups else inner


def _share(root: torch.nn.Module, weights: torch.nn.Module, name: str) -> None:
    """Put a weight into another tree of modules, under the same name as far as Python can write it."""
    *path, last = name.split(".")
    for part in path:
        member, inner = weights._modules[part], attribute(part)
        assert member is not None
        weights = member
        if inner not in root._modules:
            root.add_module(inner, torch.nn.Module())
        root = root.get_submodule(inner)
    if last in weights._parameters:
        root._parameters[attribute(last)] = weights._parameters[last]
    else:
        root.register_buffer(attribute(last), weights._buffers[last])
