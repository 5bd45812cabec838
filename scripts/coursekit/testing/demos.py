"""Whether a demo runs to its end."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from coursekit.testing import pool

_NOT_WRITTEN = re.compile(r"exercise \S+ is not written yet")
_LONGEST = 300  # seconds; only one that hangs takes as long


def problem_of(program: Path, folder: Path) -> str:
    """What is wrong with a demo's own test, run in `folder`; empty if nothing is.

    Every demo takes --self-test: a small run that ends by itself, with 0 if all went well.
    """
    try:
        answer = subprocess.run(
            [program, "--self-test"],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=pool.test_environment(),
            stdin=subprocess.DEVNULL,
            cwd=folder,
            timeout=_LONGEST,
        )
    except subprocess.TimeoutExpired:
        return f"it has not ended after {_LONGEST} s"
    if unwritten := _NOT_WRITTEN.search(answer.stderr):
        return unwritten[0]
    if answer.returncode != 0:
        return f"it ended with {answer.returncode}\n{answer.stdout}{answer.stderr}"
    wide = next((line for line in answer.stdout.splitlines() if len(line) > 80), "")
    if wide:
        return f"a line of its output is wider than 80 columns: {wide}"
    return "" if answer.stdout.strip() else "it says nothing"
