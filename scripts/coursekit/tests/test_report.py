"""What a person reads: every state, at 80 columns, without a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from coursekit.building.compiler import Diagnostic
from coursekit.course.catalog import Catalog, Exercise, Module
from coursekit.course.paths import Checkout
from coursekit.course.sources import Place
from coursekit.telling import report, text
from coursekit.telling.report import Look
from coursekit.telling.ui import Plain
from coursekit.testing.check import About, Result, next_unfinished, verdict
from coursekit.testing.verdicts import Failure, TestResult


def exercise(number: int, slug: str, *, stretch: bool = False) -> Exercise:
    return Exercise(
        id=f"1.{number}",
        slug=slug,
        title=f"About {slug}",
        module="module1-executor",
        files=(f"include/rt/{slug}.h",),
        needs=(),
        points=10,
        minutes=30,
        stretch=stretch,
        kind="code",
        forbid=(),
    )


FIRST, SECOND, STAR, LAST = (
    exercise(1, "waker"),
    exercise(2, "block_on"),
    exercise(3, "extra", stretch=True),
    exercise(4, "join"),
)
ROOT = Path("/my course")
CHECKOUT = Checkout(ROOT, ROOT / ".course", ROOT / "build", read_only=False)
CATALOG = Catalog(ROOT, (Module("module1-executor", 1, "Who?", (FIRST, SECOND, STAR, LAST)),))
FILES = ("module1-executor/include/rt/future/waker.h",)


def shown(*results: Result, look: Look = Look(), following: Exercise | None = None) -> str:
    return report.as_text(report.check_report(results, CHECKOUT, CATALOG, look, following))


def test_a_failure_shows_the_first_test_in_full_and_the_others_as_a_line() -> None:
    tests = (
        TestResult("Waker.Good", "unit", "pass"),
        TestResult(
            "Waker.WakesTheNewestWakerOnly",
            "unit",
            "fail",
            "x",
            failures=(
                Failure(
                    "/my course/module1-executor/tests/waker_test.cc",
                    41,
                    "Expected: 1\n  Actual: 2\n" + "word " * 40,
                ),
            ),
        ),
        TestResult(
            "Waker.Other",
            "unit",
            "fail",
            failures=(Failure("/my course/module1-executor/tests/waker_test.cc", 99, "no"),),
        ),
        TestResult("Waker.Dies", "unit", "crash", "ended by SIGSEGV"),
    )
    answer = shown(Result(FIRST, "fail", FILES, "", tests, skipped=("stress", "system")))
    assert "3 of 4 tests fail" in answer
    assert "    Expected: 1\n      Actual: 2" in answer
    assert "module1-executor/tests/waker_test.cc:41" in answer
    assert "Waker.Other failed at waker_test.cc:99" in answer
    assert "Waker.Dies crashed: ended by SIGSEGV" in answer
    assert "Waker.Good" not in answer
    assert "any of them in full: scripts/course check 1.1 --test NAME" in answer
    assert "its stress and system tests" in answer
    assert "hint: scripts/course hint 1.1" in answer
    assert max(map(len, answer.splitlines())) <= 80


def test_the_place_of_a_test_and_its_bug_are_told() -> None:
    about = About("module1-executor/tests/waker_test.cc", 30, "a wake that is lost, " * 20)
    test = TestResult("Waker.Dies", "unit", "crash", "ended by SIGSEGV")
    answer = shown(Result(FIRST, "fail", FILES, "", (test,), about={"Waker.Dies": about}))
    assert "    the test: module1-executor/tests/waker_test.cc:30\n" in answer
    assert "    a usual cause: a wake that is lost, a wake" in answer
    assert " ...\n  hint" in answer
    assert max(map(len, answer.splitlines())) <= 80


LEAK = """\
==9==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 88 byte(s) in 1 object(s) allocated from:
    #0 0x5 in make /my course/module1-executor/tests/waker_test.cc:12
SUMMARY: AddressSanitizer: 88 byte(s) leaked in 1 allocation(s).

The steps so far:
  1. waker cloned
