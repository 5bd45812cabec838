"""Proves that every mutant, a wrong solution, is killed by a test of its own exercise."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from coursekit.building import build, compilers, mutating
from coursekit.course import mutants, purposes
from coursekit.course.catalog import TEST_SUFFIXES
from coursekit.course.mutants import Mutant
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import binary
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
    # The one test that a mutant names first, alone: to compile it takes a fraction of the rest. Then, of
    # the survivors, kind by kind; a bug that only g++ shows is left to g++.
    kinds: list[str] = [kind for kind, _ in TEST_SUFFIXES]
    stages = [(_AIMED, ""), *((kind, cxx) for cxx in _compilers() for kind in kinds)]
    results: dict[str, list[TestResult]] = {mutant.name: [] for mutant in everything}
    survivors = everything
    for kind, cxx in stages:
        yield from _attack(bench, survivors, kind, cxx, results)
        survivors = [mutant for mutant in survivors if judge(mutant, results[mutant.name])[0]]
    rows = []
    for mutant in everything:
        problem, killer = judge(mutant, results[mutant.name])
        if mutant.by and mutants.aimed_at(bench.catalog, mutant) is None:
            problem = f"{mutant.by}, which it names, is no test of {mutant.exercise}"
        missed = missed_by_its_own(mutant, results[mutant.name])
        beside = f"; {mutant.by} missed it" if missed else ""
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
    configuration = _configuration(some, kind, cxx)
    targets = {mutant.name: found for mutant in some if (found := _targets(bench, mutant, kind))}
    if not targets:
        return
    built = bench.build(configuration, [t for found in targets.values() for t, _ in found])
    may_hang = {mutant.name for mutant in some if mutant.expect == "hang"}
    groups = []
    for name, found in targets.items():
        broken = next((target for target, _ in found if target in built.broken), None)
        if broken is not None:
            where = check.place_and_message(bench.checkout, built.broken[broken])
            yield Outcome(f"{name} compiles", where)
        else:
            stage = tuple(binary(bench, configuration, *each) for each in found)
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


def with_threads(bench: Bench) -> Iterator[Outcome]:
    """What real threads say of the mutants that a model test is there for. Whatever they say is fine."""
    chosen = {exercise.id for exercise in bench.exercises}
    some = []
    for mutant in mutants.load_all(bench.catalog):
        aimed = mutants.aimed_at(bench.catalog, mutant)
        if mutant.exercise in chosen and aimed and aimed.kind == "model":
            some.append(mutant)
    targets = {
        mutant.name: f"{found[0][0]}_threads"
        for mutant in some
        if (found := _targets(bench, mutant, "model"))
    }
    configuration = _configuration(some, "model", "")
    built = bench.build(configuration, list(targets.values()))
    rows = []
    for done, mutant in enumerate(some):
        bench.ui.progress(f"with threads: {mutant.name}", done, len(some))
        target = targets[mutant.name]
        if target in built.broken:
            where = check.place_and_message(bench.checkout, built.broken[target])
            yield Outcome(f"{mutant.name} compiles with threads", where)
            continue
        program = build.binary(bench.checkout, configuration, target)
        said = _found_by_threads(program, mutant.by, bench.thread_rounds)
        rows.append((mutant.exercise, mutant.name, said))
        yield Outcome(f"{mutant.name} was tried with threads")
    _show(bench, rows)


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
        return str(error)
    found = re.search(r"^round (\d+): (.+)$", answer.stdout, re.MULTILINE)
    if found:
        return f"in round {found[1]} of {rounds}, {found[2]}"
    if answer.returncode != 0:
        return f"it ended with {answer.returncode}"
    return f"not in {rounds} rounds"


def _compilers() -> list[str]:
    """As for Configuration.cxx: what the course is built by, and g++ where that is another."""
    return [""] if not compilers.is_clang(compilers.find()) else ["", "g++"]


def _configuration(some: Sequence[Mutant], kind: str, cxx: str) -> build.Configuration:
    """Those with the one test that each names are always the same, so that they are built once."""
    wanted = mutating.AIMED if kind == _AIMED else ",".join(sorted(m.name for m in some))
    return build.Configuration(
        subject="solutions",
        cxx=cxx,
        variant="selftest-mutants" if kind == _AIMED else "selftest-survivors",
        # Nobody reads where in a mutant a test failed, and lines are a tenth of the compiler's work.
        options=(f"-DRT_MUTANTS={wanted}", "-DRT_DEBUG_INFO=-g0"),
    )


def _targets(bench: Bench, mutant: Mutant, kind: str) -> list[tuple[str, str]]:
    """What runs the exercise's tests of this kind on the mutant, each with the kind that it is of."""
    if kind == _AIMED:
        aimed = mutants.aimed_at(bench.catalog, mutant)
        return [(mutants.aimed_target(mutant), aimed.kind)] if aimed else []
    tests = bench.catalog.tests(bench.catalog.exercise(mutant.exercise))
    return [(mutants.target(mutant, test), kind) for test in tests if test.kind == kind]


def _show(bench: Bench, rows: Sequence[tuple[str, str, str]]) -> None:
    """The table: which mutant fell to which test."""
    width = max((len(name) for _, name, _ in rows), default=0)
    for exercise, name, killer in rows:
        bench.show(f"  {exercise:<5} {name:<{width}}  {killer}")
