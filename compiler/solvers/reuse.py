"""A method whose steps may keep parts of the velocity from steps before: these are in its memory."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from mai.compiler.ir.graph import Node, Region, Value, values_behind
from mai.compiler.ir.structure import DERIVATIVES
from mai.compiler.ops.elementwise.conversion import Reusable
from mai.compiler.solvers.fixed import Steps
from mai.compiler.solvers.problem import Problem, Slopes


class Kept(Protocol):
    """What a velocity keeps from step to step: `count` values."""

    @property
    def count(self) -> int:
        """How many there are."""

    def first(self) -> list[Value]:
        """What is kept before the first step."""

    def during(self, turn: Value, kept: list[Value]) -> AbstractContextManager[None]:
        """Inside, the velocity is that of a step, which keeps these values unless it computes them anew."""

    def kept(self) -> list[Value]:
        """The values after a step."""


class ReusingSteps:
    """The steps of a method, with what they keep behind the method's own memory."""

    def __init__(self, method: Steps, kept: Kept) -> None:
        self.method, self.kept = method, kept
        self.time, self.is_smooth = method.time, method.is_smooth

    def begin(self) -> list[Value]:
        """The method's own memory, whose velocities are computed whole, then what is kept."""
        return [*self.method.begin(), *self.kept.first()]

    def step(self, turn: Value, states: list[Value], memory: list[Value]) -> tuple[list[Value], list[Value]]:
        """The states one step on, and the memory."""
        own = len(memory) - self.kept.count
        with self.kept.during(turn, memory[own:]):
            moved, after = self.method.step(turn, states, memory[:own])
        return moved, [*after, *self.kept.kept()]

    def slopes(self, turn: Value, states: list[Value], memory: list[Value]) -> Slopes:
        """The velocity before a step, which is that of its first stage."""
        with self.kept.during(turn, memory[len(memory) - self.kept.count :]):
            return self.method.slopes(turn, states, memory)


def steps_with(method: Steps, problem: Problem) -> Steps | ReusingSteps:
    """The steps of a method, with what the velocity keeps, if it keeps anything."""
    return method if problem.kept is None else ReusingSteps(method, problem.kept)


def differentiated(velocity: Region) -> Node | None:
    """A derivative in a velocity of values computed from reusable ones, if there is one: of a value that is kept it would be 0."""
    reusable = {node.output for node in velocity.walk() if node.op is Reusable}
    derivatives = (node for node in velocity.walk() if node.op in DERIVATIVES)
    return next((node for node in derivatives if not reusable.isdisjoint(values_behind(node.inputs[0]))), None)
