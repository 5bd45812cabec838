"""Proves that every mutant, a wrong solution, is killed by a test of its own exercise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coursekit import build, check, mutants, runner
from coursekit.mutants import Mutant
from coursekit.runner import TestResult
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import binary

FEWEST = 3  # for each exercise

_CONFIGURATION = build.Configuration(
    subject="solutions", variant="selftest-mutants", options=("-DRT_MUTANTS=ON",)
)


def killed(bench: Bench) -> Iterator[Outcome]:
    everything = mutants.load_all(bench.catalog)
    for exercise in bench.catalog.exercises:
        count = sum(m.exercise == exercise.id for m in everything)
        short = "" if count >= FEWEST else f"it has {count} mutants; at least {FEWEST} are wanted"
        yield Outcome(f"{exercise.id} has mutants", short)
    built = build.build(
        bench.checkout,
        _CONFIGURATION,
        [target for mutant in everything for target in _targets(bench, mutant).values()],
        bench.ui.progress,
        bench.jobs,
    )
    whole = []
    for mutant in everything:
        failed = next((t for t in _targets(bench, mutant).values() if t in built.broken), "")
        if failed:
            where = check.place_and_message(bench.checkout, built.broken[failed])
            yield Outcome(mutant.name, f"it does not compile, so it proves nothing: {where}")
        else:
            whole.append(mutant)
    groups = [runner.Group(mutant.name, _stages(bench, mutant)) for mutant in whole]
    results = runner.run_groups(
        groups, lambda n, known, name: bench.ui.progress(f"killing by {name}", n, known)
    )
    rows = []
    for mutant in whole:
        problem, killer = judge(mutant, results[mutant.name])
        rows.append((mutant.exercise, mutant.name, killer or "SURVIVED"))
        yield Outcome(mutant.name, problem)
    _show(bench, rows)


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


def _targets(bench: Bench, mutant: Mutant) -> dict[str, str]:
    """Target by kind of test, in the order in which to run them."""
    exercise = bench.catalog.exercise(mutant.exercise)
    return {t.kind: mutants.target(mutant, t) for t in bench.catalog.tests(exercise)}


def _stages(bench: Bench, mutant: Mutant) -> tuple[tuple[runner.Binary, ...], ...]:
    return tuple(
        (binary(bench, _CONFIGURATION, target, kind),)
        for kind, target in _targets(bench, mutant).items()
    )


def _show(bench: Bench, rows: Sequence[tuple[str, str, str]]) -> None:
    """The table: which mutant fell to which test."""
    width = max((len(name) for _, name, _ in rows), default=0)
    for exercise, name, killer in rows:
        bench.show(f"  {exercise:<5} {name:<{width}}  {killer}")
