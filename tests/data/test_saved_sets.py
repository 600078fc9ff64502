"""Data sets that Hugging Face's `datasets` has saved, in its form, written here by pyarrow: read as it lists them, or refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.files.paths import find_files
from mai.compiler.data.sources.table import Table
from mai.compiler.data.sources.text import Text
from mai.compiler.data.texts.documents import read_documents
from mai.compiler.describing.describe import describe
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError

FIELDS = {"x": Type(DType.REAL), "label": Type(DType.INT, classes=2)}
FEATURES = {"x": {"dtype": "float32", "_type": "Value"}, "label": {"names": ["cat", "ant"], "_type": "ClassLabel"}}
ROWS = 20


def rows(begin: int, end: int) -> pa.Table:
    numbers = range(begin, end)
    table = pa.table(
        {"x": pa.array(numbers, pa.float32()), "label": [i % 2 for i in numbers], "text": [f"row {i}" for i in numbers]}
    )
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})


def write_stream(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)


def saved(folder: Path, begin: int = 0) -> Path:
    """As `Dataset.save_to_disk(folder, num_shards=2)` leaves a folder, with a file beside it that `filter` has kept."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05}-of-00002.arrow" for i in (1, 0)]
    write_stream(folder / names[0], rows(begin, begin + 10))
    write_stream(folder / names[1], rows(begin + 10, begin + ROWS))
    write_stream(folder / "cache-0123456789abcdef.arrow", rows(900, 990))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES, "splits": {"train": {}, "test": {}}}))
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0", "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    return folder


def read(folder: Path, path: str, **settings: object) -> Dataset:
    return load(Table.of({"path": path, **settings}), FIELDS, 0, folder)


def test_the_files_that_a_saved_data_set_lists_are_its_rows(tmp_path: Path) -> None:
    """In the order in which they are listed, without what lies beside them; labels have the names of the schema."""
    saved(tmp_path / "d")
    data = read(tmp_path, "d")
    assert data.examples is not None
    assert data.examples.rows["x"][:].tolist() == [*range(ROWS)]
    assert data.labels == {"label": ("ant", "cat")}
    assert data.examples.rows["label"][:].tolist() == [1 - i % 2 for i in range(ROWS)]


def test_labels_have_their_names_beside_other_features(tmp_path: Path) -> None:
    """A list is described by a list in what older `datasets` wrote."""
    features = {**FEATURES, "tags": [{"dtype": "string", "_type": "Value"}]}
    table = rows(0, 8).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    write_stream(tmp_path / "t.arrow", table)
    assert read(tmp_path, "t.arrow").labels == {"label": ("ant", "cat")}


def test_another_file_may_be_called_as_the_list_of_files(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,label\n1.5,a\n2.5,b\n")
    (tmp_path / "state.json").write_text('["Ohio", "Utah"]')
    data = read(tmp_path, ".")
    assert data.examples is not None and len(data.examples.rows["x"]) == 2


def test_texts_of_a_saved_data_set(tmp_path: Path) -> None:
    saved(tmp_path / "d")
    documents, notes = read_documents(find_files(tmp_path, ["d"], Text.reads), "text", None, as_bytes=True)
    assert documents.split(b"\n\n") == [f"row {i}".encode() for i in range(ROWS)] and not notes


def test_splits_that_were_saved_together_are_named_one_by_one(tmp_path: Path) -> None:
    for name, begin in (("test", 100), ("train", 0)):
        saved(tmp_path / "d" / name, begin)
    (tmp_path / "d" / "dataset_dict.json").write_text('{"splits": ["test", "train"]}')
    with pytest.raises(MaiError) as caught:
        read(tmp_path, "d")
    assert "holds the splits test, train" in caught.value.diagnostics[0].message
    assert caught.value.diagnostics[0].help == 'name one of them: `"d/train", test = "d/test"`'
    with pytest.raises(MaiError, match="holds the splits"):
        describe([tmp_path / "d"])
    data = read(tmp_path, "d/train", test="d/test")
    assert data.test is not None and data.test["x"][:].tolist() == [*range(100, 100 + ROWS)]


def test_a_cache_of_several_splits_is_not_read_as_one(tmp_path: Path) -> None:
    saved(tmp_path / "d")
    (tmp_path / "d" / "state.json").unlink()
    with pytest.raises(MaiError, match="holds the splits train, test beside each other"):
        read(tmp_path, "d")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("{", "state.json cannot be read"),
        ("[]", "is no JSON object"),
        ('{"_data_files": 3}', "does not list the files"),
        ('{"_data_files": []}', "without rows"),
        ('{"_data_files": [{"filename": "../data.arrow"}]}', "is none of its folder"),
        ('{"_data_files": [{"filename": "data-00002-of-00003.arrow"}]}', r"lacks 1 of its 1 files: data-00002"),
        ('{"_data_files": [{"filename": "a"}], "_indices_data_files": [{"filename": "b"}]}', "others say the order"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_refused(state: str, message: str, tmp_path: Path) -> None:
    (saved(tmp_path / "d") / "state.json").write_text(state)
    with pytest.raises(MaiError, match=message):
        read(tmp_path, "d")


def test_a_label_without_a_name_is_refused(tmp_path: Path) -> None:
    table = rows(0, 8)
    write_stream(tmp_path / "t.arrow", table.set_column(1, "label", pa.array([0, 1, 0, 1, 0, 1, 0, 2])))
    with pytest.raises(MaiError, match=r"has the label 2, its schema has the names of 2"):
        read(tmp_path, "t.arrow")


def test_no_label_is_a_gap(tmp_path: Path) -> None:
    write_stream(tmp_path / "t.arrow", rows(0, 8).set_column(1, "label", pa.array([0, 1, 0, 1, 0, 1, 0, -1])))
    with pytest.raises(MaiError, match="`label` is empty in row 8"):
        read(tmp_path, "t.arrow")


def test_a_stream_that_was_cut_between_two_blocks_is_told(tmp_path: Path) -> None:
    """Arrow reads what is there without a word."""
    path = tmp_path / "t.arrow"
    write_stream(path, rows(0, 8))
    assert not read(tmp_path, "t.arrow").notes
    path.write_bytes(path.read_bytes()[:-8])
    assert "may have been cut" in read(tmp_path, "t.arrow").notes[0]
