"""Proves that every mutant, a wrong solution, is killed by a test of its own exercise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coursekit import build, check, mutants, runner
from coursekit.catalog import TEST_SUFFIXES
from coursekit.mutants import Mutant
from coursekit.runner import TestResult
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import binary, clang

FEWEST = 3  # for each exercise


def killed(bench: Bench) -> Iterator[Outcome]:
    chosen = {exercise.id for exercise in bench.exercises}
    everything = [m for m in mutants.load_all(bench.catalog) if m.exercise in chosen]
    for exercise in bench.exercises:
        count = sum(m.exercise == exercise.id for m in everything)
        short = "" if count >= FEWEST else f"it has {count} mutants; at least {FEWEST} are wanted"
        yield Outcome(f"{exercise.id} has mutants", short)
    # The unit tests first: what they kill needs no other binary, and each takes seconds to compile.
    # By clang first, which takes half of g++'s time; a bug that only g++ shows is left to g++.
    results: dict[str, list[TestResult]] = {mutant.name: [] for mutant in everything}
    survivors = everything
    for cxx in filter(None, (clang(), "g++")):
        for kind, _ in TEST_SUFFIXES:
            yield from _attack(bench, survivors, kind, cxx, results)
            survivors = [mutant for mutant in survivors if judge(mutant, results[mutant.name])[0]]
    rows = []
    for mutant in everything:
        problem, killer = judge(mutant, results[mutant.name])
        rows.append((mutant.exercise, mutant.name, killer or "SURVIVED"))
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
    configuration = build.Configuration(
        subject="solutions",
        cxx=cxx,
        variant="selftest-mutants",
        # Nobody reads where in a mutant a test failed, and lines are a tenth of the compiler's work.
        options=("-DRT_MUTANTS=ON", "-DCMAKE_CXX_FLAGS_DEBUG=-O0 -g0 -fno-omit-frame-pointer"),
    )
    targets = {mutant.name: target for mutant in some if (target := _target(bench, mutant, kind))}
    if not targets:
        return
    built = build.build(
        bench.checkout, configuration, list(targets.values()), bench.ui.progress, bench.jobs
    )
    may_hang = {mutant.name for mutant in some if mutant.expect == "hang"}
    groups = []
    for name, target in targets.items():
        if target in built.broken:
            where = check.place_and_message(bench.checkout, built.broken[target])
            yield Outcome(f"{name} compiles", where)
        else:
            stage = (binary(bench, configuration, target, kind),)
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


def _target(bench: Bench, mutant: Mutant, kind: str) -> str:
    """What runs the exercise's tests of this kind on the mutant; empty when it has none."""
    exercise = bench.catalog.exercise(mutant.exercise)
    found = [test for test in bench.catalog.tests(exercise) if test.kind == kind]
    return mutants.target(mutant, found[0]) if found else ""


def _show(bench: Bench, rows: Sequence[tuple[str, str, str]]) -> None:
    """The table: which mutant fell to which test."""
    width = max((len(name) for _, name, _ in rows), default=0)
    for exercise, name, killer in rows:
        bench.show(f"  {exercise:<5} {name:<{width}}  {killer}")
