"""Proofs by running tests: the reference passes everywhere, and the stubs nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from coursekit.building import build, compilers
from coursekit.course.catalog import Exercise
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.testing import check, runner
from coursekit.testing.verdicts import TestResult


# What of the reference is built by the course's compiler: its tests, the test kit's, and the demos.
# Nobody measures the demos here, and to optimize them takes a third of the time they cost.
REFERENCE = build.Configuration(
    subject="solutions",
    variant="selftest",
    options=("-DRT_SANITIZE=default,undefined", "-DRT_OPTIMIZE_DEMOS=-O0"),
)


def solutions(bench: Bench) -> Iterator[Outcome]:
    """The reference passes every test of every exercise."""
    yield from _reference(bench, check.Options(solutions=True, of_its_own=REFERENCE))


def on_one_cpu(bench: Bench) -> Iterator[Outcome]:
    with _affinity({min(os.sched_getaffinity(0))}):
        yield from list(solutions(_without(bench, "model")))


def by_gnu(bench: Bench) -> Iterator[Outcome]:
    if not compilers.is_clang(compilers.find()):
        yield Outcome("the reference by g++", skipped="g++ has built all the rest already")
        return
    yield from _reference(bench, check.Options(solutions=True, cxx="g++"))


def under_asan(bench: Bench) -> Iterator[Outcome]:
    """What has another sanitizer by default, or none."""
    some = _without(bench, "unit", "system")
    yield from _reference(some, check.Options(solutions=True, sanitize="address"))


def under_tsan(bench: Bench) -> Iterator[Outcome]:
    # A model test has one real thread, of which there is nothing to say.
    some = _without(bench, "stress", "model")
    yield from _reference(some, check.Options(solutions=True, sanitize="thread"))


def _reference(bench: Bench, options: check.Options) -> Iterator[Outcome]:
    chosen = [exercise for exercise in bench.exercises if bench.catalog.tests(exercise)]
    for result in check.run(
        bench.checkout,
        bench.catalog,
        chosen,
        replace(options, jobs=bench.jobs),
        bench.ui,
        "selftest",
    ):
        if not result.tests or result.state == "broken":
            yield Outcome(
                f"{result.exercise.id} {result.exercise.slug}", result.message or result.state
            )
        for breach in result.breaches:
            yield Outcome(
                f"{result.exercise.id} keeps its own rules",
                f"{breach.file}:{breach.line}: {breach.message}",
            )
        for test in result.tests:
            yield Outcome(f"{result.exercise.id} {test.name}", _problem(test))


def _without(bench: Bench, *kinds: str) -> Bench:
    """The same course without its tests of these kinds."""
    catalog = bench.catalog
    for kind in kinds:
        catalog = catalog.without(kind)
    return replace(bench, catalog=catalog)


def stubs(bench: Bench) -> Iterator[Outcome]:
    """Every single test of an untouched stub ends because something is not written, and compiles without a warning."""
    configuration = build.Configuration(
        variant="selftest-stubs",
        # Nobody looks for the line at which a test ends as not written.
        options=("-DRT_WERROR=ON", "-DRT_DEBUG_INFO=-g0"),
    )
    broken, results = run_tests(bench, configuration, bench.exercises)
    for exercise in bench.exercises:
        if exercise.id in broken:
            yield Outcome(f"{exercise.id} {exercise.slug} compiles", broken[exercise.id])
        for test in results.get(exercise.id, []):
            yield Outcome(f"{exercise.id} {test.name}", _not_todo(exercise, test))


def _not_todo(exercise: Exercise, test: TestResult) -> str:
    if test.state == "todo" and test.todo == exercise.id:
        return ""
    if test.state == "todo":
        return f"on the stub it ends at exercise {test.todo}, not at its own"
    return f"on the untouched stub it should end as not written, and its state is {test.state}: {test.message}"


def _problem(test: TestResult) -> str:
    return "" if test.state == "pass" else f"{test.state}: {test.message}\n{test.output}".rstrip()


def run_tests(
    bench: Bench, configuration: build.Configuration, exercises: Sequence[Exercise]
) -> tuple[Mapping[str, str], Mapping[str, list[TestResult]]]:
    """(what does not compile and why, the results of all the rest), by exercise. Runs every kind of test."""
    targets = {e.id: [test.target for test in bench.catalog.tests(e)] for e in exercises}
    wanted = [target for each in targets.values() for target in each]
    built = bench.build(configuration, wanted)
    broken = {
        key: check.place_and_message(bench.checkout, built.broken[target])
        for key, each in targets.items()
        for target in each
        if target in built.broken
    }
    groups = [
        runner.Group(
            f"{exercise.id} {test.target}",
            ((binary(bench, configuration, test.target, test.kind),),),
        )
        for exercise in exercises
        if exercise.id not in broken
        for test in bench.catalog.tests(exercise)
    ]
    done = runner.run_groups(
        groups, lambda n, known, name: bench.ui.progress(f"testing {name}", n, known)
    )
    results: dict[str, list[TestResult]] = {}
    for key, tests in done.items():
        results.setdefault(key.split()[0], []).extend(tests)
    return broken, results


def binary(
    bench: Bench, configuration: build.Configuration, target: str, kind: str
) -> runner.Binary:
    thread_sanitized = configuration.sanitize == "thread" or (
        not configuration.sanitize and kind == "stress"
    )
    return runner.Binary(
        build.binary(bench.checkout, configuration, target),
        kind,
        thread_sanitized,
        slow=bool(configuration.sanitize),
    )


@contextmanager
def _affinity(cpus: set[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
