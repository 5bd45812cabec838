"""course diff: the reference, when it is due."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from coursekit import cli
from coursekit.course import progress
from coursekit.course.paths import Checkout
from coursekit.telling import diffs, report
from coursekit.tests import faketree

FILE = "module1-executor/include/rt/future/countdown.h"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return faketree.use(faketree.make(tmp_path / "the course"), monkeypatch)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["diff", *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_before_it_passes_it_stays_closed(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "1.1")
    assert status == 1 and out == "" and "has not passed yet" in err and "diff 1.1 --spoil" in err
    status, out, _ = run(capsys, "1.1", "--spoil")
    assert status == 0 and "return 42;" in out


def test_once_passed_it_stays_open(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    progress.record_states(checkout, {"1.1": "pass"})
    progress.record_states(checkout, {"1.1": "fail"})
    path = checkout.root / FILE
    path.write_text(path.read_text("utf-8").replace('RT_TODO("1.1")', "return 40 + 2"), "utf-8")
    status, out, _ = run(capsys, "1.1")
    assert status == 0
    assert [row for row in out.splitlines() if " - " in row[:7]] == [
        '   4 - #include "rt/platform/todo.h"',
        "   7 -   return 40 + 2;",
    ] or ("-   return 40 + 2;" in out and "+   return 42;" in out)
    assert "BEGIN SOLUTION" not in out and "NOTES.md says why" in out


def test_the_same_is_said_to_be_the_same(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout.root / FILE
    path.write_text(path.read_text("utf-8").replace('RT_TODO("1.1")', "return 42"), "utf-8")
    _, out, _ = run(capsys, "1.1", "--spoil")
    assert "is the reference, word for word" in out


@pytest.mark.parametrize("content", [None, b"", b"int a;\n\xff\n"])
def test_a_file_that_cannot_be_compared(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    (checkout.root / FILE).unlink()
    if content is not None:
        (checkout.root / FILE).write_bytes(content)
    status, _, err = run(capsys, "1.1", "--spoil")
    assert status == 1 and FILE in err and "scripts/course reset 1.1" in err.replace("\n", " ")


def test_a_handout_has_no_reference(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(checkout.root / "solutions")
    status, _, err = run(capsys, "1.1", "--spoil")
    assert status == 1 and "no reference" in err


def test_two_columns_fit_the_terminal() -> None:
    mine = "int a;\n" + "x" * 150 + "\nint c;\n"
    reference = "int a;\nint b;\nint b2;\nint c;\n"
    rows = report.as_text(diffs.lines(mine, reference, 120)).splitlines()
    assert rows[0].split() == ["yours", "|", "reference"]
    assert max(map(len, rows)) <= 120 and all(
        row[58:61] == " | " or row[58:60] == " |" for row in rows
    )
    assert sum(row.count("x") for row in rows) == 150
    assert any("   2 * xxx" in row and "| " in row and "int b;" in row for row in rows)


def test_one_column_has_both_with_their_lines() -> None:
    said = report.as_text(diffs.lines("a\nb\nc\n", "a\nB\nc\n", 80))
    assert said.splitlines() == ["   1   a", "   2 - b", "   2 + B", "   3   c"]


def test_markers_of_the_reference_are_left_out() -> None:
    assert (
        diffs.reference_text("a\n  // BEGIN SOLUTION 1.6\n  // STUB: x\n  b\n  // END SOLUTION\n")
        == "a\n  b\n"
    )
