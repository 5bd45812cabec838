"""Proves that every demo builds and runs to its end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from coursekit.building import build
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import REFERENCE
from coursekit.testing import check, pool


def run_all(bench: Bench) -> Iterator[Outcome]:
    configuration = REFERENCE
    demos = bench.catalog.demos()
    built = bench.build(configuration, [d.target for d in demos])
    for demo in demos:
        if demo.target in built.broken:
            yield Outcome(
                f"demo {demo.name}",
                check.place_and_message(bench.checkout, built.broken[demo.target]),
            )
            continue
        bench.ui.progress(f"running the demo {demo.name}", 0, 0)
        program = build.binary(bench.checkout, configuration, demo.target)
        # Every demo takes --self-test: a small run that ends by itself, with 0 if all went well.
        answer = subprocess.run(
            [program, "--self-test"],
            capture_output=True,
            text=True,
            check=False,
            env=pool.test_environment(),
            stdin=subprocess.DEVNULL,
            cwd=bench.checkout.builds,
        )
        wide = next((line for line in answer.stdout.splitlines() if len(line) > 80), "")
        if answer.returncode != 0:
            problem = f"it ended with {answer.returncode}\n{answer.stdout}{answer.stderr}"
        elif wide:
            problem = f"a line of its output is wider than 80 columns: {wide}"
        else:
            problem = "" if answer.stdout.strip() else "it says nothing"
        yield Outcome(f"demo {demo.name}", problem)
