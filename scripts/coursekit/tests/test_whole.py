"""The page of what a learner has built."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from coursekit.benching.figures import Result as Figure
from coursekit.benching.figures import Spread
from coursekit.benching.workloads import Metric
from coursekit.course import catalog as catalogs
from coursekit.telling import whole as page
from coursekit.telling.text import plain
from coursekit.testing import demos, whole
from coursekit.testing.check import Result
from coursekit.testing.verdicts import TestResult
from coursekit.testing.whole import Count, Part, Speed, Whole
from coursekit.tests import faketree
from coursekit.tests.small_course import ALPHA, Tree, built_tree, tree

__all__ = ["built_tree", "tree"]


def test_result(name: str, state: str) -> TestResult:
    return TestResult(name, "unit", state)


test_result.__test__ = False  # type: ignore[attr-defined]


def figure(**values: float) -> Figure:
    metric = Metric("spawn", "spawn", "spawn + join", "ns", "lower", 0.6)
    return Figure(metric, {peer: Spread(value, value, value) for peer, value in values.items()})


def built(speed: Speed, **demos: str) -> Whole:
    parts = (
        Part("problem", "Why wait?", Count(4, 4), Count(35, 35), Count(), 210),
        Part("executor", "Who polls?", Count(10, 11), Count(99, 101), Count(4, 4), 1_190),
    )
    return Whole(parts, demos or {"hello_future": ""}, speed)


MEASURED = Speed([figure(mine=200.0, ours=100.0, tokio=400.0)], "2 × a machine")


def said(what: Whole) -> str:
    return "\n".join(plain(line) for line in page.lines(what, 80))


def test_modules_are_rows_and_the_last_is_the_sum() -> None:
    rows = said(built(MEASURED)).splitlines()
    assert rows[3].split() == ["problem", "4", "of", "4", "35", "of", "35", "210"]
    assert " ".join(rows[5].split()) == "in all 14 of 15 134 of 136 1,400 4 of 4 caught"
    assert all(len(row) <= 80 for row in rows)


def test_speed_stands_beside_the_reference_and_tokio() -> None:
    rows = [" ".join(row.split()) for row in said(built(MEASURED)).splitlines()]
    assert "unit yours reference Tokio to reference to Tokio" in rows
    assert "spawn + join ns 200 100 400 × 2.00 × 0.50" in rows


def test_who_is_not_there_is_named() -> None:
    alone = Speed([figure(mine=200.0)], "2 × a machine", without={"tokio": "it is not installed."})
    text = said(built(alone))
    assert "Without Tokio: it is not installed." in text and "reference  " not in text


def test_a_busy_machine_is_mentioned() -> None:
    busy = built(Speed(MEASURED.results, "2 × a machine", busy=True))
    assert "Other programs were busy" in said(busy) and page.BUSY in page.html(busy, "")
    assert "Other programs" not in said(built(MEASURED))


def test_where_nothing_was_measured_the_page_says_why() -> None:
    what = built(Speed(why="It was not measured: --no-bench."))
    assert "Speed: It was not measured: --no-bench." in said(what)
    assert "It was not measured: --no-bench." in page.html(what, "2026-12-01")


def test_a_demo_that_fails_is_named() -> None:
    text = said(built(MEASURED, one="", two="it ended with 1\nand more"))
    assert "Demos: 1 of 2 run on it." in text
    assert "two: it ended with 1" in text and "and more" not in text


def test_of_many_demos_that_fail_a_few_are_named() -> None:
    text = said(built(MEASURED, **{f"d{i}": "it waits for 1.1" for i in range(8)}))
    assert "d4: it waits for 1.1" in text and "d5" not in text and "and 3 more" in text


def test_a_demo_waits_for_its_module_and_those_before(tmp_path: Path) -> None:
    catalog = catalogs.load(faketree.make(tmp_path / "course"))
    (demo,) = catalog.demos()
    passed = [Result(exercise, "pass", ()) for exercise in catalog.exercises]
    assert whole.waits_for(catalog, demo, passed) == ""
    first = replace(passed[0], state="fail")
    assert whole.waits_for(catalog, demo, [first, *passed[1:]]) == "it waits for 0.1"


@pytest.mark.parametrize(
    "script, says",
    [
        ("echo fine", ""),
        ("true", "it says nothing"),
        ("echo no; exit 3", "it ended with 3"),
        ("echo 'exercise 1.6 is not written yet' >&2; exit 42", "exercise 1.6 is not written yet"),
        (f"echo {'x' * 81}", "wider than 80 columns"),
    ],
)
def test_a_demo_tests_itself(tmp_path: Path, script: str, says: str) -> None:
    program = tmp_path / "demo"
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o755)
    problem = demos.problem_of(program, tmp_path)
    assert says in problem and bool(problem) == bool(says)


def test_html_needs_nothing_else_and_escapes_what_programs_say() -> None:
    html = page.html(built(MEASURED, one="it says <b>"), "2026-12-01")
    assert "2026-12-01" in html and "1,400" in html and "<svg" in html
    assert "it says &lt;b&gt;" in html
    assert re.findall(r'(?:src|href)="', html) == []


@pytest.mark.parametrize(
    "right, caught", [("pass", Count(1, 2)), ("fail", Count(0, 2)), ("todo", Count(0, 2))]
)
def test_a_test_that_the_right_one_fails_catches_nothing(right: str, caught: Count) -> None:
    tests = [
        test_result("WriteTheTest.PassesOnTheRightEvent", right),
        test_result("WriteTheTest.CatchesSuspectA", "pass"),
        test_result("WriteTheTest.CatchesSuspectB", "fail"),
    ]
    assert whole.caught(tests) == caught


def test_lines_are_those_that_the_stub_has_not() -> None:
    stub = '#include "rt/platform/todo.h"\nint one() {\n  RT_TODO("1.1");\n}\nint two;\n'
    mine = "int one() {\n  int x = 1;\n\n  return x;\n}\nint two;\n"
    assert whole.lines_added(stub, stub) == 0
    assert whole.lines_added(stub, mine) == 2
    # The reference, copied over the stub: its marks were written by nobody.
    marked = mine.replace("  int x", "  // BEGIN SOLUTION 1.1\n  int x").replace(
        "x;\n}", "x;\n  // END SOLUTION\n}"
    )
    assert whole.lines_added(stub, marked) == 2


def test_a_module_is_counted_by_its_exercises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = faketree.make(tmp_path / "course")
    checkout = faketree.use(root, monkeypatch)
    catalog = catalogs.load(root)
    faketree.solve(root, "module1-executor", "include/rt/future/waker.h")
    results = [
        Result(exercise, state, (), tests=(test_result("A.B", state),))
        for exercise, state in zip(catalog.exercises, ("pass", "fail", "pass"))
    ]
    part = whole.part_of(checkout, catalog, catalog.modules[1], results)
    assert (part.name, part.exercises, part.tests, part.lines) == (
        "executor",
        Count(1, 2),
        Count(1, 2),
        1,
    )


def test_the_page_comes_at_the_end_of_a_check_of_all(tree: Tree) -> None:
    tree.learner("alpha").write_text(ALPHA)
    for name in ("alpha", "beta"):
        path = tree.root / f"solutions/module1-x/include/rt/room/{name}.h"
        marked = re.sub(
            r"(  return .*\n)", r"  // BEGIN SOLUTION ID\n\1  // END SOLUTION\n", path.read_text()
        )
        path.write_text(marked.replace("ID", "1.1" if name == "alpha" else "1.2"))
    answer = tree.run("check", "all", "--mine", "--no-bench")
    assert "What you have built" in answer.stdout, answer.stderr
    assert "1 of 2" in answer.stdout and "build/your-runtime.html" in answer.stdout
    assert answer.returncode == 1
    html = (tree.root / "build/your-runtime.html").read_text("utf-8")
    assert "What is small?" in html
    assert "What you have built" not in tree.run("check", "1.1", "--mine").stdout
    assert tree.run("check", "all", "--mine", "--json").stdout.startswith("{")
