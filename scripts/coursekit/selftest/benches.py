"""Proves that the benchmarks still build. What they measure is for people to look at."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from coursekit import build
from coursekit.selftest.outcome import Bench, Outcome


def compile_all(bench: Bench) -> Iterator[Outcome]:
    if not Path("/usr/include/benchmark/benchmark.h").exists():
        yield Outcome("the benchmarks", skipped="libbenchmark-dev is not installed")
        return
    source, folder = bench.root / "scripts/bench", bench.checkout.builds / "bench"
    bench.ui.progress("building the benchmarks", 0, 0)
    for command in (
        [build.tool("cmake"), "-S", str(source), "-B", str(folder), "-G", "Ninja"],
        [build.tool("ninja"), "-C", str(folder), "-j", str(bench.jobs)],
    ):
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, env=build.build_environment()
        )
        if answer.returncode != 0:
            yield Outcome("the benchmarks build", answer.stdout + answer.stderr)
            return
    yield Outcome("the benchmarks build")
