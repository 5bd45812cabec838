"""Proves that no test is flaky: every test many times, with more of them at once than there are CPUs.

The tests are each other's load: every CPU is busy all the time, and every test is interrupted by
others at places that differ from round to round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import REFERENCE, binary
from coursekit.testing import pool, runner

_TESTS_FOR_EACH_CPU = 4
_RUNS_IN_A_PROCESS = 10  # to start a process costs as much as ten runs of a small test


def many_runs(bench: Bench, rounds: int) -> Iterator[Outcome]:
    tests = [test for exercise in bench.exercises for test in bench.catalog.tests(exercise)]
    built = bench.build(REFERENCE, [t.target for t in tests])
    for target, error in built.broken.items():
        yield Outcome(target, error.message)
    binaries = [
        binary(bench, REFERENCE, t.target, t.kind) for t in tests if t.target not in built.broken
    ]
    runs: dict[str, int] = {}
    failed: set[str] = set()
    for done in range(0, rounds, _RUNS_IN_A_PROCESS):
        repeats = min(_RUNS_IN_A_PROCESS, rounds - done)
        groups = [
            runner.Group(b.path.name, ((replace(b, repeats=_repeats(b.kind, repeats)),),))
            for b in binaries
        ]
        bench.ui.progress("soaking", done, rounds)
        width = pool.usable_cpus() * _TESTS_FOR_EACH_CPU
        for name, results in runner.run_groups(groups, width=width).items():
            for result in results:
                test = f"{name}: {result.name}"
                runs[test] = runs.get(test, 0) + _repeats(result.kind, repeats)
                if result.state != "pass" and test not in failed:
                    failed.add(test)  # Said at once: a soak takes long, and may be stopped.
                    yield Outcome(
                        f"{test}, one of runs {done + 1} to {done + repeats}",
                        f"{result.state}: {result.message}\n{result.output}",
                    )
    for test, count in runs.items():
        if test not in failed:
            yield Outcome(f"{test}, {count} runs")


def _repeats(kind: str, wanted: int) -> int:
    """In one process. A model test does the same each time: once is enough."""
    return 1 if kind == "model" else wanted
