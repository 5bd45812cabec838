"""In which order the kinds of tests of one exercise are run, while they are still being built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from coursekit.course.catalog import TestFile
from coursekit.testing.parts import Parts
from coursekit.testing.verdicts import TestResult

KINDS = ("unit", "model", "stress")


class Bench:
    def __init__(self, fails: str = "") -> None:
        tests = [TestFile("1.6", kind, Path(f"block_on_{kind}_test.cc")) for kind in KINDS]  # type: ignore[arg-type]
        self.targets = dict(zip(KINDS, (test.target for test in tests)))
        self.fails = fails
        self.ran: list[str] = []
        self.told: list[str] = []
        self.parts = Parts([[test] for test in tests], self._run, self.told.append)

    def _run(self, tests: Sequence[TestFile]) -> list[TestResult]:
        (test,) = tests
        self.ran.append(test.kind)
        state = "fail" if test.kind == self.fails else "pass"
        return [TestResult("A.First", test.kind, "pass"), TestResult("A.Second", test.kind, state)]

    def linked(self, *kinds: str) -> list[bool]:
        return [self.parts.linked(self.targets[kind]) for kind in kinds]


def test_each_kind_is_run_as_soon_as_it_is_there() -> None:
    bench = Bench()
    for count, kind in enumerate(KINDS, 1):
        assert bench.linked(kind) == [True]
        assert bench.ran == list(KINDS[:count])
    assert len(bench.parts.said) == 6


def test_a_kind_waits_for_those_before_it() -> None:
    bench = Bench()
    bench.linked("stress", "model")
    assert not bench.ran
    bench.linked("unit")
    assert bench.ran == list(KINDS)


@pytest.mark.parametrize("fails", KINDS)
def test_after_a_kind_that_fails_nothing_is_built_or_run(fails: str) -> None:
    bench = Bench(fails)
    goes_on = bench.linked(*KINDS)
    last = KINDS.index(fails)
    assert goes_on == [place < last for place in range(3)]
    assert bench.ran == list(KINDS[: last + 1])


def test_what_has_passed_is_told_while_more_is_to_come() -> None:
    bench = Bench()
    bench.linked(*KINDS)
    assert bench.told == [
        "2 unit tests pass. Next: model and stress tests.",
        "2 model tests pass. Next: stress tests.",
    ]


def test_nothing_is_told_of_a_kind_that_fails() -> None:
    bench = Bench("unit")
    bench.linked(*KINDS)
    assert bench.told == []


def test_nothing_is_run_twice() -> None:
    bench = Bench()
    bench.linked("unit", "unit", "model", "stress", "model")
    assert bench.ran == list(KINDS)


def test_the_files_of_one_kind_are_one_stage() -> None:
    files = [
        TestFile("1.5", "unit", Path("a_test.cc")),
        TestFile("1.5", "unit", Path("a_race_test.cc")),
        TestFile("1.5", "stress", Path("a_stress_test.cc")),
    ]
    ran: list[list[str]] = []
    told: list[str] = []

    def run(tests: Sequence[TestFile]) -> list[TestResult]:
        ran.append([test.target for test in tests])
        return [TestResult(test.target, test.kind, "pass") for test in tests]

    parts = Parts([files[:2], files[2:]], run, told.append)
    parts.linked("a_race_test")
    assert not ran
    parts.linked("a_test")
    assert ran == [["a_test", "a_race_test"]]
    assert told == ["2 unit tests pass. Next: stress tests."]
    parts.linked("a_stress_test")
    assert len(ran) == 2
