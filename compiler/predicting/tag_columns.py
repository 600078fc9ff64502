"""The names of columns whose numbers are of tags: labels that are there or not, several of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.evaluating.subject import check_compiled
from mai.compiler.evaluating.targets.tags import tag_names, tags_of
from mai.runtime.inputs.labels import result_names
from mai.runtime.run_folders.record import read_record

if TYPE_CHECKING:
    from mai.runtime.model.model import Model


def names_of_columns(model: Model) -> dict[str, tuple[str, ...]]:
    """By output, the names of the tags that its numbers are of; nothing for other outputs, and where the spec in the file is not sound for this mai."""
    vectors = [n for n, port in model.outputs.items() if port.shape and not result_names(model.manifest, port)]
    if not vectors or not model.spec:
        return {}
    program = check_compiled(model, read_record(model.path.parent)).program
    export = model.manifest.export
    if program is None or export not in program.exports:
        return {}
    types = {name: type_ for training in program.trainings for name, type_ in training.fields.items()}
    results = tags_of(program, export)
    return {n: tag_names(results[n].tags, types, model.manifest.labels) for n in vectors if n in results}
