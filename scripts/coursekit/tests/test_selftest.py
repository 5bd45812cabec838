"""The parts of the self-test that decide; what they decide about is proved by running it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, cast

import pytest

from coursekit.course.mutants import Mutant
from coursekit.course.paths import Checkout
from coursekit.errors import CourseError
from coursekit.selftest import killing, plan
from coursekit.selftest.memory import Memory
from coursekit.selftest.outcome import Bench, Outcome, Part
from coursekit.selftest.plan import Totals
from coursekit.testing.verdicts import TestResult


def mutant(expect: str = "fail") -> Mutant:
    return Mutant("keeps-the-first-waker", "module1-x", "1.3", "include/rt/a.h", "a", "b", "a slip", expect)  # type: ignore[arg-type]


def test(state: str, name: str = "Suite.Case") -> TestResult:
    return TestResult(name, "unit", state)


test.__test__ = False  # type: ignore[attr-defined]


def test_a_mutant_is_killed_by_a_failing_or_crashing_test() -> None:
    for state in ("fail", "crash"):
        problem, killer = killing.judge(mutant(), [test("pass"), test(state, "Suite.Killer")])
        assert (problem, killer) == ("", "Suite.Killer")


def test_a_mutant_that_no_test_notices_survives() -> None:
    problem, killer = killing.judge(mutant(), [test("pass")])
    assert "no test of 1.3 notices it" in problem
    assert killer == ""


def test_a_hang_kills_only_where_a_hang_is_expected() -> None:
    problem, _ = killing.judge(mutant(), [test("hang")])
    assert "only a hang shows it" in problem
    assert killing.judge(mutant("hang"), [test("hang")])[0] == ""
    assert "no test hung" in killing.judge(mutant("hang"), [test("fail")])[0]


def test_the_table_says_when_a_mutants_own_test_missed_it() -> None:
    named = replace(mutant(), by="Suite.Case")
    assert not killing.missed_by_its_own(mutant(), [test("fail", "Suite.Other")])
    assert not killing.missed_by_its_own(named, [test("fail", "Some/Suite.Case/3")])
    assert killing.missed_by_its_own(named, [test("pass"), test("fail", "Suite.Other")])


def test_a_mutant_that_is_not_written_proves_nothing() -> None:
    assert "RT_TODO" in killing.judge(mutant(), [test("fail"), test("todo")])[0]


def test_the_closing_line_counts() -> None:
    assert Totals(3, 0).closing_line() == "3 passed, 0 failed"
    assert Totals(3, 1, 2).closing_line() == "3 passed, 1 failed, 2 skipped"


def test_parts_are_chosen_by_name_and_an_unknown_one_is_refused() -> None:
    assert [part.name for part in plan.choose(["stubs", "texts"], 0)] == ["stubs", "texts"]
    assert plan.choose([], 0) == plan.PARTS
    assert plan.choose([], 0, whole=True) == (*plan.PARTS, *plan.MORE)
    assert [part.name for part in plan.choose(["gnu"], 0)] == ["gnu"]
    assert [part.name for part in plan.choose([], 5)] == ["soak"]
    with pytest.raises(CourseError, match="no part 'stub'"):
        plan.choose(["stub"], 0)


def test_a_plain_run_says_what_it_leaves_out() -> None:
    assert "headers" in plan.left_out(plan.choose([], 0))
    assert "--whole" in plan.left_out(plan.choose([], 0))
    assert plan.left_out(plan.choose([], 0, whole=True)) == ""
    assert plan.left_out(plan.choose(["stubs"], 0)) == ""


class Parts:
    """A checkout with a memory, and a part of the self-test that counts how often it runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "a.h").write_text("int a;\n")
        (root / "README.md").write_text("Read me.\n")
        self.runs = 0
        self.problem = self.skipped = ""
        self.shown: list[str] = []

    def run(self, reads: Literal["code", "everything"] = "code", *, again: bool = False) -> Totals:
        checkout = Checkout(self.root, self.root / ".course", self.root / "build", False)
        bench = cast(Bench, SimpleNamespace(checkout=checkout, show=self.shown.append))
        part = Part("part", "it works", self._outcomes, reads)
        return plan.run(bench, [part], Memory(checkout), again=again)

    def _outcomes(self, bench: Bench) -> Iterator[Outcome]:
        self.runs += 1
        yield Outcome("one")
        yield Outcome("two", self.problem, self.skipped)


def test_what_has_not_changed_is_not_proved_again(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    assert parts.run().passed == 2
    assert (parts.run().passed, parts.runs) == (2, 1)
    assert "nothing has changed since" in parts.shown[-1]
    parts.run(again=True)
    assert parts.runs == 2


@pytest.mark.parametrize("file", ["a.h", "b.h"])
def test_what_has_changed_is_proved_again(tmp_path: Path, file: str) -> None:
    parts = Parts(tmp_path)
    parts.run()
    (tmp_path / file).write_text("int other;\n")
    parts.run()
    assert parts.runs == 2


def test_prose_concerns_only_what_reads_it(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    parts.run()
    (tmp_path / "README.md").write_text("Read me, please.\n")
    parts.run()
    assert parts.runs == 1
    parts.run("everything")
    (tmp_path / "README.md").write_text("Do read me.\n")
    parts.run("everything")
    assert parts.runs == 3


def test_a_part_that_failed_or_could_not_look_is_proved_again(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    for parts.problem, parts.skipped in (("it is wrong", ""), ("", "no tool for it")):
        parts.run()
    parts.run()
    assert parts.runs == 3


def test_what_changes_while_it_is_proved_is_not_remembered(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    original = parts._outcomes

    def saves(bench: Bench) -> Iterator[Outcome]:
        yield from original(bench)
        (tmp_path / "a.h").write_text("int saved;\n")

    setattr(parts, "_outcomes", saves)
    parts.run()
    (tmp_path / "a.h").write_text("int a;\n")
    parts.run()
    assert parts.runs == 2
