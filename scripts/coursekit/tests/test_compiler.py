"""What g++, clang and ninja print, and what a learner is told of it."""

from __future__ import annotations

from coursekit.building.build import configure_error, jobs_for_memory
from coursekit.building.compilers import judge_version
from coursekit.building.compiler import Edge, NinjaReader, diagnostics, first_error

NINJA = """\
[0/2] Re-checking globbed directories...
[1/4] Building CXX object module1/CMakeFiles/waker_test.dir/tests/waker_test.cc.o
FAILED: module1/CMakeFiles/waker_test.dir/tests/waker_test.cc.o
/usr/bin/c++ -I/x -o waker_test.cc.o -c waker_test.cc
In file included from /b/overlay/waker/rt/future/waker.h:2,
                 from /c/module1/tests/waker_test.cc:3:
/c/module1/include/rt/future/waker.h:31:2: error: expected ‘;’ after class definition
   31 | }
      |  ^
      |  ;
/c/module1/include/rt/future/waker.h:40:9: error: ‘Foo’ does not name a type
   40 |         Foo x;
      |         ^~~
[2/4] Building CXX object module1/CMakeFiles/timer_test.dir/tests/timer_test.cc.o
/c/module1/include/rt/room/timer.h:9:7: warning: unused variable ‘i’ [-Wunused-variable]
    9 |   int i;
      |       ^
[3/4] Linking CXX executable bin/timer_test
ninja: build stopped: cannot make progress due to previous errors.
"""


def read(text: str) -> tuple[NinjaReader, list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    reader = NinjaReader(lambda done, total, what: seen.append((done, total)))
    for line in text.splitlines():
        reader.feed(line)
    reader.finish()
    return reader, seen


def test_ninjas_output_falls_into_edges() -> None:
    reader, seen = read(NINJA)
    assert seen == [(1, 4), (2, 4), (3, 4)]
    assert [edge.failed for edge in reader.edges] == [False, True, False, False]
    assert reader.edges[1].outputs == ("module1/CMakeFiles/waker_test.dir/tests/waker_test.cc.o",)
    assert "c++ -I/x" not in reader.edges[1].text
    assert reader.errors == []


def test_ninjas_own_error() -> None:
    assert read("ninja: error: unknown target 'x', did you mean 'y'?")[0].errors == [
        "error: unknown target 'x', did you mean 'y'?"
    ]


def test_the_first_error_with_its_place_and_source() -> None:
    error = first_error([edge for edge in read(NINJA)[0].edges if edge.failed])
    assert (error.file, error.line, error.column) == ("/c/module1/include/rt/future/waker.h", 31, 2)
    assert error.message == "expected ‘;’ after class definition"
    assert error.excerpt == ("   31 | }", "      |  ^")


def test_warnings_are_found_too() -> None:
    (warning,) = [w for edge in read(NINJA)[0].edges for w in diagnostics(edge.text, "warning")]
    assert (warning.file, warning.line) == ("/c/module1/include/rt/room/timer.h", 9)


def test_an_error_in_given_code_names_the_way_through_the_learners_file() -> None:
    text = """\
/c/module1/include/rt/future/poll.h: In instantiation of ‘class rt::Poll<int&>’:
/c/module1/include/rt/room/mine.h:12:20:   required from ‘int f()’
/c/module1/include/rt/future/poll.h:20:5: error: static assertion failed: Poll holds values
   20 |     static_assert(false);
"""
    error = first_error([Edge("x", ("x.o",), text)])
    assert "/c/module1/include/rt/room/mine.h:12" in error.context


def test_clang_and_paths_with_spaces() -> None:
    error = first_error(
        [
            Edge(
                "x",
                ("x.o",),
                "/my course/a.h:3:1: fatal error: 'b.h' file not found\n#include \"b.h\"\n         ^~~~~\n1 error generated.\n",
            )
        ]
    )
    assert (error.file, error.line) == ("/my course/a.h", 3)


def test_linkers() -> None:
    gnu = "/usr/bin/ld: a.o: in function `f':\na.cc:(.text+0x5): undefined reference to `rt::g()'\ncollect2: error: ld returned 1 exit status"
    assert first_error([Edge("x", ("x",), gnu)]).message == "undefined reference to `rt::g()'"
    lld = "ld.lld: error: undefined symbol: rt::g()\n>>> referenced by a.cc:3"
    assert first_error([Edge("x", ("x",), lld)]).message == "undefined symbol: rt::g()"


def test_a_compiler_that_was_killed() -> None:
    text = "c++: fatal error: Killed signal terminated program cc1plus\ncompilation terminated."
    assert "ran out of memory" in first_error([Edge("x", ("x",), text)]).message
    assert first_error([Edge("x", ("x",), "")]).message


def test_versions() -> None:
    assert judge_version("g++", "g++ (Debian 12.2.0-14+deb12u1) 12.2.0\n") == ""
    assert judge_version("g++", "g++ (Ubuntu 13.2.0-23ubuntu4) 13.2.0\n") == ""
    assert judge_version("clang++", "Debian clang version 16.0.6 (15~deb12u1)\n") == ""
    old = judge_version("g++", "g++ (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0\n")
    assert "g++ 11.4" in old and "12 or later" in old and "--cxx" in old
    assert "16 or later" in judge_version("clang++", "Debian clang version 14.0.6\n")
    assert judge_version("cc", "what?") != ""


def test_no_more_compilers_than_memory_holds() -> None:
    assert jobs_for_memory(8, "MemAvailable:    2000000 kB\n") == 2
    assert jobs_for_memory(8, "MemAvailable:     100000 kB\n") == 1
    assert jobs_for_memory(2, "MemAvailable:   32000000 kB\n") == 2
    assert jobs_for_memory(4, "") == 4


def test_cmakes_first_complaint() -> None:
    output = """\
-- The CXX compiler identification is GNU 12.2.0
CMake Error at CMakeLists.txt:7 (find_package):
  By not providing "Findabsl.cmake" in CMAKE_MODULE_PATH this project has
  asked CMake to find a package configuration file provided by "absl".

Call Stack (most recent call first):
"""
    error = configure_error(output)
    assert error.exit_code == 3
    assert (
        'By not providing "Findabsl.cmake" in CMAKE_MODULE_PATH this project has asked'
        in error.message
    )
