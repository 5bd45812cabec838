"""The parts of the self-test that decide; what they decide about is proved by running it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coursekit.course.mutants import Mutant
from coursekit.errors import CourseError
from coursekit.selftest import killing, plan
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
    assert not {part.name for part in plan.ON_CALL} & {part.name for part in plan.PARTS}
    assert plan.choose(["contracts"], 0) == plan.ON_CALL
    assert [part.name for part in plan.choose([], 5)] == ["soak"]
    with pytest.raises(CourseError, match="no part 'stub'"):
        plan.choose(["stub"], 0)
