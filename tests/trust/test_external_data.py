"""Weights in a file beside: the same numbers, mapped, and no other file is ever read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import uses_external_data

from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.commands.info_command import info
from mai.runtime.model.loader import has_own_weights
from mai.runtime.model.mapping import source_of
from mai.runtime.web.page import write_page

SPEC = """
net v(x: [128], s: []) -> [128] { return linear(silu(linear(concat(x, fourier(s, 32)), 256)), 128) }
export sample(x: [128], steps: int = 3) -> [128] {
  integrate s in 0..1 using euler(steps) { dx/ds = v(x, s) }
  return linear(x, 128)
}
"""
X = np.linspace(-1, 1, 2 * 128, dtype=np.float32).reshape(2, 128)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The file that has data beside it, and the same with all inside, in a folder of its folder: they are not to be changed."""
    program, folder = check_text(Path("spec.mai"), SPEC).program, tmp_path_factory.mktemp("compiled")
    assert program is not None
    trained = Trained(load_weights(program, None)[0])
    return (
        export(program, "sample", trained, folder, CompileOptions(external_data=True)).path,
        export(program, "sample", trained, folder / "inside", CompileOptions()).path,
    )


@pytest.fixture
def paths(compiled: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """The test's own copies of both files."""
    folder = compiled[0].parent
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return tmp_path / compiled[0].relative_to(folder), tmp_path / compiled[1].relative_to(folder)


def data_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.data")


def tensors_of(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for attribute in (a for node in graph.node for a in node.attribute):
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield from tensors_of(attribute.g)


def refused(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load(path, providers="cpu")
    return caught.value


def test_the_numbers_are_those_of_one_file(paths: tuple[Path, Path]) -> None:
    beside, inside = (load(path, providers="cpu") for path in paths)
    np.testing.assert_array_equal(beside(x=X), inside(x=X))
    beside.verify()
    assert beside.manifest.data is not None and inside.manifest.data is None and not data_of(paths[1]).exists()


def test_small_weights_stay_inside(tmp_path: Path) -> None:
    program = check_text(Path("spec.mai"), "export f(x: [2]) -> [2] { return 2 * x }\n").program
    assert program is not None
    exported = export(program, "f", Trained({}), tmp_path, CompileOptions(external_data=True, verify=False))
    assert exported.notes == ("`--external-data` changed nothing: none of the weights is large enough",)
    assert [*tmp_path.iterdir()] == [exported.path]


def test_other_readers_find_the_weights_at_places_that_can_be_mapped(paths: tuple[Path, Path]) -> None:
    model = onnx.load(paths[0], load_external_data=False)
    tensors = [t for t in tensors_of(model.graph) if uses_external_data(t)]
    places = [{entry.key: entry.value for entry in tensor.external_data} for tensor in tensors]
    assert len(places) == 3, "the weights of the loop belong to its body"
    assert {place["location"] for place in places} == {data_of(paths[0]).name}
    assert all(int(place["offset"]) % 65536 == 0 for place in places)
    onnx.checker.check_model(paths[0])


def test_a_turned_bit_is_told(paths: tuple[Path, Path]) -> None:
    data = data_of(paths[0])
    raw = bytearray(data.read_bytes())
    raw[len(raw) // 2] ^= 1
    data.write_bytes(raw)
    assert refused(paths[0]).slug == "model-truncated"
    assert not has_own_weights(paths[0], load(paths[0], check_weights=False).manifest)


def test_data_that_are_cut_short_are_told_whatever_is_checked(paths: tuple[Path, Path]) -> None:
    data = data_of(paths[0])
    data.write_bytes(data.read_bytes() + bytes(8))
    with pytest.raises(ModelError, match=r"and .* were written"):
        load(paths[0], check_weights=False)
    data.write_bytes(data.read_bytes()[:1000])
    assert refused(paths[0]).slug == "model-truncated"


def test_absent_data_are_told_by_their_name(paths: tuple[Path, Path]) -> None:
    data_of(paths[0]).unlink()
    error = refused(paths[0])
    assert error.slug == "model-not-found" and data_of(paths[0]).name in str(error)


def test_a_file_of_another_name_does_not_find_them(paths: tuple[Path, Path]) -> None:
    other = paths[0].rename(paths[0].with_name("other.onnx"))
    assert refused(other).slug == "model-foreign"


@pytest.mark.parametrize("location", ["../elsewhere.bin", "/etc/hostname", "other.data"])
def test_no_other_file_is_read(location: str, paths: tuple[Path, Path]) -> None:
    model = onnx.load(paths[0], load_external_data=False)
    tensor = next(t for t in tensors_of(model.graph) if uses_external_data(t))
    next(entry for entry in tensor.external_data if entry.key == "location").value = location
    onnx.save(model, paths[0])
    error = refused(paths[0])
    assert error.slug == "model-foreign" and location in str(error)


def test_a_link_that_leads_elsewhere_is_refused(paths: tuple[Path, Path], tmp_path: Path) -> None:
    data = data_of(paths[0])
    moved = tmp_path / "inside" / "weights.bin"
    shutil.move(data, moved)
    data.symlink_to(moved)
    assert refused(paths[0]).slug == "model-foreign"


def test_info_counts_both_files_and_a_page_takes_one(
    paths: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    info([paths[0]])
    size = (paths[0].stat().st_size + data_of(paths[0]).stat().st_size) / 1e6
    assert f"{size:.2f} MB with {data_of(paths[0]).name}" in capsys.readouterr().out
    with pytest.raises(ModelError, match="in a file beside, and a page is one"):
        write_page([paths[0]], tmp_path / "page.html")


def test_a_large_file_is_mapped_where_its_weights_lie(
    paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights of its loop, too, are left out of what ONNX Runtime is given, and found in the file."""
    wanted = load(paths[1], providers="cpu")(x=X)
    opened: list[tuple[str | bytes, Path | None]] = []

    def seen(path: Path, raw: memoryview) -> tuple[str | bytes, Path | None]:
        opened.append(source_of(path, raw))
        return opened[-1]

    monkeypatch.setattr("mai.runtime.model.mapping.LARGE", 0)
    monkeypatch.setattr("mai.runtime.model.loader.source_of", seen)
    np.testing.assert_array_equal(load(paths[1], providers="cpu")(x=X), wanted)
    ((source, folder),) = opened
    assert folder == paths[1].parent and len(source) < paths[1].stat().st_size / 5


def test_a_large_file_behind_a_link_is_mapped(
    paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = load(paths[1], providers="cpu")(x=X)
    (tmp_path / "linked").mkdir()
    link = tmp_path / "linked" / "other.onnx"
    link.symlink_to(paths[1])
    monkeypatch.setattr("mai.runtime.model.mapping.LARGE", 0)
    np.testing.assert_array_equal(load(link, providers="cpu")(x=X), wanted)


def test_another_program_may_write_a_file_anew(paths: tuple[Path, Path]) -> None:
    """What fills a file up, so that weights begin at round places, is no part of its checksum."""
    raw = paths[1].read_bytes()
    onnx.save(onnx.load(paths[1]), paths[1])
    assert paths[1].read_bytes() != raw
    load(paths[1], providers="cpu").verify()


def test_what_our_reader_does_not_follow_is_not_opened(paths: tuple[Path, Path]) -> None:
    """ONNX Runtime skips a group, a form of protobuf that is long out of use; whatever stands in a file is looked at first."""
    path = paths[1]
    path.write_bytes(path.read_bytes() + b"\xa3\x06\xa4\x06")  # Field 100: a group begins, and ends.
    assert refused(path).slug == "model-truncated"
