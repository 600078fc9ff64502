"""Files to programs: the stages by which the declarations of a file become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from mai.compiler.elaborate.blocks.claim import elaborate_claim
from mai.compiler.elaborate.blocks.data_fields import NO_DATA, Data, elaborate_data, explain_sizes
from mai.compiler.elaborate.blocks.export import (
    ExportMaker,
    elaborate_before_training,
    elaborate_export,
    exports_of,
    may_wait,
    nets_read,
)
from mai.compiler.elaborate.blocks.train import only
from mai.compiler.elaborate.blocks.train_sequence import Modules, elaborate_trainings
from mai.compiler.elaborate.blocks.weights_block import elaborate_loading
from mai.compiler.elaborate.module_loader import Loader
from mai.compiler.elaborate.parameters.data_lets import elaborate_data_lets, share_data_lets
from mai.compiler.elaborate.repeating.store import keeping, templates
from mai.compiler.elaborate.standard_layers import StandardLayers
from mai.compiler.elaborate.uncalled import check_unused
from mai.compiler.ir.graph import Graph, Weight, turns_of
from mai.compiler.program import Claim, Program, Training
from mai.compiler.weights.rules import Loading, named_by_rules
from mai.spec import ast
from mai.spec.diagnostics import Label, MaiError, Reporter
from mai.spec.parsing.parse import load_source, parse
from mai.spec.source import Source


def elaborate(
    path: Path,
    report: Reporter,
    sets: Mapping[str, str] | None = None,
    texts: Mapping[str, Source] = MappingProxyType({}),
    data: Sequence[Path] = (),
) -> Program | None:
    """Read, parse and elaborate a file; None where it has errors, which `report` holds.

    `texts` are read in the place of files, of this one or of those that it imports, by path; `data` in the place of its data.
    """
    try:
        file = parse(texts.get(str(path)) or load_source(path, report), report)
        with keeping(templates()) as kept:
            kept.begin(file)
            _check_names(file, report)
            return _program(_Draft(file, path, report, sets or {}, texts, data))
    except MaiError:
        report.stopped = True
        return None


class _Draft:
    """A file on its way to a program: what its declarations have become so far, which those of later stages read."""

    def __init__(
        self, file: ast.File, path: Path, report: Reporter, sets: Mapping[str, str], texts: Mapping[str, Source],
        override: Sequence[Path],
    ) -> None:  # fmt: skip
        self.file, self.path, self.report, self.override = file, path, report, override
        self.sets, self.texts = sets, texts
        self.parsed: dict[Path, ast.File] = {}
        self.modules = self.read(report).main
        self.data: Data = NO_DATA
        self.weights: dict[str, Weight] = {}
        self.lets: dict[str, Graph] = {}
        self.exports: dict[str, Graph | None] = {}
        self.trainings: tuple[Training, ...] = ()
        self.claims: dict[str, Claim] = {}
        self.loading: Loading | None = None

    def read(self, report: Reporter) -> Modules:
        """The file and what it imports, read twice: as exports compute with them, and as training does."""
        main, files = {}, {}
        for training in (False, True):
            loader = Loader(report, self.sets, self.texts, self.parsed)
            loader.loading.append(self.path.resolve())
            main[training] = loader.module(self.file, self.path, StandardLayers(training=training).module)
            if self.sets:
                loader.check_sets()
            files[training] = [main[training], *loader.loaded.values()]
        return Modules(main, files)

    def read_again(self) -> Modules:
        """The same once more, with the weights that `let`s of data became."""
        again = self.read(Reporter())
        share_data_lets(self.modules[False], again.main.values())
        return again

    def add_data(self) -> None:
        """What the `data` line reads."""
        written = only(self.file, ast.Data, "data", self.report)
        self.data = elaborate_data(written, self.modules[True], self.report, self.path.parent, self.override)

    def add_lets(self) -> None:
        """The tensors that are computed from the fields of the data."""
        plain = self.modules[False]
        self.lets = elaborate_data_lets(self.file, plain, self.data, self.report, self.weights)
        share_data_lets(plain, self.modules.values())

    def _export(self, declaration: ast.Function, elaborate: ExportMaker = elaborate_export) -> Graph | None:
        return elaborate(declaration, self.modules[False], self.report, self.weights, self.data.numbers)

    def add_exports(self) -> None:
        """The exports by name: None for one that has errors, or waits for the train blocks."""
        nets = nets_read(self.file, self.modules[False])
        for declaration in exports_of(self.file):
            name = declaration.name
            if name.id in self.exports:
                self.report.error("duplicate-name", name.span, f"`{name.id}` is exported twice")
            how = elaborate_before_training if may_wait(nets, self.weights) else elaborate_export
            self.exports[name.id] = self._export(declaration, how)

    def add_waiting(self) -> None:
        """The exports that waited for the train blocks, in their places."""
        for declaration in exports_of(self.file) if not self.report.failed else ():
            name = declaration.name.id
            self.exports[name] = self.exports[name] or self._export(declaration)

    def add_trainings(self) -> None:
        """The train blocks in their order; none where one has errors."""
        self.trainings = elaborate_trainings(
            self.file, self.read_again, self.modules, self.data, self.report, self.weights
        )

    def add_claims(self) -> None:
        """The claims by name, but for those that have errors."""
        exports = {d.name.id: d for d in exports_of(self.file)}
        written = [d for d in self.file.declarations if isinstance(d, ast.Claim)]
        _check_distinct([d.name for d in written], self.report)
        plain = self.modules[False]
        claims = {d.name.id: elaborate_claim(d, plain, exports, self.data, self.report, self.weights) for d in written}
        self.claims = {name: claim for name, claim in claims.items() if claim is not None}

    def check_unused(self) -> None:
        """Nets and layers that nothing calls are looked at all the same."""
        called = self.modules[False].called | self.modules[True].called
        functions = [d for d in self.file.declarations if isinstance(d, ast.Function) and d.kind != "export"]
        for declaration in functions:
            if declaration.name.id not in called:
                check_unused(declaration, self.modules[False], self.report)

    def explain_sizes(self) -> None:
        """Errors about sizes that only the data say tell so."""
        written = next(d for d in self.file.declarations if isinstance(d, ast.Data))
        explain_sizes(self.data, written, self.report)

    def add_loading(self) -> None:
        """Where the weights begin as another file's; their rules are looked at where nothing else is wrong."""
        if not self.report.failed:
            names = named_by_rules(_copies(self.weights))
            self.loading = elaborate_loading(self.file, self.modules[False], self.report, names)

    def finish(self) -> Program | None:
        """What the file means; None where it has errors."""
        if self.report.failed:
            return None
        exports = {name: graph for name, graph in self.exports.items() if graph is not None}
        return Program(
            self.path.stem, _title(self.file.source), self.file, self.modules[False].numbers, exports, self.trainings,
            _copies(self.weights), self.loading, self.claims, self.lets, None if self.data is NO_DATA else self.data.source,
        )  # fmt: skip


