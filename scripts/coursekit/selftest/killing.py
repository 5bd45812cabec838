"""Proves that every mutant, a wrong solution, is killed by a test of its own exercise."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from coursekit.building import build, inputs
from coursekit.course import mutants, purposes
from coursekit.course.catalog import TEST_SUFFIXES
from coursekit.course.mutants import Mutant
from coursekit.errors import CourseError
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import binary, clang
from coursekit.testing import check, pool, runner
from coursekit.testing.verdicts import TestResult

FEWEST = 3  # for each exercise
_AIMED = "aimed"  # in place of a kind of test: the one test that the mutant names


def killed(bench: Bench) -> Iterator[Outcome]:
    chosen = {exercise.id for exercise in bench.exercises}
    everything = [m for m in mutants.load_all(bench.catalog) if m.exercise in chosen]
    for exercise in bench.exercises:
        count = sum(m.exercise == exercise.id for m in everything)
        short = "" if count >= FEWEST else f"it has {count} mutants; at least {FEWEST} are wanted"
        yield Outcome(f"{exercise.id} has mutants", short)
    # The one test that a mutant names first, alone: to compile it takes a fraction of the rest. Then
    # the unit tests: what they kill needs no other binary. By clang first, which takes half of g++'s
    # time; a bug that only g++ shows is left to g++. (Who asks what only the model checker finds has
    # to see all other tests pass first.)
    kinds: list[str] = [kind for kind, _ in TEST_SUFFIXES]
    compilers = [cxx for cxx in (clang(), "g++") if cxx]
    stages = [(kind, cxx) for cxx in compilers for kind in kinds]
    if not bench.thread_rounds:
        stages.insert(0, (_AIMED, compilers[0]))
    results: dict[str, list[TestResult]] = {mutant.name: [] for mutant in everything}
    survivors = everything
    for kind, cxx in stages:
        yield from _attack(bench, survivors, kind, cxx, results)
        survivors = [mutant for mutant in survivors if judge(mutant, results[mutant.name])[0]]
    by_threads = _with_threads(bench, everything, results) if bench.thread_rounds else {}
    rows = []
    for mutant in everything:
        problem, killer = judge(mutant, results[mutant.name])
        if mutant.by and mutants.aimed_at(bench.catalog, mutant) is None:
            problem = f"{mutant.by}, which it names, is no test of {mutant.exercise}"
        beside = by_threads.get(mutant.name, "")
        # With threads the files run whole, up to the first test that fails.
        missed = not bench.thread_rounds and missed_by_its_own(mutant, results[mutant.name])
        beside += f"; {mutant.by} missed it" if missed else ""
        rows.append((mutant.exercise, mutant.name, f"{killer or 'SURVIVED'}{beside}"))
        yield Outcome(mutant.name, problem)
    _show(bench, rows)


def _attack(
    bench: Bench,
    some: Sequence[Mutant],
    kind: str,
    cxx: str,
    results: dict[str, list[TestResult]],
) -> Iterator[Outcome]:
    """Runs the tests of one kind against some mutants, and adds to the results."""
    configuration = _configuration(cxx)
    targets = {mutant.name: found for mutant in some if (found := _target(bench, mutant, kind))}
    if not targets:
        return
    built = build.build(
        bench.checkout,
        configuration,
        [target for target, _ in targets.values()],
        bench.ui.progress,
        bench.jobs,
    )
    if inputs.contents(bench.root) != built.contents:
        # The build has ended early, and a program that is not there would look like one that crashed.
        raise CourseError("a file was saved while mutants were built: run this part again")
    may_hang = {mutant.name for mutant in some if mutant.expect == "hang"}
    groups = []
    for name, (target, its_kind) in targets.items():
        if target in built.broken:
            where = check.place_and_message(bench.checkout, built.broken[target])
            yield Outcome(f"{name} compiles", where)
        else:
            stage = (binary(bench, configuration, target, its_kind),)
            groups.append(runner.Group(name, (stage,), until_failure=name not in may_hang))
    done = runner.run_groups(
        groups, lambda n, known, name: bench.ui.progress(f"killing by {name}", n, known)
    )
    for name, tests in done.items():
        results[name] += tests


def judge(mutant: Mutant, tests: Sequence[TestResult]) -> tuple[str, str]:
    """(what is wrong, empty if it was killed as it should be; what killed it)."""
    by_failing = [test for test in tests if test.state in ("fail", "crash")]
    by_hanging = [test for test in tests if test.state == "hang"]
    unwritten = [test for test in tests if test.state == "todo"]
    if unwritten:
        return "its replacement holds an RT_TODO", ""
    if mutant.expect == "hang":
        if by_hanging:
            return "", f"{by_hanging[0].name} (hang)"
        said = "it is expected to hang, and " + (
            "no test hung" if by_failing else "no test noticed it"
        )
        return said, ""
    if by_failing:
        return "", by_failing[0].name
    if by_hanging:
        return (
            f'only a hang shows it ({by_hanging[0].name}): write the test that fails, or say expect = "hang"',
            "",
        )
    return f"no test of {mutant.exercise} notices it: {mutant.why}", ""


def missed_by_its_own(mutant: Mutant, tests: Sequence[TestResult]) -> bool:
    """The test that it names has not noticed it. That is shown and no more: a stress test may miss what another finds."""
    noticed = {purposes.plain_name(test.name) for test in tests if test.state != "pass"}
    return bool(mutant.by) and mutant.by not in noticed


def _with_threads(
    bench: Bench, everything: Sequence[Mutant], results: Mapping[str, Sequence[TestResult]]
) -> dict[str, str]:
    """What real threads say of the mutants that only the model checker has found."""
    found = {m.name: test for m in everything if (test := _only_modelled(results[m.name]))}
    targets = {
        m.name: f"{target_and_kind[0]}_threads"
        for m in everything
        if m.name in found and (target_and_kind := _target(bench, m, "model"))
    }
    configuration = _configuration("g++")
    build.build(
        bench.checkout, configuration, list(targets.values()), bench.ui.progress, bench.jobs
    )
    said = {}
    for done, (name, target) in enumerate(targets.items()):
        bench.ui.progress(f"with threads: {name}", done, len(targets))
        program = build.binary(bench.checkout, configuration, target)
        said[name] = _found_by_threads(program, found[name], bench.thread_rounds)
    return said


def _only_modelled(tests: Sequence[TestResult]) -> str:
    """The model test that has found what no test before it had; else empty."""
    wrong = [test for test in tests if test.state != "pass"]
    return wrong[0].name if wrong and wrong[0].kind == "model" else ""


def _found_by_threads(program: Path, test: str, rounds: int) -> str:
    """See scripts/testkit/model/threads/testkit/model/model.h."""
    environment = {**pool.test_environment(), "TESTKIT_ROUNDS": str(rounds)}
    try:
        answer = subprocess.run(
            [program, f"--gtest_filter={test}"],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        return f"; with threads: {error}"
    found = re.search(r"^round (\d+): (.+)$", answer.stdout, re.MULTILINE)
    if found:
        return f"; with threads: in round {found[1]} of {rounds}, {found[2]}"
    if answer.returncode != 0:
        return f"; with threads: it ended with {answer.returncode}"
    return f"; with threads: not in {rounds} rounds"


def _configuration(cxx: str) -> build.Configuration:
    return build.Configuration(
        subject="solutions",
        cxx=cxx,
        variant="selftest-mutants",
        # Nobody reads where in a mutant a test failed, and lines are a tenth of the compiler's work.
        options=("-DRT_MUTANTS=ON", "-DRT_DEBUG_INFO=-g0"),
    )


def _target(bench: Bench, mutant: Mutant, kind: str) -> tuple[str, str] | None:
    """What runs the exercise's tests of this kind on the mutant, and the kind that they are of; None when it has none."""
    if kind == _AIMED:
        aimed = mutants.aimed_at(bench.catalog, mutant)
        return (mutants.aimed_target(mutant), aimed.kind) if aimed else None
    exercise = bench.catalog.exercise(mutant.exercise)
    found = [test for test in bench.catalog.tests(exercise) if test.kind == kind]
    return (mutants.target(mutant, found[0]), kind) if found else None


def _show(bench: Bench, rows: Sequence[tuple[str, str, str]]) -> None:
    """The table: which mutant fell to which test."""
    width = max((len(name) for _, name, _ in rows), default=0)
    for exercise, name, killer in rows:
        bench.show(f"  {exercise:<5} {name:<{width}}  {killer}")
