"""Programs in C and C++ that use `runtime/c`, and how it is built."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from mai.runtime import load
from mai.runtime.model.manifest import Facts
from tests.support.c_host import HEADERS, SOURCES, STRICT, run, with_manifest, with_port

pytestmark = pytest.mark.slow


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_what_the_sources_share_has_names_of_its_own(library: Path) -> None:
    """A program that is linked to them may have a `fail` or a `sha256_of`."""
    lines = subprocess.run(["nm", "-g", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1] for line in lines.splitlines()]
    assert "mai_load" in names and not [name for name in names if not name.startswith(("mai_", "_"))]


def test_a_program_has_all_other_names_to_itself(library: Path) -> None:
    """What the library gives to a linker begins with `mai_`: a program may have a function `fail`."""
    names = run("nm", "--dynamic", "--extern-only", "--defined-only", "--format=just-symbols", library).split()
    assert [name for name in names if not name.startswith(("mai_", "_"))] == []
    assert {"mai_load", "mai_next"} <= set(names)


CLASSES = r"""
#include "mai.h"
#include <iostream>
template <class Call> void refuse(Call call) {
  try { call(); std::cout << "taken\n"; } catch (const std::exception &error) { std::cout << error.what() << "\n"; }
}
int main(int, char **files) {
  mai::model equal(files[1], 1), named(files[2], 1);
  mai::call call(equal);
  call.give("many", {0, 0.5, 1, 2}, {2, 1, 2}).give("flags", {true, false}, {2});
  for (unsigned char truth : call.run().booleans()) std::cout << int(truth);
  call.give("many", {0, 0, 1, 2}, {2, 1, 2}).give("flags", std::vector<bool>{false, false}, {2});
  for (unsigned char truth : call.run().booleans()) std::cout << int(truth);
  call.give("flags", std::vector<unsigned char>{9, 0}, {2});
  for (unsigned char truth : call.run().booleans()) std::cout << int(truth);
  std::cout << "\n" << named.label_of("label", "green") << named.label_name("label", 2) << "\n";
  mai::call moved(named);
  moved.give("x", {1, 2}, {1, 2}).give("w", {1, 1}, {2}).give("label", {2}, {1}).run();
  std::cout << moved.floats()[0] << "\n";
  std::cout << mai::days_of(2024, 2, 29) << "\n";
  refuse([] { mai::days_of(2023, 2, 29); });
  mai::model steps(files[3], 1);
  mai::call sampler(steps);
  sampler.set("batch", 2).set("steps", 5).timeout(60);
  for (mai::progress progress(sampler, 2); progress.next();) std::cout << progress.turns() << " of " << progress.total() << " ";
  std::vector<float> shown = sampler.floats();
  auto done = mai::call(steps).set("batch", 2).set_integer("steps", 5).timeout(60).run();
  std::cout << (done.floats() == shown && mai::call(steps).set("batch", 2).set("steps", 5).run().floats() == shown) << "\n";
  auto answer = mai::call(named).give("x", std::vector<float>{1, 2}, {1, 2}).give("w", {1, 1.5}, {2}).give("label", {2}, {1}).run();
  std::cout << answer.floats()[0] << answer.notes() << "\n";
  refuse([&] { sampler.timeout(1e-9).run(); });
  std::cout << sampler.timed_out() << sampler.was_cancelled() << "\n";
  refuse([&] { named.label_of("label", "white"); });
  refuse([&] { moved.give("label", {1.5}, {1}); });
  refuse([&] { call.give("many", {1, 2}, {int64_t(1) << 62, 4, 2}); });
  refuse([&] { call.give("many", {1, 2}, {-1, -1, 2}); });
}
"""


def test_the_classes(build: Callable[..., Path], files: Path, samplers: Path, tmp_path: Path) -> None:
    """Numbers between braces are of the type of the input; labels have names; sizes are not trusted."""
    (tmp_path / "classes.cpp").write_text(CLASSES, encoding="utf-8")
    safe = ["-fsanitize=address,undefined", "-fno-sanitize-recover"]
    objects = [str(build("-std=c99", *safe, "-c", str(source))) for source in sorted(SOURCES.glob("*.c"))]
    program = build("-std=c++17", *safe, *objects, str(tmp_path / "classes.cpp"), compiler="g++")
    named = with_port(files / "flow.moved.onnx", "classes", field="label")
    assert run(program, files / "flow.equal.onnx", named, samplers / "s.noisy.step.onnx").splitlines() == [
        "100010",
        "1blue",
        "4",
        "19782",
        "there is no day 2023-02-29",
        "2 of 5 4 of 5 5 of 5 1",
        "4.5",
        "the call was ended: it took more than 1e-09 seconds",
        "10",
        "`label` has no label `white`",
        "`label` is int64, this is float32",
        "the values are not as many as the sizes say",
        "the values are not as many as the sizes say",
    ]


def test_cmake_builds_all_sources() -> None:
    (sources,) = re.findall(r"add_library\(mai STATIC (.*)\)", (SOURCES / "CMakeLists.txt").read_text())
    assert sources.split() == sorted(file.name for file in SOURCES.glob("*.c"))


def test_cmake_takes_the_library_of_the_package(files: Path, samplers: Path, tmp_path: Path) -> None:
    """The build that the documentation shows, with the library of Python's package alone."""
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    where = [f"-DONNXRUNTIME_ROOT={Path(ort.__file__).parent}", f"-DONNXRUNTIME_INCLUDE={HEADERS}"]
    run("cmake", "-B", tmp_path, "-S", SOURCES, *where)
    run("cmake", "--build", tmp_path)
    assert run(tmp_path / "sample", files / "flow.sample.onnx", "batch=2").count("\n") == 2
    step = samplers / "s.noisy.step.onnx"
    shown = np.array(run(tmp_path / "progress", step, "2", "60", "batch=3", "seed=4").split(), np.float32)
    assert np.array_equal(shown, load(step, providers="cpu", threads=1)(batch=3, seed=4).ravel())


