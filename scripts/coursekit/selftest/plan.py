"""The parts of the self-test, in the order in which they run: the quickest to fail come first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from coursekit.errors import CourseError
from coursekit.selftest import (
    benches,
    compiling,
    contracts,
    demos,
    floors,
    handed_out,
    killing,
    runs,
    soak,
    tools,
)
from coursekit.selftest.outcome import Bench, Outcome, Part

PARTS: tuple[Part, ...] = (
    Part("layout", "the top level holds what the design names", tools.layout),
    Part("layers", "an include goes down, or stays in its room", floors.layers),
    Part("texts", "stubs are derived from the solutions; lessons and hints are whole", tools.texts),
    Part("shell", "shell scripts pass shellcheck", tools.shell),
    Part("format", "C++ files are formatted", tools.formatting),
    Part("types", "the tools are typed", tools.types),
    Part("tools", "the tools pass their own tests", tools.python_tests),
    Part("headers", "each header compiles alone", compiling.headers),
    Part("snippets", "each snippet of a lesson compiles", compiling.snippets),
    Part("testkit", "the test kit passes its own tests", tools.test_kit),
    Part("solutions", "the reference passes, built by g++", runs.solutions),
    Part("one-cpu", "the reference passes on one CPU", runs.on_one_cpu),
    Part("stubs", "no untouched stub passes, crashes or hangs", runs.stubs),
    Part("mutants", "each wrong solution is killed by a test of its exercise", killing.killed),
    Part(
        "thread",
        "the reference passes under ThreadSanitizer, built by clang",
        runs.under_thread_sanitizer,
    ),
    Part("demos", "each demo runs", demos.run_all),
    Part("bench", "each benchmark builds, and runs a tiny round", benches.run_all),
    Part(
        "handout",
        "a handout works; solved, it passes under AddressSanitizer and UBSan, built by clang",
        handed_out.works,
    ),
)

# What runs only when it is named.
ON_CALL: tuple[Part, ...] = (
    Part("contracts", "some mutant breaks each sentence of each contract", contracts.covered),
)


@dataclass
class Totals:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)

    def closing_line(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def choose(names: Sequence[str], soak_rounds: int) -> tuple[Part, ...]:
    """The parts by these names, or all but those on call; and the soak when rounds are asked for, alone unless parts are named too."""
    known = {part.name: part for part in (*PARTS, *ON_CALL)}
    for name in names:
        if name not in known:
            raise CourseError(f"the self-test has no part {name!r}. It has: {', '.join(known)}.", 2)
    chosen = tuple(known[name] for name in names)
    if soak_rounds:
        proves = f"no test fails in {soak_rounds} runs with every CPU loaded"
        return (*chosen, Part("soak", proves, partial(soak.many_runs, rounds=soak_rounds)))
    return chosen or PARTS


def run(bench: Bench, parts: Sequence[Part]) -> Totals:
    totals = Totals()
    for number, part in enumerate(parts, 1):
        started = time.monotonic()
        bench.show(f"[{number}/{len(parts)}] {part.name}: {part.proves}")
        passed = totals.passed
        for outcome in part.run(bench):
            _count(bench, totals, part, outcome)
        bench.show(f"      {totals.passed - passed} passed in {time.monotonic() - started:.0f} s")
    return totals


def _count(bench: Bench, totals: Totals, part: Part, outcome: Outcome) -> None:
    if outcome.skipped:
        totals.skipped += 1
        bench.show(f"  skipped  {outcome.name}: {outcome.skipped}")
    elif outcome.problem:
        totals.failed += 1
        totals.problems.append(f"{part.name}: {outcome.name}")
        bench.show(f"  FAILED   {outcome.name}")
        for line in outcome.problem.splitlines()[:60]:
            bench.show(f"           {line}")
    else:
        totals.passed += 1