# The stages in their order, each with the declarations that it is for: it is not entered for a file that has none of them.
STAGES: tuple[tuple[type[ast.Declaration], Callable[[_Draft], None]], ...] = (
    (ast.Data, _Draft.add_data),
    (ast.Let, _Draft.add_lets),
    (ast.Function, _Draft.add_exports),
    (ast.Train, _Draft.add_trainings),
    (ast.Function, _Draft.add_waiting),
    (ast.Claim, _Draft.add_claims),
    (ast.Function, _Draft.check_unused),
    (ast.Data, _Draft.explain_sizes),
    (ast.Weights, _Draft.add_loading),
)


def _program(draft: _Draft) -> Program | None:
    kinds = set(map(type, draft.file.declarations))
    for kind, stage in STAGES:
        if kind in kinds:
            stage(draft)
    return draft.finish()


def _check_names(file: ast.File, report: Reporter) -> None:
    """Parameters of one function, and params of one block, have names of their own."""
    for declaration in file.declarations:
        if isinstance(declaration, ast.Function):
            _check_distinct([p.name for p in declaration.parameters], report)
            _check_distinct([s.name for s in declaration.body if isinstance(s, ast.Param)], report)


def _check_distinct(names: Sequence[ast.Identifier], report: Reporter) -> None:
    first: dict[str, ast.Identifier] = {}
    for name in names:
        if first.setdefault(name.id, name) is not name:
            where = [Label(first[name.id].span, "first defined here")]
            report.error("duplicate-name", name.span, f"`{name.id}` is defined twice", where=where)


def _copies(weights: Mapping[str, Weight]) -> dict[str, Weight]:
    """Every weight by its own name: those of a `repeat` once a turn."""
    return {copy.name: copy for weight in weights.values() for copy in turns_of(weight)}


def _title(source: Source) -> str:
    first = source.text.lstrip().split("\n", 1)[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""
