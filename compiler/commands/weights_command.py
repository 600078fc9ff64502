"""The verbs `weights list` and `weights map`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.compiler.commands.shared import Sets, SpecFile, parse_sets, with_diagnostics
from mai.runtime.command_line.markers import Argument
from mai.runtime.show.terminal import say, visible_line


@with_diagnostics
def list_weights(file: SpecFile, sets: Sets = None) -> None:
    """List the parameters of a spec by name and shape: mai weights list gpt2.mai

    The turns of a `repeat` have parameters of the same shapes; they are listed together.
    """
    from mai.compiler.check import check_without_rules
    from mai.compiler.weights.rules import group_layers

    program = check_without_rules(file, parse_sets(sets)).meaning()
    for name, shape, count in group_layers({w.name: w.shape for w in program.weights.values()}):
        say(f"{visible_line(name)}  {list(shape)}{f'  {count} of them' if count > 1 else ''}")


@with_diagnostics
def map_weights(
    weights: Annotated[Path, Argument(help="A .safetensors file, or its .index.json.", show_default=False)],
    file: SpecFile,
    sets: Sets = None,
) -> None:
    """Propose the rules that give a file's tensors to a spec: mai weights map model.safetensors gpt2.mai"""
    from mai.compiler.check import check_without_rules
    from mai.compiler.weights.propose import own_layers, propose
    from mai.compiler.weights.rules import named_by_rules
    from mai.compiler.weights.tensor_files import TensorFiles

    program = check_without_rules(file, parse_sets(sets)).meaning()
    with TensorFiles(weights) as files:
        place, folder = files.path.resolve(), file.resolve().parent
        named = place.relative_to(folder).as_posix() if place.is_relative_to(folder) else place.name
        weights_ = named_by_rules(program.weights)
        proposal = propose(named, weights_, files.shapes, program.constants, own_layers(program.file))
    say(str(proposal))
    if not place.is_relative_to(folder):
        say(f"{weights} lies outside {folder}: put it there, or name it with --weights", err=True)
    own = str(file) if proposal.equal else "no family known here"
    whose = f"the names are those of {proposal.family or own}"
    look = f"lines to look at: {proposal.doubts}" if proposal.doubts else "nothing is ambiguous"
    lacking = f"; without a tensor: {len(proposal.lacking)}" if proposal.lacking else ""
    say(f"{whose}; {look}{lacking}", err=True)
