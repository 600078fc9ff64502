"""Files to programs: declarations, imports, the exports and the train block."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from mai.compiler.elaborate.bindings import Environment, Function, LetTensor, Module, Poison, is_number
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
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.elaborate.parameters.data_lets import elaborate_data_lets, share_data_lets
from mai.compiler.elaborate.parameters.second_sets import second_set
from mai.compiler.elaborate.repeating.store import keeping, templates
from mai.compiler.elaborate.standard_layers import StandardLayers
from mai.compiler.elaborate.uncalled import check_unused
from mai.compiler.ir.graph import Graph, Weight, turns_of
from mai.compiler.program import Claim, Program, Training
from mai.compiler.weights.rules import Loading, named_by_rules
from mai.spec import STANDARD, ast, is_public, library, library_names
from mai.spec.diagnostics import Label, MaiError, Reporter
from mai.spec.diagnostics.edit import put
from mai.spec.diagnostics.report import Help
from mai.spec.diagnostics.suggest import closest
from mai.spec.parsing.parse import load_source, parse
from mai.spec.source import Source, Span

MAX_FAMILY = 10_000
MAX_IMPORTS = 500  # One file inside the other.


class Loader:
    """Reads a file and what it imports into modules.

    `sets` are other values for consts: `width` is the file's own, `layers.width` that of an imported `layers.mai`. `texts`
    stand in the place of files, by path. What is `parsed` is kept for the loaders that read the same files again: places in them
    are then the same in exports as in train blocks.
    """

    def __init__(
        self, report: Reporter, sets: Mapping[str, str], texts: Mapping[str, Source], parsed: dict[Path, ast.File]
    ) -> None:
        self.report, self.sets, self.texts, self.parsed = report, sets, texts, parsed
        self.consts: list[str] = []
        self.loading: list[Path] = []
        self.imported_at: dict[Path, Span] = {}  # The last import of each file.
        self.loaded: dict[Path, Module] = {}

    def module(self, file: ast.File, path: Path, prelude: Module) -> Module:
        """The declarations of a parsed file, in order, its imports first."""
        module = Module(file.source, {}, {}, prelude)
        for declaration in file.declarations:
            self._declare(module, declaration, path, prelude)
        for declaration in file.declarations:
            if isinstance(declaration, ast.Twin):
                self._bind(module, declaration.name, second_set(module, declaration, self.report))
        return module

    def check_sets(self) -> None:
        """Tell what `--set` names and no file has."""
        for name in self.sets:
            if name in self.consts:
                continue
            file, _, const = name.rpartition(".")
            guess = next((c for c in self.consts if c.endswith(f".{name}")), None) or closest(name, self.consts)
            help = f"did you mean `{guess}`?" if guess else None
            where = f"no imported `{file}.mai` has a" if file else "the file has no"
            self.report.error("unknown-name", None, f"--set {name}: {where} `const {const}`", help=help)

    def _declare(self, module: Module, declaration: ast.Declaration, path: Path, prelude: Module) -> None:
        match declaration:
            case ast.Import():
                self._import(module, declaration, path, prelude)
            case ast.Const():
                self._bind(module, declaration.name, self._const(module, declaration, path))
            case ast.Let():
                self._bind(module, declaration.name, LetTensor(declaration, module))
            case ast.Function(kind="layer" | "net", count=None):
                self._bind(module, declaration.name, Function(declaration, module))
            case ast.Function(kind="net", count=ast.Expr() as count):
                self._bind(module, declaration.name, self._family(module, declaration, count))

    def _bind(self, module: Module, name: ast.Identifier, value: object) -> None:
        if name.id in module.where:
            where = [Label(module.where[name.id], "first defined here")]
            self.report.error("duplicate-name", name.span, f"`{name.id}` is defined twice", where=where)
            return
        module.names[name.id] = value  # type: ignore[assignment]
        module.where[name.id] = name.span

    def _const(self, module: Module, declaration: ast.Const, path: Path) -> object:
        """A number; `--set` has the last word."""
        name = declaration.name.id if len(self.loading) == 1 else f"{path.stem}.{declaration.name.id}"
        self.consts.append(name)
        if name in self.sets:
            return self._set_value(name, self.sets[name])
        maker = Elaborator(self.report, "const", {})
        value = maker.expressions.expression(Environment(module), declaration.value)
        if is_number(value) or isinstance(value, (Poison, bool, str)):
            return value
        at = declaration.value.span
        help = f"write `let {declaration.name.id} = ...` for a tensor"
        return maker.error("static-needed", at, "a const is a number, known when the file is compiled", help=help)

    def _family(self, module: Module, declaration: ast.Function, written: ast.Expr) -> object:
        """`net st[L](...)`: as many nets as a number says that is known when the file is compiled."""
        count = Elaborator(self.report, "const", {}).expressions.expression(Environment(module), written)
        if isinstance(count, Poison):
            return count
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_FAMILY:
            message = f"a family has a whole number of nets, from 1 to {MAX_FAMILY:,}"
            self.report.error("family-member", written.span, message)
            return Poison()
        return Function(declaration, module, count)

    def _set_value(self, name: str, text: str) -> object:
        source = Source(f"--set {name}", f"const value = {text}\n")
        inner = Reporter()
        try:
            parsed = parse(source, inner).declarations[0]
            assert isinstance(parsed, ast.Const)
            value = Elaborator(inner, "const", {}).expressions.expression(
                Environment(Module(source, {}, {})), parsed.value
            )
            inner.check()
        except MaiError:
            value = None
        if not is_number(value):
            message = f"--set {name}={text}: a const is set to a number"
            self.report.error("static-needed", None, message, help=f"write --set {name}=64")
            return Poison()
        return value

    def _import(self, module: Module, declaration: ast.Import, path: Path, prelude: Module) -> None:
        span, written = declaration.path.span, declaration.path.value
        if written.startswith(STANDARD) and written not in library_names():
            guess = closest(written, library_names())
            message = f"mai has no library {written}; there is {', '.join(library_names())}"
            self._unread(module, "import-not-found", span, message, put(span, f'"{guess}"') if guess else None)
            return
        try:
            target = library(written) if written.startswith(STANDARD) else (path.parent / written).resolve()
            is_there = target.is_file()
        except (OSError, RuntimeError, ValueError):  # links in a circle, a name too long, or no path at all
            is_there = False
        if not is_there:
            guess = closest(written, _importable(path.parent, posixpath.dirname(written)))
            help = put(span, f'"{guess}"') if guess else None
            self._unread(module, "import-not-found", span, f"there is no file {written}", help)
            return
        if len(self.loading) > MAX_IMPORTS:
            message = f"this is import number {len(self.loading):,}, one inside the other: more than are followed"
            self._unread(module, "import-too-deep", span, message, "let one file import the others side by side")
            return
        if target in self.loading:
            module.unread.append(span)
            self._report_circle(target, span)
            return
        self.imported_at[target] = span
        imported = self.loaded.get(target) or self._load(target, _name_of_import(declaration), prelude)
        for name, value in imported.names.items():
            if isinstance(value, Function) and is_public(name):
                module.names[name] = value
                module.where[name] = span

    def _unread(self, module: Module, slug: str, span: Span, message: str, help: Help) -> None:
        """Report an import that cannot be read; the names that may come from it are reported no more."""
        module.unread.append(span)
        self.report.error(slug, span, message, help=help)

    def _report_circle(self, target: Path, span: Span) -> None:
        """Tell of a circle that an import of `target` closes, in the same words whichever of its files is checked."""
        circle = self.loading[self.loading.index(target) :]
        first = min(circle)
        at = circle.index(first)
        chain = " -> ".join(path.name for path in (*circle[at:], *circle[:at], first))
        closing = span if first == target else self.imported_at[first]
        self.report.error("import-cycle", closing, f"files import each other in a circle: {chain}")

    def _load(self, target: Path, name: str, prelude: Module) -> Module:
        self.loading.append(target)
        try:
            if target not in self.parsed:
                source = self.texts.get(str(target)) or load_source(target, self.report, name)
                self.parsed[target] = parse(source, self.report)
            self.loaded[target] = self.module(self.parsed[target], target, prelude)
        finally:
            self.loading.pop()
        return self.loaded[target]


def _importable(folder: Path, inner: str) -> list[str]:
    """The files beside one that an import names, as it would name them."""
    try:
        return sorted(posixpath.join(inner, file.name) for file in (folder / inner).glob("*.mai"))
    except (OSError, ValueError):
        return []


def _name_of_import(declaration: ast.Import) -> str:
    """The path of an imported file from the folder of the spec that is compiled, as the imports spell it."""
    importer = declaration.path.span.source.name
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), declaration.path.value))


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
        names = self.modules[False].names.items()
        exports = {name: graph for name, graph in self.exports.items() if graph is not None}
        constants = {n: v for n, v in names if isinstance(v, (int, float)) and not isinstance(v, bool)}
        return Program(
            self.path.stem, _title(self.file.source), self.file, constants, exports, self.trainings,
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