"""


def test_of_a_long_list_of_steps_the_last_ten_are_shown() -> None:
    steps = "".join(f"  {n:2}. step {n}\n      and more\n" for n in range(1, 41))
    failure = Failure("module1-executor/tests/waker_test.cc", 7, f"The steps so far:\n{steps}\nno")
    tests = (TestResult("Waker.A", "unit", "fail", "no", failures=(failure,)),)
    answer = shown(Result(FIRST, "fail", FILES, "", tests))
    assert "3. step 3\n" in answer and "4. step 4\n" not in answer
    assert "… 27 steps are left out here; --test NAME shows all of them …" in answer
    assert "30. step 30\n" not in answer and "31. step 31\n" in answer and "    no\n" in answer
    everything = shown(Result(FIRST, "fail", FILES, "", tests, chosen=True))
    assert "20. step 20\n" in everything and "left out" not in everything


def test_a_leak_is_no_crash() -> None:
    failure = Failure("module1-executor/tests/waker_test.cc", 7, "The steps so far:\n  1. a\n\nno")
    tests = (
        TestResult("Waker.A", "unit", "fail", "no", failures=(failure,), output=LEAK),
        TestResult("Waker.B", "unit", "fail", "x", output=LEAK),
    )
    answer = shown(Result(FIRST, "fail", FILES, "", tests))
    assert "Waker.A (unit) failed, and leaked memory" in answer
    assert "Memory leaked: when the test had ended, a block of memory" in answer
    assert "crash" not in answer and "waker cloned" not in answer
    assert "  Waker.B leaked memory from waker_test.cc:12\n" in answer


def test_a_crash_shows_its_steps_and_many_others_are_counted() -> None:
    text = LEAK.replace("LeakSanitizer: detected memory leaks", "AddressSanitizer: bad-free")
    tests = tuple(TestResult(f"Waker.T{n}", "unit", "crash", "x", output=text) for n in range(20))
    answer = shown(Result(FIRST, "fail", FILES, "", tests))
    assert "Something is freed that was never allocated. (AddressSanitizer: bad-free)" in answer
    assert "    The steps so far:\n      1. waker cloned\n" in answer
    assert "  Waker.T3 crashed: bad-free at waker_test.cc:12\n" in answer
    assert "  and 7 more\n" in answer


def test_tests_that_were_named_are_shown_in_full() -> None:
    tests = (
        TestResult("Waker.A", "unit", "crash", "it died here"),
        TestResult("Waker.B", "unit", "crash", "it died there"),
        TestResult("Waker.C", "unit", "pass"),
    )
    answer = shown(Result(FIRST, "fail", FILES, "", tests, chosen=True, left_out=9))
    assert "2 of the 3 tests fail  9 others were not run" in answer
    assert "    It died here." in answer and "    It died there." in answer
    assert "nothing is recorded as progress" in answer


def test_a_hang_shows_who_waits() -> None:
    test = TestResult(
        "Waker.Waits",
        "unit",
        "hang",
        "All 2 threads sleep.\nThread 1\n  in park /my course/module1-executor/a.h:3",
    )
    answer = shown(Result(FIRST, "fail", FILES, "", (test,)))
    assert "Waker.Waits (unit) hangs" in answer
    assert "in park module1-executor/a.h:3" in answer


def test_tests_that_hangs_kept_from_running_are_counted() -> None:
    test = TestResult("Waker.Waits", "unit", "hang", "All 2 threads sleep.")
    answer = shown(Result(FIRST, "fail", FILES, "", (test,), left_out=25))
    assert "  25 tests were not run, since each that hangs takes seconds\n" in answer


def test_each_failed_test_says_a_usual_cause() -> None:
    tests = tuple(TestResult(f"Waker.T{n}", "unit", "crash", "it died") for n in range(3))
    about = {"Waker.T2": About("module1-executor/tests/waker_test.cc", 7, "a waker kept " * 9)}
    answer = shown(Result(FIRST, "fail", FILES, "", tests, about=about))
    assert "  Waker.T2 crashed: it died\n      a usual cause: a waker kept a" in answer
    assert max(map(len, answer.splitlines())) <= 80


def test_an_error_outside_of_the_learners_file_names_the_way_to_it() -> None:
    error = Diagnostic(
        "/my course/module1-executor/include/rt/future/poll.h",
        20,
        5,
        "static assertion failed",
        (),
        ("/my course/" + FILES[0] + ":12",),
    )
    answer = shown(Result(FIRST, "broken", FILES, "", error=error))
    assert "module1-executor/include/rt/future/poll.h:20:5" in answer
    assert "on the way from module1-executor/include/rt/future/waker.h:12" in answer


def test_a_missing_definition_is_explained() -> None:
    answer = shown(
        Result(FIRST, "broken", FILES, "", error=Diagnostic("", 0, 0, "undefined symbol: rt::f()"))
    )
    assert "nothing defines it" in answer


def test_several_exercises_get_a_line_each_and_a_total() -> None:
    answer = shown(
        Result(FIRST, "pass", FILES, "", (TestResult("A.B", "unit", "pass", seconds=0.5),)),
        Result(SECOND, "todo", FILES),
        Result(
            LAST,
            "blocked",
            FILES,
            "needs 1.2 (block_on), which is not written yet",
            blocked_by="1.2",
        ),
    )
    assert "3 exercises: 1 passes, 1 blocked, 1 not written yet" in answer
    assert "Needs 1.2 (block_on), which is not written yet." in answer
    assert "first to write: scripts/course lesson 1.2" in answer


def test_without_unicode() -> None:
    answer = shown(Result(FIRST, "pass", FILES), look=Look(unicode=False), following=SECOND)
    assert answer.isascii()
    assert "next: 1.2 About block_on" in answer


def test_compiler_warnings_and_notices_are_a_word_not_a_failure() -> None:
    answer = shown(
        Result(
            FIRST,
            "pass",
            FILES,
            notices=(Place(FILES[0], 3, "", "name it first"),),
            warnings=(Diagnostic("/my course/" + FILES[0], 9, 1, "unused variable"),) * 2,
        )
    )
    assert f"warning: {FILES[0]}:3: name it first" in answer
    assert f"{FILES[0]}:9:1" in answer and "1 more compiler warning in" in answer


def verdict_of(*states: str, todo: str = "1.1") -> tuple[str, str, str]:
    return verdict(
        FIRST,
        [
            TestResult("S.T", "unit", state, "m", todo=todo if state == "todo" else "")
            for state in states
        ],
        (),
    )


def test_verdicts() -> None:
    assert verdict_of("pass", "pass")[0] == "pass"
    assert verdict_of("pass", "todo")[0] == "todo"
    assert verdict_of("todo", "fail")[0] == "fail"
    assert verdict_of("hang")[0] == "fail"
    assert verdict_of()[0] == "fail"
    assert verdict_of("pass", "todo", todo="0.3") == (
        "blocked",
        "needs 0.3, which is not written yet",
        "0.3",
    )
    assert (
        verdict(FIRST, [TestResult("S.T", "unit", "pass")], [Place("a.h", 1, "", "no")])[0]
        == "fail"
    )


def test_stretch_exercises_come_when_the_others_are_done(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path, CATALOG.modules)
    passed = {"state": "pass"}
    assert next_unfinished(catalog, {}) == FIRST
    assert next_unfinished(catalog, {"1.1": passed, "1.2": passed}) == LAST
    assert next_unfinished(catalog, {"1.1": passed, "1.2": passed, "1.4": passed}) == STAR
    assert next_unfinished(catalog, {"1.4": passed}, after=SECOND) == FIRST
    assert next_unfinished(catalog, {key: passed for key in ("1.1", "1.2", "1.3", "1.4")}) is None


def test_long_lines_are_folded_and_paths_are_not_broken() -> None:
    path = "module1-executor/include/rt/" + "very_" * 20 + "long.h"
    lines = text.prose(f"see {path} for more words than fit", 40, "  ")
    assert any(path in text.plain(line) for line in lines)
    folded = text.verbatim("    " + "word " * 25, 80, "  ")
    assert all(len(text.plain(line)) <= 80 for line in folded) and len(folded) == 2


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert text.wants_colour(Terminal())
    assert not text.wants_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not text.wants_colour(Terminal())


def test_plain_progress_is_quiet_when_it_is_quick() -> None:
    out = io.StringIO()
    plain = Plain(out, pause=1000)
    plain.progress("built a.cc", 1, 9)
    assert out.getvalue() == ""
    plain.progress("configuring learner", 0, 0)
    assert out.getvalue() == "configuring learner\n"
    patient = Plain(out, pause=0)
    patient.progress("built b.cc", 2, 9)
    assert out.getvalue().endswith("built b.cc [2/9]\n")