def test_the_programs(build: Callable[..., Path], files: Path) -> None:
    """The examples, those in C with the sanitizers on, print what Python gives; a row has labels, dates and what is missing."""
    sources, safe = [str(s) for s in sorted(SOURCES.glob("*.c"))], "-fsanitize=address,undefined"
    sample = build("-std=c99", safe, "-fno-sanitize-recover", *sources, str(SOURCES / "examples" / "sample.c"))
    done = run(sample, files / "flow.sample.onnx", "batch=3", "seed=2")
    points = np.array([[float(x) for x in line.split(",")] for line in done.splitlines()], np.float32)
    assert np.array_equal(points, load(files / "flow.sample.onnx", providers="cpu")(batch=3, seed=2))
    row = build("-std=c99", safe, "-fno-sanitize-recover", *sources, str(SOURCES / "examples" / "row.c"))
    assert run(row, table_of_dates(files), "when=2024-05-01", "kind=dog") == "39688\ndog\n"
    assert run(row, table_of_dates(files), "when=", "kind=cow") == "nan\n2\n"
    for words in (["when=2024-02-30", "kind=cat"], ["when=45000", "kind=cat"], ["when=soon", "kind=cat"], ["kind=cat"]):
        assert run(row, table_of_dates(files), *words, returns=1) == ""
    objects = [str(build("-std=c99", "-c", source)) for source in sources]
    text = build("-std=c++17", *objects, str(SOURCES / "examples" / "text.cpp"), compiler="g++")
    shown = "".join(load(files / "text.generate.step.onnx", providers="cpu").stream("The", temperature=0.0))
    printed = run(text, files / "text.generate.step.onnx", "The", "temperature=0")
    assert printed.rstrip("\n") == shown.rstrip("\n")


def table_of_dates(files: Path) -> Path:
    """A file as one that has learned a table with a date and a word."""
    facts = Facts(low=[10957], high=[19844], middle=[15000], dates=["day"], gaps=True).model_dump()

    def change(whole: dict[str, Any]) -> None:
        whole.update(facts={"when": facts}, labels={"kind": ["cat", "dog"]})
        whole["inputs"][1].update(gaps=True, field="kind")
        whole["outputs"][1].update(field="kind")

    return with_manifest(files / "flow.row.onnx", "row", change)


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [("x86_64-w64-mingw32-gcc", []), ("gcc", ["-D__APPLE__", "-D_POSIX_C_SOURCE=200809L", "-include", "{}"])],
    ids=["Windows", "macOS"],
)
def test_what_is_of_another_system_compiles(compiler: str, flags: list[str], tmp_path: Path) -> None:
    """With the headers that Debian has for Windows (gcc-mingw-w64); for macOS with the one function that Linux has not."""
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    apple = tmp_path / "apple.h"
    waits = "int pthread_cond_timedwait_relative_np(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);"
    apple.write_text(f"#include <pthread.h>\n{waits}\n")
    own = [flag.format(apple) for flag in flags]
    headers = ["-I", SOURCES, "-I", SOURCES / "onnxruntime"]
    for source in sorted(SOURCES.glob("*.c")):
        run(compiler, "-std=c99", *STRICT, *own, *headers, "-c", source, "-o", tmp_path / f"{source.stem}.o")
