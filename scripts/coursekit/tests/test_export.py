"""course export: a project of its own, in which nothing is of the course."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from coursekit import cli
from coursekit.course import catalog as catalogs
from coursekit.course import exports, paths, sources, stubs
from coursekit.course.paths import Checkout
from coursekit.selftest import exporting
from coursekit.tests import faketree

FACE = """// Everything.
#pragma once

#include "absl/status/statusor.h"
#include "rt/future/countdown.h"
#include "rt/future/waker.h"
#include "rt/task/spawn.h"
"""
SPAWN = '#pragma once\n#include "absl/strings/str_cat.h"\nint spawn();\n'


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    root = faketree.make(tmp_path / "the course")
    include = root / "module1-executor/include/rt"
    for name, content in {"rt.h": FACE, "task/spawn.h": SPAWN, "task/unused.h": SPAWN}.items():
        (include / name).parent.mkdir(exist_ok=True)
        (include / name).write_text(content, "utf-8")
    (root / "LICENSE").write_text("MIT", "utf-8")
    return faketree.use(root, monkeypatch)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["export", *arguments])
    said = capsys.readouterr()
    return status, " ".join(said.out.split()), " ".join(said.err.split())


def headers(folder: Path) -> set[str]:
    include = folder / "include/rt"
    return {p.relative_to(include).as_posix() for p in include.rglob("*") if p.is_file()}


def test_the_reference_is_written_without_marks(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, _ = run(capsys, str(tmp_path / "x"))
    assert status == 0 and "the reference's runtime, 4 headers" in out
    assert headers(tmp_path / "x") == {
        "rt.h",
        "task/spawn.h",
        "future/countdown.h",
        "future/waker.h",
    }
    waker = (tmp_path / "x/include/rt/future/waker.h").read_text("utf-8")
    assert "return 42;" in waker and "SOLUTION" not in waker
    assert (tmp_path / "x/LICENSE").read_text("utf-8") == "MIT"


def test_it_links_what_its_headers_include(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(capsys, str(tmp_path / "x"))
    cmake = (tmp_path / "x/CMakeLists.txt").read_text("utf-8")
    assert re.findall(r"^  (absl::\w+)$", cmake, re.MULTILINE) == [
        "absl::statusor",
        "absl::strings",
    ]
    assert "{%" not in cmake and not list((tmp_path / "x").rglob("*.j2"))


@pytest.mark.parametrize(
    "header, target",
    [
        ("absl/strings/string_view.h", "absl::strings"),
        ("absl/strings/str_format.h", "absl::str_format"),
        ("absl/time/clock.h", "absl::time"),
        ("absl/container/flat_hash_map.h", "absl::flat_hash_map"),
    ],
)
def test_a_header_of_abseil_has_a_target(header: str, target: str) -> None:
    assert exports.library(header) == target


def test_what_is_not_written_is_named(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, _, err = run(capsys, str(tmp_path / "x"), "--mine")
    assert status == 1 and "Exercises 1.1 and 1.2 are not written yet" in err
    assert "scripts/course check 1.1" in err and "Without --mine" in err
    faketree.solve(checkout.root, "module1-executor", "include/rt/future/countdown.h")
    status, _, err = run(capsys, str(tmp_path / "x"), "--mine")
    assert status == 1 and "Exercise 1.2 is not written yet" in err
    assert not (tmp_path / "x").exists() and not list(tmp_path.glob(".x*"))


def test_a_star_that_is_not_written_is_left_out(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    entry = checkout.root / "module1-executor/exercises.toml"
    entry.write_text(
        entry.read_text("utf-8").replace('slug = "waker"', 'slug = "waker"\nstretch = true'),
        "utf-8",
    )
    face = checkout.root / "module1-executor/include/rt/rt.h"
    face.write_text("//   rt/future/waker.h  wakes\n" + face.read_text("utf-8"), "utf-8")
    faketree.solve(checkout.root, "module1-executor", "include/rt/future/countdown.h")
    status, out, _ = run(capsys, str(tmp_path / "x"), "--mine")
    assert status == 0 and "since they are not written: 1.2" in out
    assert "future/waker.h" not in headers(tmp_path / "x")
    assert "waker" not in (tmp_path / "x/include/rt/rt.h").read_text("utf-8")
    status, out, _ = run(capsys, str(tmp_path / "y"))
    assert status == 0 and "not written" not in out
    assert "future/waker.h" in headers(tmp_path / "y")


def test_a_file_that_is_gone_is_named(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (checkout.root / "module1-executor/include/rt/future/waker.h").unlink()
    status, _, err = run(capsys, str(tmp_path / "x"), "--mine")
    assert status == 1 and "waker.h is missing" in err and "reset 1.2" in err


def write_mine(root: Path) -> None:
    for name in ("countdown", "waker"):
        (root / f"module1-executor/include/rt/future/{name}.h").write_text(
            '#pragma once\n\n#include "rt/platform/todo.h"\n\nint mine();  // RT_TODO is gone\n',
            "utf-8",
        )


def test_yours_is_written_as_you_have_it_but_for_the_header_of_stubs(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_mine(checkout.root)
    status, out, _ = run(capsys, str(tmp_path / "x"), "--mine")
    assert status == 0 and "your runtime" in out and "no reference" not in out
    waker = (tmp_path / "x/include/rt/future/waker.h").read_text("utf-8")
    assert waker == "#pragma once\n\nint mine();  // RT_TODO is gone\n"


def test_in_a_handout_it_is_yours_and_says_so(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.rmtree(checkout.root / "solutions")
    status, _, err = run(capsys, str(tmp_path / "x"))
    assert status == 1 and "not written yet" in err and "Without --mine" not in err
    write_mine(checkout.root)
    status, out, _ = run(capsys, str(tmp_path / "x"))
    assert status == 0 and "your runtime" in out and "has no reference, so it is yours" in out


def test_a_later_module_has_the_last_word(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    earlier = checkout.root / "module0-problem/include/rt/task/spawn.h"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("#pragma once\nint inert();\n", "utf-8")
    run(capsys, str(tmp_path / "x"))
    assert (tmp_path / "x/include/rt/task/spawn.h").read_text("utf-8") == SPAWN


def test_without_the_last_module_there_is_no_runtime(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (checkout.root / "module1-executor/include/rt/rt.h").unlink()
    status, _, err = run(capsys, str(tmp_path / "x"))
    assert status == 2 and "no whole runtime to export" in err


def test_nothing_is_overwritten(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/theirs").write_text("theirs", "utf-8")
    status, _, err = run(capsys, str(tmp_path / "x"))
    assert status == 2 and "not empty" in err
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["theirs"]


def test_the_course_itself_exports_nothing_of_its_own(tmp_path: Path) -> None:
    checkout = paths.find_checkout()
    plan = exports.planned(checkout, catalogs.load(checkout.root), mine=False)
    assert "rt/runtime/runtime.h" in plan.headers and stubs.TODO not in plan.headers
    assert not [name for name in plan.headers if name.startswith("rt/exercise/")]
    exports.make(checkout, plan, tmp_path / "x")
    assert list(exporting.of_the_course(tmp_path / "x")) == []


def test_the_index_of_the_face_names_what_it_includes() -> None:
    text = (paths.find_checkout().root / "module5-coop/include" / exports.FACE).read_text("utf-8")
    named = re.findall(r"^//     (rt/\w+/\w+\.h) ", text, re.MULTILINE)
    assert sorted(named) == sorted(sources.included(text))
