"""Proves that every demo builds and runs to its end."""

from __future__ import annotations

from collections.abc import Iterator

from coursekit.building import build
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import REFERENCE
from coursekit.testing import check, demos


def run_all(bench: Bench) -> Iterator[Outcome]:
    everything = bench.catalog.demos()
    built = bench.build(REFERENCE, [d.target for d in everything])
    for demo in everything:
        if demo.target in built.broken:
            yield Outcome(
                f"demo {demo.name}",
                check.place_and_message(bench.checkout, built.broken[demo.target]),
            )
            continue
        bench.ui.progress(f"running the demo {demo.name}", 0, 0)
        program = build.binary(bench.checkout, REFERENCE, demo.target)
        problem = demos.problem_of(program, bench.checkout.builds)
        yield Outcome(f"demo {demo.name}", problem)
