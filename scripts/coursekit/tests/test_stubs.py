"""The stub generator: what it makes, what it refuses, and that what it makes compiles."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from coursekit.course import stubs
from coursekit.course.stubs import StubError, derive

ROOT = Path(__file__).resolve().parents[3]


def region(*lines: str, indent: str = "  ") -> str:
    inner = "".join(f"{line}\n" for line in lines)
    return f"{indent}// BEGIN SOLUTION 1.6\n{inner}{indent}// END SOLUTION\n"


def body(text: str) -> str:
    """The stub without what the generator adds above it."""
    return text.split('#include "rt/platform/todo.h"\n', 1)[-1]


def test_a_region_becomes_a_todo_at_the_markers_indent() -> None:
    stub = derive("int f() {\n" + region("      return 1;", indent="    ") + "}\n", "1.6")
    assert 'int f() {\n    RT_TODO("1.6");\n}\n' in stub
    assert "return 1" not in stub


def test_tabs_and_file_scope_keep_their_indent() -> None:
    assert '\n\tRT_TODO("1.6");\n' in derive("{\n" + region("x", indent="\t") + "}\n", "1.6")
    assert derive(region("// STUB: int a;", indent=""), "1.6") == "int a;\n"


def test_stub_lines_stand_in_for_the_region() -> None:
    stub = derive(
        "struct S {\n"
        + region("  int a;", "  // STUB: int b;", "  // STUB:   // deeper", "  int c;")
        + "};\n",
        "1.6",
    )
    assert stub == "struct S {\n  int b;\n    // deeper\n};\n"


def test_a_stub_line_without_text_leaves_the_region_empty() -> None:
    assert derive("{\n" + region("  // STUB:", "  x();") + "}\n", "1.6") == "{\n}\n"


def test_an_empty_stub_line_among_others_is_a_blank_line() -> None:
    stub = derive("{\n" + region("  // STUB: a();", "  // STUB:", "  // STUB: b();") + "}\n", "1.6")
    assert stub == "{\n  a();\n\n  b();\n}\n"


def test_a_stub_line_may_use_the_todo_itself() -> None:
    stub = derive("{\n" + region('  // STUB: if (x) RT_TODO("1.6");') + "}\n", "1.6")
    assert stub == '#include "rt/platform/todo.h"\n\n{\n  if (x) RT_TODO("1.6");\n}\n'


def test_several_regions() -> None:
    text = "a {\n" + region("x") + "}\nb {\n" + region("y") + "}\n"
    assert body(derive(text, "1.6")).count("RT_TODO") == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "// BEGIN SOLUTION 1.6\n// BEGIN SOLUTION 1.6\n",
            "f.h:2: a solution begins inside the one of line 1",
        ),
        ("int a;\n// BEGIN SOLUTION 1.6\n", "f.h:2: the solution has no // END SOLUTION"),
        ("// END SOLUTION\n", "f.h:1: // END SOLUTION, and no solution has begun"),
        (
            "// BEGIN SOLUTION 1.7\n// END SOLUTION\n",
            "f.h:1: a solution of 1.7, and the file belongs to 1.6",
        ),
        ("// BEGIN SOLUTION\n", "f.h:1: a marker is written"),
        ("int a; // BEGIN SOLUTION 1.6\n", "f.h:1: a marker is written"),
        ("/* END SOLUTION */\n", "f.h:1: a marker is written"),
        ("// STUB: int a;\n", "f.h:1: // STUB: outside a solution"),
        ("int a;\n", "f.h:1: no // BEGIN SOLUTION 1.6"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(StubError) as error:
        derive(text, "1.6", "f.h")
    assert str(error.value).startswith(says)


@pytest.mark.parametrize(
    ("above", "result"),
    [
        ("#pragma once\n\nint a;\n", '#pragma once\n\n#include "rt/platform/todo.h"\n\nint a;\n'),
        (
            '#pragma once\n\n#include <new>\n\n#include "rt/future/poll.h"\n#include "rt/time/sleep.h"\n\n',
            '#pragma once\n\n#include <new>\n\n#include "rt/future/poll.h"\n#include "rt/platform/todo.h"\n#include "rt/time/sleep.h"\n\n',
        ),
        (
            '#include "rt/a.h"\n\n#include <new>\n\nint a;\n',
            '#include "rt/a.h"\n\n#include <new>\n\n#include "rt/platform/todo.h"\n\nint a;\n',
        ),
        ('#include "rt/platform/todo.h"\n', '#include "rt/platform/todo.h"\n'),
    ],
)
def test_the_todo_header_is_added_in_its_place(above: str, result: str) -> None:
    assert derive(above + region("x"), "1.6").startswith(result)


def test_the_todo_header_is_not_added_for_nothing() -> None:
    assert "todo.h" not in derive(region("// STUB: int a;"), "1.6")


REFERENCE = """#pragma once

#include <string>

