"""Proves that no test is flaky: every test many times, with every CPU loaded by others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from coursekit import build, runner
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import binary


def many_runs(bench: Bench, rounds: int) -> Iterator[Outcome]:
    configuration = build.Configuration(subject="solutions")
    tests = [test for exercise in bench.catalog.exercises for test in bench.catalog.tests(exercise)]
    built = build.build(bench.checkout, configuration, [t.target for t in tests], bench.ui.progress, bench.jobs)
    for target, error in built.broken.items():
        yield Outcome(target, error.message)
    binaries = [binary(bench, configuration, t.target, t.kind) for t in tests if t.target not in built.broken]
    failures: dict[str, list[str]] = {}
    runs: dict[str, int] = {}
    with _load():
        for number in range(1, rounds + 1):
            groups = [runner.Group(b.path.name, ((b,),)) for b in binaries]
            bench.ui.progress("soaking", number, rounds)
            for name, results in runner.run_groups(groups).items():
                for result in results:
                    test = f"{name}: {result.name}"
                    runs[test] = runs.get(test, 0) + 1
                    if result.state != "pass":
                        said = f"round {number}: {result.state}: {result.message}\n{result.output}"
                        failures.setdefault(test, []).append(said)
    for test, count in runs.items():
        bad = failures.get(test, [])
        yield Outcome(f"{test}, {count} runs", f"{len(bad)} of {count} runs failed. {bad[0]}" if bad else "")


@contextmanager
def _load() -> Iterator[None]:
    """One process for each CPU that does nothing but use it."""
    burners = [
        subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"], start_new_session=True)
        for _ in range(len(os.sched_getaffinity(0)))
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
