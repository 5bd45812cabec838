"""What is said of a learner's file without compiling it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coursekit.course import sources
from coursekit.course.catalog import Forbid

SLEEP = (Forbid(r"\bsleep_for\b", "wait for the event, not for the time"),)


def test_stripping_keeps_every_place() -> None:
    text = 'int a; // sleep_for\nauto s = "sleep_for \\" x"; /* sleep\n_for */ int b = 1\'000; char c = \'"\'; int d;\n'
    code = sources.strip_comments_and_strings(text)
    assert len(code) == len(text)
    assert "sleep" not in code
    assert [code.index(name) for name in ("int b", "int d")] == [
        text.index(name) for name in ("int b", "int d")
    ]


def test_raw_strings_and_digit_separators() -> None:
    code = sources.strip_comments_and_strings(
        'auto r = R"x(sleep_for " )" )x"; int n = 1\'000\'000; sleep_for(n);'
    )
    assert code.count("sleep_for") == 1
    assert "1'000'000" in code


def test_a_forbidden_word_counts_in_code_only() -> None:
    assert sources.forbidden('// sleep_for\nconst char* s = "sleep_for";\n', "a.h", SLEEP) == []
    (breach,) = sources.forbidden("int x;\n  std::this_thread::sleep_for(1ms);\n", "a.h", SLEEP)
    assert (breach.file, breach.line, breach.source) == (
        "a.h",
        2,
        "std::this_thread::sleep_for(1ms);",
    )


def test_awaited_aggregates() -> None:
    text = "co_await Sleep{5};\nco_await sleep(5);\nco_await rt::Pair<int, 2>{1, 2};\n// co_await X{}\nco_await f(Y{});\n"
    assert [place.line for place in sources.awaited_aggregates(text, "a.h")] == [1, 3]


def test_what_is_still_to_be_written() -> None:
    assert sources.unwritten('  RT_TODO("1.6");\n', "1.6")
    assert not sources.unwritten('  RT_TODO("1.6");\n', "1.7")
    assert not sources.unwritten('  // RT_TODO("1.6");\n', "1.6")


def test_files_that_cannot_be_compiled(tmp_path: Path) -> None:
    path = tmp_path / "a.h"
    assert "is missing" in sources.problem(path, "m/a.h", "1.2")
    assert "`scripts/course reset 1.2`" in sources.problem(path, "m/a.h", "1.2")
    path.symlink_to(tmp_path / "nowhere")
    assert "does not exist" in sources.problem(path, "m/a.h", "1.2")
    path.unlink()
    path.write_bytes(b" \n")
    assert "is empty" in sources.problem(path, "m/a.h", "1.2")
    path.write_bytes(b"int a;\n\xff\xfe")
    assert "m/a.h:2 is not UTF-8" in sources.problem(path, "m/a.h", "1.2")
    path.write_text("int a;  // ünïcode\n", "utf-8")
    assert sources.problem(path, "m/a.h", "1.2") == ""
    path.unlink()
    path.mkdir()
    assert "is a folder" in sources.problem(path, "m/a.h", "1.2")


def test_a_file_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read anything")
    path = tmp_path / "a.h"
    path.write_text("x")
    path.chmod(0)
    assert "permission denied" in sources.problem(path, "m/a.h", "1.2")