class Counter {
 public:
  explicit Counter(int start) noexcept : left_(start) {
    // BEGIN SOLUTION 1.6
    ++left_;
    // END SOLUTION
  }
  ~Counter() {
    // BEGIN SOLUTION 1.6
    left_ = 0;
    // END SOLUTION
  }

  // Nothing is returned in the stub, and the compiler must not mind.
  std::string name(int part) const {
    // BEGIN SOLUTION 1.6
    return helper(part);
    // END SOLUTION
  }
  int& value() noexcept {
    // BEGIN SOLUTION 1.6
    return left_;
    // END SOLUTION
  }
  template <class T>
  T twice(T given) {
    // BEGIN SOLUTION 1.6
    return given + given;
    // END SOLUTION
  }
  void later() {
    int before = left_;
    // BEGIN SOLUTION 1.6
    // STUB: static_cast<void>(before);
    left_ = before + 1;
    // END SOLUTION
  }

 private:
  // BEGIN SOLUTION 1.6
  // STUB: // Your members.
  static std::string helper(int part) { return std::to_string(part); }
  // END SOLUTION

  int left_;
};

static inline int unused(int argument) {
  // BEGIN SOLUTION 1.6
  return argument;
  // END SOLUTION
}
"""

USE = (
    '#include "rt/counter.h"\nint main() { Counter c(1); c.later(); return c.twice(c.value()); }\n'
)

FLAGS = (
    "-std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror "
    "-Wno-unused-parameter -Wno-unused-function"
).split()


@pytest.mark.parametrize("optimize", ["-O0", "-O2"])
def test_functions_that_lost_their_return_compile_without_warnings(
    tmp_path: Path, optimize: str
) -> None:
    (tmp_path / "rt").mkdir()
    (tmp_path / "rt/counter.h").write_text(derive(REFERENCE, "1.6"))
    (tmp_path / "main.cc").write_text(USE)
    program = tmp_path / "main"
    given = ROOT / "module0-problem/include"
    command = [
        "g++",
        *FLAGS,
        optimize,
        f"-I{tmp_path}",
        f"-I{given}",
        "main.cc",
        "-o",
        str(program),
    ]
    compiled = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (compiled.returncode, compiled.stderr) == (0, "")
    ran = subprocess.run([str(program)], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (42, "exercise 1.6 is not written yet\n")


TOML = """module = "module1-executor"
title = "t"
[[exercise]]
id = "1.6"
slug = "a"
title = "a"
files = ["include/rt/room/a.h", "include/rt/room/b.h"]
points = 1
minutes = 1
"""


@pytest.fixture
def course(tmp_path: Path) -> Path:
    headers = tmp_path / "solutions/module1-executor/include/rt/room"
    headers.mkdir(parents=True)
    (tmp_path / "module1-executor").mkdir()
    (tmp_path / "module1-executor/exercises.toml").write_text(TOML)
    for name in ("a.h", "b.h"):
        (headers / name).write_text("#pragma once\nint f() {\n" + region("return 1;") + "}\n")
    return tmp_path


def test_write_then_check(course: Path) -> None:
    assert {d.what for d in stubs.check_all(course)} == {"does not exist"}
    written = stubs.write_all(course)
    assert [path.name for path in written] == ["a.h", "b.h"]
    assert stubs.check_all(course) == ()
    assert stubs.write_all(course) == ()


def test_check_names_the_file_and_shows_the_difference(course: Path) -> None:
    stubs.write_all(course)
    edited = course / "module1-executor/include/rt/room/b.h"
    edited.write_text(edited.read_text() + "int mine;\n")
    (difference,) = stubs.check_all(course)
    assert difference.file == "module1-executor/include/rt/room/b.h"
    assert "-int mine;" in difference.diff


def test_what_stood_there_is_kept(course: Path) -> None:
    stubs.write_all(course)
    edited = course / "module1-executor/include/rt/room/b.h"
    for text in ("hours of work\n", "more work\n"):
        edited.write_text(text)
        stubs.write_all(course)
    copies = sorted((course / ".course/backups").glob("*/module1-executor/include/rt/room/b.h"))
    assert sorted(copy.read_text() for copy in copies) == ["hours of work\n", "more work\n"]


def test_one_bad_reference_does_not_stop_the_others(course: Path) -> None:
    (course / "solutions/module1-executor/include/rt/room/a.h").write_text(
        "// BEGIN SOLUTION 1.6\n"
    )
    with pytest.raises(StubError, match="solutions/module1-executor/include/rt/room/a.h:1"):
        stubs.write_all(course)
    assert (course / "module1-executor/include/rt/room/b.h").is_file()
    assert not (course / "module1-executor/include/rt/room/a.h").exists()


def test_a_missing_reference_is_a_difference(course: Path) -> None:
    stubs.write_all(course)
    (course / "solutions/module1-executor/include/rt/room/a.h").unlink()
    (difference,) = stubs.check_all(course)
    assert "solutions/module1-executor/include/rt/room/a.h: does not exist" in difference.what
