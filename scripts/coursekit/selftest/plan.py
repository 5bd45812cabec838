"""The parts of the self-test, in the order in which they run: the quickest to fail come first."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from coursekit.errors import CourseError
from coursekit.selftest import (
    benches,
    compiling,
    contracts,
    demos,
    exporting,
    floors,
    handed_out,
    killing,
    pictures,
    runs,
    soak,
    tools,
)
from coursekit.selftest.memory import Memory
from coursekit.selftest.outcome import Bench, Outcome, Part

# What a stranger runs, and every change: each thing proved once.
PARTS: tuple[Part, ...] = (
    Part("layout", "the top level holds what the design names", tools.layout, "everything"),
    Part("layers", "an include goes down, or stays in its room", floors.layers),
    Part(
        "texts",
        "stubs are derived from the solutions; lessons and hints are whole",
        tools.texts,
        "everything",
    ),
    Part(
        "contracts",
        "some mutant breaks each sentence of each contract",
        contracts.covered,
        "everything",
    ),
    Part("shell", "shell scripts pass shellcheck", tools.shell),
    Part("format", "C++ files are formatted", tools.formatting),
    Part("types", "the tools are typed", tools.types),
    Part("tools", "the tools pass their own tests", tools.python_tests, "everything"),
    Part(
        "visualizer",
        "the page is what its sources make, and works in a browser",
        pictures.shown,
        "everything",
    ),
    Part("snippets", "each snippet of a lesson compiles", compiling.snippets, "everything"),
    Part(
        "solutions",
        "the reference passes: units under AddressSanitizer and UBSan, stress under ThreadSanitizer",
        runs.solutions,
    ),
    Part("testkit", "the test kit passes its own tests", tools.test_kit),
    Part("demos", "each demo runs", demos.run_all),
    Part("stubs", "no untouched stub passes, crashes or hangs", runs.stubs),
    Part("mutants", "each wrong solution is killed by a test of its exercise", killing.killed),
    Part("export", "the exported runtime works, and a program outside finds it", exporting.works),
    Part("handout", "a handout works, untouched and solved", handed_out.works, "everything"),
)

# What `--whole` adds: the same once more, elsewhere.
MORE: tuple[Part, ...] = (
    Part("headers", "each header compiles alone", compiling.headers),
    Part(
        "pythons", "the tools pass their tests by other Pythons", tools.other_pythons, "everything"
    ),
    Part("one-cpu", "the reference passes on one CPU", runs.on_one_cpu),
    Part("gnu", "the reference passes, built by g++", runs.by_gnu),
    Part("gnu-testkit", "the test kit passes, built by g++", tools.test_kit_by_gnu),
    Part(
        "address", "models and stress tests pass under AddressSanitizer and UBSan", runs.under_asan
    ),
    Part("thread", "unit tests pass under ThreadSanitizer", runs.under_tsan),
    Part(
        "exports",
        "so it does in Debug and Release, by clang and g++",
        exporting.works_everywhere,
    ),
    Part("bench", "each benchmark builds, and runs a tiny round", benches.run_all),
    Part("class", "in a handout every solved exercise passes", handed_out.solved),
    Part(
        "threads", "what the model checker finds is tried with real threads", killing.with_threads
    ),
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


def choose(names: Sequence[str], soak_rounds: int, whole: bool = False) -> tuple[Part, ...]:
    """The parts by these names, or all; and the soak when rounds are asked for, alone unless parts are named too."""
    known = {part.name: part for part in (*PARTS, *MORE)}
    for name in names:
        if name not in known:
            raise CourseError(f"the self-test has no part {name!r}. It has: {', '.join(known)}.", 2)
    chosen = tuple(known[name] for name in names)
    if soak_rounds:
        proves = f"no test fails in {soak_rounds} runs with every CPU loaded"
        return (*chosen, Part("soak", proves, partial(soak.many_runs, rounds=soak_rounds)))
    return chosen or ((*PARTS, *MORE) if whole else PARTS)


def run(
    bench: Bench, parts: Sequence[Part], memory: Memory | None = None, *, again: bool = False
) -> Totals:
    """`memory`: of what was proved before, which is not proved again, unless `again` says so."""
    totals = Totals()
    for number, part in enumerate(parts, 1):
        bench.show(f"[{number}/{len(parts)}] {part.name}: {part.proves}")
        if memory and not again and (proof := memory.recall(part.name, part.reads)):
            totals.passed += proof.passed
            bench.show(
                f"      {proof.passed} passed at {proof.when}, and nothing has changed since"
            )
            continue
        started, used = time.monotonic(), _cpu_seconds()
        before = replace(totals)
        for outcome in part.run(bench):
            _count(bench, totals, part, outcome)
        passed = totals.passed - before.passed
        took = f"{time.monotonic() - started:.0f} s ({_cpu_seconds() - used:.0f} s of CPU)"
        bench.show(f"      {passed} passed in {took}")
        if memory and (totals.failed, totals.skipped) == (before.failed, before.skipped):
            memory.keep(part.name, part.reads, passed)
    return totals


def left_out(parts: Sequence[Part]) -> str:
    """What a run of these does not prove, in one sentence; empty if that is nothing, or was chosen by name."""
    if tuple(parts) != PARTS:
        return ""
    names = ", ".join(part.name for part in MORE)
    return f"Left out: {names}. `scripts/course selftest --whole` proves these too."


def _cpu_seconds() -> float:
    """Of all that has ended. On a busy machine it says more than a clock does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
